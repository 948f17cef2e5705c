"""Which answers alarm somebody, how urgently and on what clock. Pure.

An alarm is made from single answers, never from a total, so that it stands even when nothing can be scored: a failed
score is an alarm of its own (domain.md 6.5). ``assess`` therefore never raises on what a person answered. Who is paged,
and the rows of an alert, are in ``actions/alerts.py``; the minutes are the policy's, handed in as its "risk" limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from assessments import scoring
from assessments.instrument import Definition, SafetyItem, Tier
from assessments.scoring import Answers, Entered, Score

SCORING_FAILED = "scoring_failed"


@dataclass(frozen=True)
class Signal:
    """One reason for an alarm. ``item`` is empty when scoring failed; ``value`` is None for a blank."""

    tier: Tier
    trigger: str
    item: str
    value: int | None = None

    @property
    def is_unknown(self) -> bool:
        """Return whether it is a question left out, which nobody may read as a no."""
        return self.value is None and bool(self.item)


@dataclass(frozen=True)
class Assessment:
    """What handing in a questionnaire comes to. Exactly one of ``score`` and ``failure`` is there."""

    score: Score | None
    failure: str
    signals: tuple[Signal, ...]


def signals(definition: Definition, answers: Answers) -> tuple[Signal, ...]:
    """Return the alarms in the answers, the most urgent first, then in the order of the form. Source: domain.md 6.5.

    Never raises: what is no answer of the instrument is ORANGE, as a score that failed, and what can be read beside it
    still counts. A safety item that was asked and left blank is an alarm of its own kind, "unknown".
    """
    readable, failed = _readable(definition, answers)
    found = []
    for safety in definition.safety_items:
        signal = _signal(definition, safety, readable)
        if signal is not None:
            found.append(signal)
    if failed:
        found.append(Signal(Tier.ORANGE, SCORING_FAILED, ""))
    return tuple(sorted(found, key=lambda signal: -signal.tier.urgency))


def paper_total_signals(definition: Definition) -> tuple[Signal, ...]:
    """Return the alarms of a total without its items: every safety item that is always asked is unknown."""
    return tuple(
        Signal(safety.blank, f"{safety.trigger}_unknown", safety.item)
        for safety in definition.safety_items
        if safety.blank is not None and definition.item(safety.item).asked_if is None
    )


def assess(definition: Definition, answers: Answers, *, entered: Entered = Entered.ANSWERS) -> Assessment:
    """Return the score and the alarms of one questionnaire. Never raises: a failed score is ORANGE (domain.md 6.5).

    ``failure`` names the kind of the error and the item, and repeats nothing that was answered.
    """
    found = signals(definition, answers)
    try:
        return Assessment(scoring.score(definition, answers, entered=entered), "", found)
    except Exception as error:  # whatever it is, somebody may be in danger behind it
        failure = type(error).__name__
        if isinstance(error, scoring.InvalidAnswers):
            failure = f"{failure}: {error.item}"
        if not any(signal.trigger == SCORING_FAILED for signal in found):
            found = tuple(
                sorted((*found, Signal(Tier.ORANGE, SCORING_FAILED, "")), key=lambda signal: -signal.tier.urgency)
            )
        return Assessment(None, failure, found)


def in_morning_list(definition: Definition, result: Score, answers: Answers) -> bool:
    """Return whether a high total stands beside a safety item answered with "not at all".

    That alarms nobody by itself and is read out in the morning (domain.md 6.5). High is the instrument's top band.
    """
    if result.band is None or not definition.safety_items or result.band != definition.bands[-1]:
        return False
    return all(answers.get(safety.item) == 0 for safety in definition.safety_items)


def _readable(definition: Definition, answers: Answers) -> tuple[dict[str, int], bool]:
    """Return the answers that can be read one by one, and whether any could not."""
    try:
        # Most can all be read, and a course of sixty is: one by one costs as many times as there are questions.
        return scoring.check(definition, answers), False
    except scoring.InvalidAnswers:
        pass
    readable: dict[str, int] = {}
    failed = False
    for item_id, answer in answers.items():
        try:
            readable.update(scoring.check(definition, {item_id: answer}))
        except scoring.InvalidAnswers:
            failed = True
    return readable, failed


def _signal(definition: Definition, safety: SafetyItem, given: Mapping[str, int]) -> Signal | None:
    value = given.get(safety.item)
    if value is not None:
        # A yes to a question that need not have been asked is a yes.
        tier = safety.tier_of(value)
        return None if tier is None else Signal(tier, safety.trigger, safety.item, value)
    if safety.blank is None or not scoring.is_asked(definition.item(safety.item), given):
        return None
    return Signal(safety.blank, f"{safety.trigger}_unknown", safety.item)


@dataclass(frozen=True)
class Clock:
    """How fast a tier is answered. None means that the tier has no such time.

    ``contact_open`` and ``contact_after_hours`` say by when somebody has spoken to the patient, in opening hours and
    outside. ``same_business_day``: in opening hours on the day itself, else on the next business morning. Who is called,
    and who is called next, is clinic/ladder.py's.
    """

    tier: Tier
    acknowledge_within: timedelta | None
    contact_open: timedelta | None
    contact_after_hours: timedelta | None
    same_business_day: bool


def clock(tier: Tier, risk: Mapping[str, int]) -> Clock:
    """Return the clock of a tier from the policy's "risk" limits. Source: domain.md 6.5, appendix A.

    Takes ``red_ack_min``, ``red_contact_min``, ``orange_hours`` and ``orange_after_hours_min``; refuses with KeyError
    when one that the tier needs is not set, because no minute is guessed.
    """
    if tier is Tier.RED:
        contact = timedelta(minutes=risk["red_contact_min"])
        return Clock(tier, timedelta(minutes=risk["red_ack_min"]), contact, contact, False)
    if tier is Tier.ORANGE:
        open_, shut = timedelta(hours=risk["orange_hours"]), timedelta(minutes=risk["orange_after_hours_min"])
        return Clock(tier, None, open_, shut, False)
    return Clock(tier, None, None, None, True)
