"""What the board of a day reads: one query for visits, patients and papers alike, and the words of it written once.

It is asked every twenty seconds by every screen that shows the day, and it has so many parts that the ORM takes longer to find
its words than the database takes to answer.
"""

import uuid
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db.models import Case, Exists, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import JSONObject

from assessments import packetprogress
from assessments.standing import routes_column
from clinic import localtime
from clinic.models import Location
from clinic.written import SINCE, UNTIL, WHEN, WHERE, Written
from patients import consentneeds
from patients.models import Contact
from patients.needs import Asked
from sessions.models import Appointment, ChangeRequest, EscortAnswer

AWAITED = (*Appointment.OPEN, Appointment.Status.CHECKED_IN)


class Row(NamedTuple):
    """What the board reads of one visit, in the order of ``FIELDS``."""

    pk: uuid.UUID
    status: str
    starts_at: datetime
    ends_at: datetime
    confirmed_at: datetime | None
    checked_in_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    called: str
    family: str
    kind: str
    clinician: str
    room: str | None
    no_show_after: int
    turnover: int
    asks: bool
    patient_id: uuid.UUID
    born: date
    clinician_id: uuid.UUID
    room_id: uuid.UUID | None
    code: str
    is_dosing: bool
    home_id: uuid.UUID
    names_escort: bool
    # What stands about who takes them home, as JSON: {"answer", "at", "who"}; None for not asked.
    escort: str | None
    # Of whoever is still to be seen: their newest packet, the routes they are cleared for, what they signed, what there is to
    # sign; JSON of what ``packetprogress.said_of`` and ``consentneeds.summary_of`` read.
    packet: str | None
    routes: list[str] | None
    signed: list[str] | None
    offered: list[str] | None
    # The answers about coming here stand last, in the order of ``needs.Asked``.
    needs_interpreter: bool | None
    interpreter_language: str
    language: str
    uses_wheelchair: bool | None
    hard_of_hearing: bool | None
    low_vision: bool | None
    access_needs: str

    @property
    def is_awaited(self) -> bool:
        """Return whether the patient is still to be seen, so that what is missing can be seen to."""
        return self.status in AWAITED

    @property
    def asked(self) -> Asked:
        return Asked._make(self[-len(Asked._fields) :])


FIELDS = (
    "id", "status", "starts_at", "ends_at", "confirmed_at", "checked_in_at", "started_at", "finished_at", "called",
    "patient__family_name", "visit_type__name", "clinician__name", "room__name", "visit_type__no_show_after_minutes",
    "visit_type__turnover_minutes", "asks", "patient_id", "patient__birth_date", "clinician_id", "room_id",
    "visit_type__code", "visit_type__is_dosing", "patient__home_location_id", "names_escort", "escort",
    "packet", "routes", "signed", "offered",
    *(f"patient__{name}" for name in Asked._fields),
)  # fmt: skip


def of_day(location: Location, day: date, now: datetime) -> list[Row]:
    """Return every visit that begins at a location on a day of its clock, in order, but those that were never meant."""
    since, until = localtime.day_bounds(day, location.tz)
    return [Row._make(row) for row in _DAY.rows(where=location.pk, since=since, until=until, when=now)]


def _day() -> QuerySet[Appointment, Any]:
    escort = EscortAnswer.objects.filter(appointment=OuterRef("pk"), said_at__gte=OuterRef("checked_in_at"))
    wishes = ChangeRequest.objects.filter(appointment=OuterRef("pk"), status=ChangeRequest.Status.OPEN)
    escorts = Contact.objects.filter(patient=OuterRef("patient_id"), ended_at=None, kind__in=Contact.ESCORTS)
    return (
        Appointment.objects.filter(location=WHERE)
        .between(SINCE, UNTIL)
        .exclude(status=Appointment.Status.ENTERED_IN_ERROR)
        .with_called()
        .annotate(
            asks=Exists(wishes),
            names_escort=Exists(escorts),
            escort=Subquery(
                escort.order_by("-said_at", "-id").values(
                    said=JSONObject(answer="answer", at="said_at", who="said_by__name")
                )[:1]
            ),
            packet=_while_awaited(packetprogress.column("patient_id")),
            routes=_while_awaited(routes_column("patient_id")),
            signed=_while_awaited(consentneeds.signed_column("patient_id", WHEN)),
            offered=_while_awaited(consentneeds.offered_column(WHEN)),
        )
        .order_by("starts_at", "id")
        .values_list(*FIELDS)
    )


def _while_awaited(column: "Subquery[Any]") -> Case:
    """Return a column that is asked for visits only whose patient is still to be seen; null for the others."""
    return Case(When(status__in=AWAITED, then=column))


_DAY = Written(_day)
