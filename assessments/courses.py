"""One patient's scores as courses over time, one for each instrument: read from the rows, three questions in all.

What a course means is in outcomes.py, how it is drawn in scorecharts.py.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from assessments import definitions, safety
from assessments.definitions import UnknownInstrument
from assessments.instrument import Answerer, Definition
from assessments.models import AssessmentRequest, AssessmentResponse, CareEvent, CareEventKind, Score
from assessments.outcomes import Reading, Series, series
from clinic import localtime
from patients.models import Patient

# A chart of more points than this says nothing more, and a page has an end: the newest are drawn.
MOST_READINGS = 400


@dataclass
class Course:
    """One instrument of one patient. ``definition`` is that of the newest answer: an older version may differ in words."""

    definition: Definition
    readings: list[Reading] = field(default_factory=list)
    first_dose_at: datetime | None = None

    @property
    def code(self) -> str:
        return self.definition.code

    @property
    def series(self) -> Series | None:
        """Return the chart's data, or None for an instrument without a total."""
        return series(self.definition, self.readings, self.first_dose_at)

    @property
    def alarms(self) -> bool:
        """Return whether a safety question of the newest answers alarms."""
        answered = [reading for reading in self.readings if reading.total is not None or reading.alarms]
        return bool(answered) and bool(max(answered, key=lambda reading: reading.at).alarms)

    @property
    def is_by_patient(self) -> bool:
        return self.definition.answered_by is Answerer.PATIENT


def of(patient: Patient) -> list[Course]:
    """Return the courses of a patient that have a total and at least one answer, by the instrument's name.

    Only what stands: a corrected answer is replaced by its correction, one taken back is gone. A request that nobody
    answered in time is a gap, from the first answer of its instrument on.
    """
    # Of a score a course shows the total; what else was reckoned stays where it is.
    rows = Score.objects.standing_of(patient).defer("data")
    scores = list(rows.order_by("-response__answered_at")[:MOST_READINGS])
    first_dose_at = (
        CareEvent.objects.filter(patient=patient, kind=CareEventKind.DOSE_GIVEN, cancelled_at=None)
        .order_by("at")
        .values_list("at", flat=True)
        .first()
    )
    courses: dict[str, Course] = {}
    for score in scores:
        definition = _definition(score.response)
        if definition is None or definition.low is None:
            continue
        course = courses.setdefault(definition.code, Course(definition, [], first_dose_at))
        course.readings.append(_reading(definition, score, patient.home_location.tz))
    unanswered = AssessmentRequest.objects.for_patient(patient).filter(
        status=AssessmentRequest.Status.EXPIRED, code__in=list(courses)
    )
    for code, due_at in unanswered.order_by("-due_at").values_list("code", "due_at")[:MOST_READINGS]:
        readings = courses[code].readings
        if due_at > min(reading.at for reading in readings):
            readings.append(Reading(due_at, None, gap="not_answered"))
    return sorted(courses.values(), key=lambda course: course.definition.name)


def _definition(response: AssessmentResponse) -> Definition | None:
    try:
        return definitions.get(response.code, response.version, response.language)
    except UnknownInstrument:
        return None


def _reading(definition: Definition, score: Score, tz: ZoneInfo) -> Reading:
    """Return one point. Which safety answers alarm is read from the answers, as it was when they were handed in.

    Of a sheet only the day is known: it counts from the day's beginning, so that one from the day of a dose is not taken
    for what came after it, and a course is shown as no better than it is.
    """
    response: AssessmentResponse = score.response
    answers: dict[str, Any] = response.answers if response.entered != AssessmentResponse.Entered.PAPER_TOTAL else {}
    alarms = frozenset(signal.item for signal in safety.signals(definition, answers) if signal.value is not None)
    is_day_only = response.mode == AssessmentResponse.Mode.PAPER
    day = localtime.day_of(response.answered_at, tz)
    return Reading(
        localtime.day_bounds(day, tz)[0] if is_day_only else response.answered_at, score.total, score.is_complete, alarms, score.category,
        "" if score.total is not None else score.reason or "failed", is_day_only,
    )  # fmt: skip
