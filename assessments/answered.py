"""What one response came to, in words for clinicians: score and band, why there is none, what alarms in it. Fetches nothing.

Nothing is smoothed: a blank is a blank, a prorated total says so, a cut-off and a rule over parts stand side by side and
neither overrules the other (domain.md 2.2). The course over time is in scorecharts.py, a patient's own words in
plainwords.py.
"""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from assessments import safety, scoring
from assessments.instrument import Definition, Item, Kind, Tier
from assessments.models import AssessmentResponse, Score
from assessments.scoring import CutOffState, NoTotal

NOTES = {
    "all_from_item_1": lazy("Every point comes from question 1: review the intake."),
    "answered_out_of_order": lazy("A question was answered with yes that the form would not have asked. It counts."),
    "body_strong": lazy("Feels sick, dizzy or has a headache, a lot."),
    "call_wanted": lazy("Would like somebody from the clinic to call."),
    "effects_strong": lazy("Still notices effects of the medicine, a lot."),
    "feels_bad": lazy("Feels bad."),
    "nobody_to_turn_to": lazy("Has nobody to turn to."),
    "refused": lazy("A question was left unanswered, which counts as positive."),
    "risk_taking": lazy("Takes risks that could cause harm (question 16)."),
    "urine": lazy("Passing urine is painful or hard."),
}
TIERS = {Tier.RED: lazy("red"), Tier.ORANGE: lazy("orange"), Tier.YELLOW: lazy("yellow")}
TONES = {Tier.RED: "red", Tier.ORANGE: "clay", Tier.YELLOW: "amber"}
MET = {True: lazy("met"), False: lazy("not met"), None: lazy("open, because of a blank")}


@dataclass(frozen=True)
class Alarm:
    """One safety answer that alarms. ``answer`` is empty when it was left out."""

    number: str
    answer: str
    tier: str
    tone: str

    @property
    def text(self) -> str:
        if not self.number:
            return _("could not be scored")
        if not self.answer:
            return _("question %(n)s left out") % {"n": self.number}
        return _("question %(n)s: %(answer)s") % {"n": self.number, "answer": self.answer}


@dataclass(frozen=True)
class Result:
    """The outcome as a list shows it. ``big`` is "" when there is no number and no category; ``why_not`` says why."""

    big: str
    of: str
    band: str
    why_not: str
    prorated: str
    alarms: tuple[Alarm, ...]
    notes: tuple[str, ...]


def result(
    definition: Definition, response: AssessmentResponse, score: Score | None, *, has_alarms: bool = True
) -> Result:
    """Return the outcome of one response in words. A response that was taken back has none.

    Without alarms for a row that has no place for them: looking for them reads every answer.
    """
    alarms = alarms_of(definition, response) if has_alarms else ()
    if score is None:
        return Result("", "", "", "", "", alarms, ())
    band = next((band.label for band in definition.bands if band.id == score.band), "")
    category = definition.category(score.category).label if score.category else ""
    imputed = score.data.get("imputed", [])
    prorated = ngettext("%(n)d blank filled in", "%(n)d blanks filled in", len(imputed)) % {"n": len(imputed)}
    return Result(
        big=str(score.total) if score.total is not None else category,
        of=f"/{definition.high}" if score.total is not None else "",
        band=band,
        why_not=_why_not(definition, score),
        prorated=prorated if score.is_prorated else "",
        alarms=alarms,
        notes=tuple(_note(definition, code) for code in score.data.get("notes", [])),
    )


def _why_not(definition: Definition, score: Score) -> str:
    if score.failure:
        return _("Could not be scored. An alarm was raised.")
    if score.total is not None or score.category:
        return ""
    missing = score.data.get("missing", [])
    if score.reason == NoTotal.NOT_A_SUM:
        return _("No total: each answer stands for itself.") if definition.low is None else _("No total.")
    if score.reason == NoTotal.ONLY_PARTS_GIVEN:
        return _("No score: only parts of it were given.")
    if score.reason == NoTotal.NEVER_IMPUTED:
        numbers = ", ".join(definition.item(i).number for i in definition.missing.never_imputed if i in missing)
        return _("No score: question %(n)s was left out and is never filled in.") % {"n": numbers}
    return ngettext("No score: %(n)d unanswered.", "No score: %(n)d unanswered.", len(missing)) % {"n": len(missing)}


def _note(definition: Definition, code: str) -> str:
    if code.startswith("at_least_"):
        return _("At least: %(category)s.") % {"category": definition.category(code.removeprefix("at_least_")).label}
    return str(NOTES.get(code, code))


def alarms_of(definition: Definition, response: AssessmentResponse) -> tuple[Alarm, ...]:
    """Return the safety answers that alarm, the most urgent first, and those left out, which nobody may read as a no."""
    if response.is_retraction:
        return ()
    if response.entered == AssessmentResponse.Entered.PAPER_TOTAL:
        found = safety.paper_total_signals(definition)
    else:
        found = safety.signals(definition, response.answers)
    return tuple(_alarm(definition, signal) for signal in found)


def _alarm(definition: Definition, signal: safety.Signal) -> Alarm:
    item = definition.item(signal.item) if signal.item else None
    answer = answer_text(item, signal.value) if item is not None and signal.value is not None else ""
    return Alarm(item.number if item else "", answer, str(TIERS[signal.tier]), TONES[signal.tier])


def answer_text(item: Item, value: object) -> str:
    """Return one answer as its number, or as yes or no."""
    if item.kind is Kind.YES_NO and value in (0, 1):
        return _("yes") if value == 1 else _("no")
    return str(value)


@dataclass(frozen=True)
class ItemLine:
    """One question and its answer. ``label`` is its words where they may be shown; a blank says whether it was asked."""

    number: str
    text: str
    value: str
    label: str
    blank: str
    alarm: Alarm | None
    imputed: bool


def item_lines(
    definition: Definition, items: tuple[Item, ...], response: AssessmentResponse, score: Score | None, *, shown: bool
) -> list[ItemLine]:
    """Return every question of the form in its order, with its answer or "not answered"; none for totals from paper.

    ``items`` carry the words; they are passed on only when ``shown``, which is the licence's to say.
    """
    if response.entered == AssessmentResponse.Entered.PAPER_TOTAL or response.is_retraction:
        return []
    given = {key: value for key, value in response.answers.items() if type(value) is int}
    alarms = {alarm.number: alarm for alarm in alarms_of(definition, response)}
    imputed = set(score.data.get("imputed", [])) if score else set()
    lines = []
    for item in items:
        value = response.answers.get(item.id)
        label = next((option.label for option in item.options if option.value == value), "") if shown else ""
        asked = scoring.is_asked(item, given)
        lines.append(
            ItemLine(
                number=item.number,
                text=item.text if shown else "",
                value="" if value is None else (str(value) if item.kind is Kind.TEXT else answer_text(item, value)),
                label="" if item.kind is Kind.YES_NO else label,
                blank="" if value is not None else (_("not answered") if asked else _("not asked")),
                alarm=alarms.get(item.number),
                imputed=item.id in imputed,
            )
        )
    return lines


def statements(definition: Definition, score: Score | None) -> list[dict[str, str]]:
    """Return what follows from a score beside its band: parts, cut-offs and rules, each a statement of its own."""
    if score is None or not score.data:
        return []
    said: list[dict[str, Any]] = []
    for part in definition.subscales:
        total = score.data.get("parts", {}).get(part.id)
        said.append({"label": part.label, "value": _("—, not known") if total is None else f"{total} / {part.high}"})
    for cut in definition.cut_offs:
        state = score.data.get("cut_offs", {}).get(cut.id)
        if state is None:
            continue
        who = {"men": _(" (men)"), "women": _(" (women)")}.get(cut.applies_to, "")
        words = {
            CutOffState.POSITIVE: _("at or above %(n)d") % {"n": cut.at_least},
            CutOffState.BELOW: _("below %(n)d") % {"n": cut.grey_from or cut.at_least},
            CutOffState.GREY: _("between %(low)s and %(high)d: the sources differ")
            % {"low": cut.grey_from, "high": cut.at_least},
        }[CutOffState(state)]
        said.append({"label": f"{cut.label}{who}", "value": words})
    labels = {criterion.id: criterion.label for criterion in definition.criteria} | {"all": definition.criteria_label}
    said += [
        {"label": labels.get(fact, fact), "value": str(MET[met])} for fact, met in score.data.get("facts", {}).items()
    ]
    return said
