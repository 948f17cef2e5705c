"""An alert as text: whom it is about, what was answered, its clocks, and what is done next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments import definitions, safety, wordings
from assessments.actions.alerts import CRISIS_WORDS
from assessments.alertsteps import Next, Step
from assessments.models import AssessmentResponse, RiskAlert
from clinic import localtime
from clinic.models import Page

STEPS = {
    Step.CALL_PATIENT: gettext_lazy("Call the patient now"),
    Step.CALL_CONTACT: gettext_lazy("Call their emergency contact now"),
    Step.DECIDE_WELFARE_CHECK: gettext_lazy("Decide on a welfare check"),
    Step.WRITE_DISPOSITION: gettext_lazy("Write down what follows"),
    Step.CLOSED: gettext_lazy("Closed"),
}
# How long before its alert an answer may have been given without saying so.
JUST_NOW = timedelta(hours=1)


@dataclass(frozen=True)
class Clock:
    """One deadline in words: "by 10:30 MST", and "in 12 min" or "5 min late"."""

    by: str
    left: str
    is_late: bool


def clock(due: datetime, now: datetime, tz: ZoneInfo) -> Clock:
    """Return a deadline in words, with its day only when that is another than today's."""
    same_day = localtime.day_of(due, tz) == localtime.day_of(now, tz)
    by = (
        f"{localtime.clock_text(due, tz)} {localtime.zone_text(due, tz)}"
        if same_day
        else localtime.moment_text(due, tz)
    )
    if due < now:
        return Clock(by, _("%(age)s late") % {"age": localtime.age_text(due, now)}, True)
    return Clock(by, _("in %(age)s") % {"age": localtime.age_text(now, due)}, False)


@dataclass(frozen=True)
class Answered:
    """One reason for the alert: the question and the answer, in its words where they may be shown.

    ``since`` says what stands now in the answer's place, where somebody corrected it or took it back after the alert. ``when`` is when
    it was answered, where that was not just before the alert: a sheet of paper may be days old.
    """

    instrument: str
    question: str
    answer: str
    is_blank: bool = False
    since: str = ""
    when: str = ""


def answered(
    alert: RiskAlert, responses: Mapping[UUID, AssessmentResponse], newer: Mapping[UUID, AssessmentResponse], on: date
) -> list[Answered]:
    """Return what set the alert off. ``responses`` are those it names, by id; wording is shown as its licence allows.

    ``newer`` are what stands in the place of those that were corrected or taken back since, by the same ids.
    """
    lines = []
    held = wordings.permissions()
    for signal in alert.signals:
        named = signal.get("response")
        response = (
            responses.get(UUID(named)) if named else responses.get(alert.response_id) if alert.response_id else None
        )
        if signal["trigger"] == CRISIS_WORDS:
            words = response.words if response else ""
            lines.append(Answered("", _("Wrote words of danger, and said so when asked on the same page."), words))
        elif response is None:
            lines.append(Answered("", _("An alarming answer."), ""))
        else:
            line = _answered(response, signal, held, on)
            tz = alert.location.tz
            since = _since(newer.get(response.pk), signal, tz)
            lines.append(replace(line, since=since, when=_when(response, alert.raised_at, tz)))
    return lines


def _when(response: AssessmentResponse, raised_at: datetime, tz: ZoneInfo) -> str:
    """Return when it was answered, "" for just now. Of a sheet of paper only the day is known."""
    if response.mode == AssessmentResponse.Mode.PAPER:
        return _("from paper, of %(day)s") % {"day": localtime.day_text(localtime.day_of(response.answered_at, tz))}
    if raised_at - response.answered_at > JUST_NOW:
        return _("answered %(moment)s") % {"moment": localtime.moment_text(response.answered_at, tz)}
    return ""


def _since(newer: AssessmentResponse | None, signal: dict[str, Any], tz: ZoneInfo) -> str:
    """Return what became of an answer after it raised the alert; "" where it stands as it was."""
    if newer is None:
        return ""
    who = {
        "name": newer.entered_by.name,
        "moment": localtime.moment_text(newer.received_at, tz),
        "why": newer.correction_reason,
    }
    if newer.is_retraction:
        return _("Taken back since by %(name)s, %(moment)s: “%(why)s”") % who
    value = newer.answers.get(signal["item"]) if signal["item"] else None
    who["value"] = _("left out") if value is None else str(value)
    return _("Corrected since by %(name)s, %(moment)s: now %(value)s. “%(why)s”") % who


def _answered(
    response: AssessmentResponse, signal: dict[str, Any], held: Iterable[definitions.Permission], on: date
) -> Answered:
    try:
        definition = definitions.get(response.code, response.version, response.language)
        item = definition.item(signal["item"]) if signal["item"] else None
    except (definitions.UnknownInstrument, KeyError):
        # Whatever became of the instrument's file, somebody has to act on this.
        value = "" if signal["value"] is None else str(signal["value"])
        return Answered(response.code, _("Question %(item)s") % {"item": signal["item"]}, value)
    if item is None or signal["trigger"] == safety.SCORING_FAILED:
        return Answered(
            definition.name, _("It could not be scored, which counts as an alarm. Read the answers themselves."), ""
        )
    if definitions.can_render(definition, held, on=on):
        item = next(each for each in definitions.wording(definition, held, on=on).items if each.id == signal["item"])
    label = next((option.label for option in item.options if option.value == signal["value"]), "")
    question = item.text or _("Question %(n)s; its wording may not be shown here") % {"n": item.number}
    if signal["value"] is None:
        return Answered(definition.name, question, _("left out: nobody may read that as a no"), is_blank=True)
    number = _("%(value)s of %(high)s") % {"value": signal["value"], "high": item.high}
    return Answered(definition.name, question, f"{label} ({number})" if label else number)


def state(page: Page | None, alert: RiskAlert, tz: ZoneInfo) -> str:
    """Return who has answered the call, in words."""
    if alert.closed_at is not None:
        return _("Closed %(moment)s") % {"moment": localtime.moment_text(alert.closed_at, tz)}
    if alert.contacted_at is not None:
        return _("Spoken with %(moment)s") % {"moment": localtime.moment_text(alert.contacted_at, tz)}
    if page is None:
        return _("Nobody is being called")
    if page.acknowledged_by is not None and page.acknowledged_at is not None:
        return _("Answered by %(name)s, %(moment)s") % {
            "name": page.acknowledged_by.name, "moment": localtime.moment_text(page.acknowledged_at, tz),
        }  # fmt: skip
    if not page.is_called:
        return _("Calls begin %(moment)s") % {"moment": localtime.moment_text(page.next_at, tz)}
    return _("Nobody has answered")


def step_words(found: Next) -> str:
    """Return what is done next, with how many calls failed."""
    words = str(STEPS[found.step])
    if found.step is Step.CALL_PATIENT and found.failed:
        return _("%(words)s (%(failed)d of %(allowed)d calls reached nobody)") % {
            "words": words, "failed": found.failed, "allowed": found.allowed,
        }  # fmt: skip
    return words
