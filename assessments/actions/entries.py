"""Entries: what staff hand in for a patient. Read out, rated by a clinician, or copied from paper; corrected; taken back.

The storing, scoring and alarming is ``responses.hand_in``'s, as for every other answer. Here is who may enter what in
which way, and which request it settles.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from assessments import definitions, scoring
from assessments.actions import responses
from assessments.definitions import Permission
from assessments.instrument import Answerer, Definition
from assessments.models import AssessmentRequest, AssessmentResponse
from clinic import localtime
from clinic.errors import Refused
from clinic.models import LICENSED, User
from patients.models import Patient

Mode = AssessmentResponse.Mode
Entered = AssessmentResponse.Entered

# Who may rate what a trained clinician asks (domain.md 2.2): a monitor is not among them.
RATERS = LICENSED


class Way(StrEnum):
    """How something is entered."""

    READ_OUT = "read_out"
    RATED = "rated"
    RATED_TOTAL = "rated_total"
    PAPER = "paper"
    PAPER_TOTAL = "paper_total"

    @property
    def is_total(self) -> bool:
        return self in {Way.RATED_TOTAL, Way.PAPER_TOTAL}

    @property
    def is_rated(self) -> bool:
        return self in {Way.RATED, Way.RATED_TOTAL}

    @property
    def is_paper(self) -> bool:
        return self in {Way.PAPER, Way.PAPER_TOTAL}


class NotInThisWay(Refused):
    """The instrument is not entered so."""

    def __init__(self) -> None:
        super().__init__(_("This questionnaire cannot be entered in this way. Choose one of the ways offered for it."))


class NotARater(Refused):
    """Somebody who may not rate at this place."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Only a nurse, a therapist or a prescriber of the patient’s location can have rated this. Choose one of them."
            )
        )


class BeforeBirth(Refused):
    """A sheet older than the patient."""

    def __init__(self) -> None:
        super().__init__(_("That day is before the patient was born. Check the date on the sheet."))


class TakenBack(Refused):
    """There is nothing left to correct."""

    def __init__(self) -> None:
        super().__init__(_("This response was taken back. Enter the questionnaire anew instead."))


@dataclass(frozen=True)
class Given:
    """What was typed: items by id, or a total and its parts. A blank is not in it."""

    items: Mapping[str, Any] | None = None
    total: int | None = None
    parts: Mapping[str, int] | None = None

    def as_answers(self) -> dict[str, Any]:
        """Return it as a response keeps it."""
        if self.items is not None:
            return dict(self.items)
        answers: dict[str, Any] = {"parts": dict(self.parts or {})}
        return {"total": self.total, **answers} if self.total is not None else answers


def ways(definition: Definition, held: Iterable[Permission], on: date) -> tuple[Way, ...]:
    """Return the ways in which an instrument may be entered on a day, by its licence and by who answers it."""
    has_total = bool(definitions.entry(definition).totals)
    if definition.answered_by is Answerer.CLINICIAN:
        return (Way.RATED, Way.RATED_TOTAL) if has_total else (Way.RATED,)
    read_out = (Way.READ_OUT,) if definitions.can_render(definition, held, on=on) else ()
    return (*read_out, Way.PAPER, *((Way.PAPER_TOTAL,) if has_total else ()))


@transaction.atomic
def enter(
    *,
    by: User,
    patient: Patient,
    definition: Definition,
    way: Way,
    given: Given,
    submission_key: uuid.UUID,
    held: Iterable[Permission],
    answered_at: datetime,
    rater: User | None = None,
    now: datetime,
) -> AssessmentResponse:
    """Return the response, stored and scored, its alarms raised. The same key twice is once.

    ``answered_at`` is now when it was read out, and what stands on the sheet or what the rater says otherwise. An open
    request of the same instrument is settled when it had opened by that day: a sheet of last spring answers no question
    of today. Refuses a way that the instrument does not have, a rater who may not rate here, a day before birth or to
    come, and what ``responses.hand_in`` refuses.
    """
    tz = patient.home_location.tz
    held = tuple(held)
    if way not in ways(definition, held, localtime.day_of(now, tz)):
        raise NotInThisWay
    _must_be_possible(patient, way, rater, localtime.day_of(answered_at, tz))
    mode, entered = _stored_as(definition, way, held, localtime.day_of(now, tz))
    # In the fixed order: the patient first, so that nobody answers the request meanwhile.
    Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    known = AssessmentResponse.objects.filter(submission_key=submission_key).exists()
    return responses.hand_in(
        by=by, patient=patient, definition=definition, answers=given.as_answers(), mode=mode, entered=entered,
        submission_key=submission_key, request=None if known else _answered_request(patient, definition, answered_at),
        answered_at=answered_at, rater=rater, now=now,
    )  # fmt: skip


@transaction.atomic
def correct(
    *,
    by: User,
    response: AssessmentResponse,
    given: Given,
    reason: str,
    submission_key: uuid.UUID,
    held: Iterable[Permission],
    answered_at: datetime,
    rater: User | None = None,
    now: datetime,
) -> AssessmentResponse:
    """Return the response that stands from now on, with the old one behind it, scored anew.

    An alert that the old answers raised stays open: only a clinician's decision closes it. Refuses what was corrected or
    taken back, a correction without a reason, and what ``enter`` refuses.
    """
    if response.is_retraction:
        raise TakenBack
    definition = definitions.get(response.code, response.version, response.language)
    patient = response.patient
    held = tuple(held)
    tz = patient.home_location.tz
    way = way_of(response, definition, held, localtime.day_of(now, tz))
    # Whoever rated it may have left since; the correction does not change who it was.
    new_rater = None if rater is not None and rater.pk == response.rater_id else rater
    _must_be_possible(patient, way, new_rater, localtime.day_of(answered_at, tz))
    mode, entered = _stored_as(definition, way, held, localtime.day_of(now, tz))
    return responses.hand_in(
        by=by, patient=patient, definition=definition, answers=given.as_answers(), mode=mode, entered=entered,
        submission_key=submission_key, answered_at=answered_at, begun_at=response.begun_at, words=response.words,
        rater=rater, corrects=response, correction_reason=reason, now=now,
    )  # fmt: skip


@transaction.atomic
def take_back(
    *,
    by: User,
    response: AssessmentResponse,
    reason: str,
    submission_key: uuid.UUID,
    held: Iterable[Permission],
    now: datetime,
) -> AssessmentResponse:
    """Return the row that takes a response back as entered in error; nothing stands in its place, and the old stays visible.

    Its alert stays open. Refuses what was corrected or taken back before, and no reason.
    """
    if response.is_retraction:
        raise TakenBack
    definition = definitions.get(response.code, response.version, response.language)
    patient = response.patient
    held = tuple(held)
    today = localtime.day_of(now, patient.home_location.tz)
    mode, entered = _stored_as(definition, way_of(response, definition, held, today), held, today)
    return responses.hand_in(
        by=by, patient=patient, definition=definition, answers={}, mode=mode, entered=entered,
        submission_key=submission_key, answered_at=response.answered_at, rater=response.rater, corrects=response,
        correction_reason=reason, is_retraction=True, now=now,
    )  # fmt: skip


def way_of(response: AssessmentResponse, definition: Definition, held: Iterable[Permission], today: date) -> Way:
    """Return the way in which a stored response is typed again: as it was, where that is still allowed."""
    is_total = response.entered == Entered.PAPER_TOTAL
    if definition.answered_by is Answerer.CLINICIAN:
        return Way.RATED_TOTAL if is_total else Way.RATED
    if is_total:
        return Way.PAPER_TOTAL
    if response.mode != Mode.PAPER and definitions.can_render(definition, held, on=today):
        return Way.READ_OUT
    return Way.PAPER


def moment_on(day: date, clock_time: time | None, patient: Patient, now: datetime) -> datetime:
    """Return the moment that a day, and a time where one is known, stand for at the patient's location.

    Of a sheet only the day is known: noon stands for it, or now on the day itself. It is shown as a day.
    """
    tz = patient.home_location.tz
    if clock_time is not None:
        return localtime.at(day, clock_time, tz)
    return now if day == localtime.day_of(now, tz) else localtime.at(day, time(12), tz)


def _stored_as(
    definition: Definition, way: Way, held: Iterable[Permission], today: date
) -> tuple[AssessmentResponse.Mode, AssessmentResponse.Entered]:
    mode = Mode.ON_BEHALF if way is Way.READ_OUT else (Mode.CLINICIAN if way.is_rated else Mode.PAPER)
    if way.is_total:
        return mode, Entered.PAPER_TOTAL
    if way is Way.READ_OUT or (way is Way.RATED and definitions.can_render(definition, held, on=today)):
        return mode, Entered.ANSWERS
    return mode, Entered.PAPER_ITEMS


def _must_be_possible(patient: Patient, way: Way, rater: User | None, day: date) -> None:
    if day < patient.birth_date:
        raise BeforeBirth
    if way.is_rated and rater is not None:
        may_rate = User.objects.working_at(patient.home_location_id, *RATERS).filter(pk=rater.pk).exists()
        if not may_rate:
            raise NotARater


def _answered_request(patient: Patient, definition: Definition, answered_at: datetime) -> AssessmentRequest | None:
    tz = patient.home_location.tz
    day = localtime.day_of(answered_at, tz)
    rows = AssessmentRequest.objects.open().for_patient(patient).filter(code=definition.code).order_by("due_at", "pk")
    return next(
        (
            row
            for row in rows
            if localtime.day_of(row.opens_at, tz) <= day and row.version in {None, definition.version}
        ),
        None,
    )  # fmt: skip


def check_total(definition: Definition, given: Given) -> scoring.InvalidAnswers | None:
    """Return what is wrong with a total copied from paper, or None."""
    try:
        scoring.score_paper_total(definition, given.total, given.parts)
    except scoring.InvalidAnswers as wrong:
        return wrong
    return None
