"""Visits: the appointment, its parts, and the holds that make it impossible to promise anything twice."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, IntegerRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from psycopg2.extras import NumericRange

from clinic.access import Permission, locations_where
from clinic.models import Location, Record, Room, User
from patients.models import Patient, Referral
from sessions.availability import SOLE_LANES

from .courses import Course
from .visittypes import INTAKE, TALKS, VisitType

# Taking back a check-in is a slip of the finger, not a decision (domain.md 8.1).
UNDO_CHECK_IN_WITHIN = timedelta(minutes=10)
# So long after a visit its beginning is remembered well enough to be written down, and so long the desk is asked what
# became of it (sessions/actions/recalls.py; docs/decisions/0013-recorded-afterwards.md).
RECORD_WITHIN = timedelta(days=14)


class AppointmentQuerySet(models.QuerySet["Appointment"]):
    def visible_to(self, user: User, permission: Permission) -> "AppointmentQuerySet":
        return self.filter(location_id__in=locations_where(user, permission))

    def live(self) -> "AppointmentQuerySet":
        """Visits that take up their time: everything but the cancelled, the missed and the mistaken."""
        return self.filter(status__in=Appointment.LIVE)

    def between(self, start: datetime, end: datetime) -> "AppointmentQuerySet":
        """Visits that begin in a stretch of time. By start alone, so that a btree serves it."""
        return self.filter(starts_at__gte=start, starts_at__lt=end)

    def intakes_to_come(self, patient: Patient, now: datetime) -> "AppointmentQuerySet":
        """A patient's intakes that are booked or under way, soonest first, with what is said of them.

        Who is late for one, or waits for it, has one still.
        """
        to_come = self.filter(
            patient=patient, visit_type__code=INTAKE, status__in=Appointment.EXPECTED, ends_at__gt=now
        )
        return to_come.select_related("location", "clinician").order_by("starts_at", "id")

    def locked(self) -> "AppointmentQuerySet":
        """The same visits as they are now, locked for whoever changes them, with what sentences about them need.

        Clinician and room are read when they are asked for: joined, they would be those from before the wait, and a visit
        that was moved meanwhile would not be found.
        """
        return self.locked_with("location", "visit_type", "patient")

    def locked_with(self, *names: str) -> "AppointmentQuerySet":
        """The same visits as they are now, locked, with only what the act itself needs of others' rows.

        ``names`` are relations that no act changes: PostgreSQL looks again at the locked row alone after a wait. For what is done all day and seldom refused: a refusal reads what its sentence names then.
        """
        rows = self.select_for_update(no_key=True, of=("self",))
        # Without a name select_related would follow every relation there is.
        return rows.select_related(*names) if names else rows

    def with_called(self) -> "AppointmentQuerySet":
        """The same visits with ``called``, what to call their patient: ``Patient.called`` for rows that are not objects."""
        return self.annotate(called=Coalesce(NullIf(F("patient__chosen_name"), Value("")), F("patient__given_name")))


class Appointment(Record):
    class Status(models.TextChoices):
        REQUESTED = "requested", _("requested")
        HELD = "held", _("on hold")
        BOOKED = "booked", _("planned")
        CONFIRMED = "confirmed", _("confirmed")
        CHECKED_IN = "checked_in", _("here")
        IN_PROGRESS = "in_progress", _("in room")
        COMPLETED = "completed", _("done")
        LEFT = "left", _("left")
        NO_SHOW = "no_show", _("did not come")
        CANCELLED = "cancelled", _("cancelled")
        ENTERED_IN_ERROR = "entered_in_error", _("entered in error")

    class CancelledBy(models.TextChoices):
        PATIENT = "patient", _("patient")
        CLINIC = "clinic", _("clinic")

    class CancelReason(models.TextChoices):
        ILLNESS = "illness", _("illness")
        WORK = "work", _("work or family")
        TRANSPORT = "transport", _("no transport or escort")
        CHANGED_MIND = "changed_mind", _("no longer wishes to come")
        CLINICIAN_AWAY = "clinician_away", _("clinician away")
        CLINIC_CLOSED = "clinic_closed", _("clinic closed")
        OTHER = "other", _("other")

    class RecordReason(models.TextChoices):
        NOBODY_AT_DESK = "nobody_at_desk", _("nobody was at the desk")
        WENT_STRAIGHT_IN = "went_straight_in", _("went straight to the clinician")
        NO_SYSTEM = "no_system", _("the system could not be used")
        FORGOTTEN = "forgotten", _("checking in was forgotten")
        MARKED_BY_MISTAKE = "marked_by_mistake", _("marked as “did not come” by mistake")
        OTHER = "other", _("other")

    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        Status.REQUESTED: frozenset({Status.BOOKED, Status.CANCELLED}),
        Status.HELD: frozenset({Status.BOOKED, Status.CANCELLED}),
        Status.BOOKED: frozenset(
            {Status.CONFIRMED, Status.CHECKED_IN, Status.CANCELLED, Status.NO_SHOW, Status.COMPLETED}
        ),
        Status.CONFIRMED: frozenset({Status.CHECKED_IN, Status.CANCELLED, Status.NO_SHOW, Status.COMPLETED}),
        Status.CHECKED_IN: frozenset({Status.IN_PROGRESS, Status.LEFT, Status.BOOKED}),
        Status.IN_PROGRESS: frozenset({Status.COMPLETED, Status.LEFT}),
        Status.NO_SHOW: frozenset({Status.BOOKED, Status.COMPLETED}),
        # Back only from what was recorded afterwards, while that may be a slip (can_undo_record).
        Status.COMPLETED: frozenset({Status.BOOKED, Status.NO_SHOW}),
        # Back only while that may be a slip (can_undo_left).
        Status.LEFT: frozenset({Status.CHECKED_IN, Status.IN_PROGRESS}),
        Status.CANCELLED: frozenset(),
        Status.ENTERED_IN_ERROR: frozenset(),
    }
    LIVE: ClassVar[frozenset[str]] = frozenset(
        {Status.HELD, Status.BOOKED, Status.CONFIRMED, Status.CHECKED_IN, Status.IN_PROGRESS, Status.COMPLETED, Status.LEFT}
    )  # fmt: skip
    LOOKS: ClassVar[dict[str, str]] = {
        Status.REQUESTED: "due",
        Status.HELD: "due",
        Status.BOOKED: "planned",
        Status.CONFIRMED: "confirmed",
        Status.CHECKED_IN: "here",
        Status.IN_PROGRESS: "in_room",
        Status.COMPLETED: "done",
        Status.LEFT: "done",
        Status.NO_SHOW: "late",
        Status.CANCELLED: "cancelled",
        Status.ENTERED_IN_ERROR: "cancelled",
    }
    # What a patient reads on the portal, gently: (word of the vocabulary, words).
    PATIENT_WORDS: ClassVar[dict[str, tuple[str, Any]]] = {
        Status.REQUESTED: ("due", _("asked for")),
        Status.HELD: ("due", _("being arranged")),
        Status.BOOKED: ("planned", _("planned")),
        Status.CONFIRMED: ("confirmed", _("confirmed")),
        Status.CHECKED_IN: ("here", _("you are here")),
        Status.IN_PROGRESS: ("in_room", _("under way")),
        Status.COMPLETED: ("done", _("you came")),
        Status.LEFT: ("done", _("you came")),
        Status.NO_SHOW: ("not_assessed", _("we did not see you")),
        Status.CANCELLED: ("cancelled", _("cancelled")),
        Status.ENTERED_IN_ERROR: ("cancelled", _("entered in error")),
    }
    # Nobody said yet what became of it: may be said to have been missed.
    AWAITED: ClassVar[frozenset[str]] = frozenset({Status.BOOKED, Status.CONFIRMED})
    # May turn out to have taken place all the same.
    NEVER_CHECKED_IN: ClassVar[frozenset[str]] = frozenset({Status.BOOKED, Status.CONFIRMED, Status.NO_SHOW})
    # The patient was there.
    CAME: ClassVar[frozenset[str]] = frozenset({Status.CHECKED_IN, Status.IN_PROGRESS, Status.COMPLETED, Status.LEFT})
    # Ahead or under way, as the patient's next visit.
    EXPECTED: ClassVar[frozenset[str]] = frozenset(
        {Status.REQUESTED, Status.HELD, Status.BOOKED, Status.CONFIRMED, Status.CHECKED_IN, Status.IN_PROGRESS}
    )
    # Still to come: may be moved, cancelled, reminded of.
    OPEN: ClassVar[frozenset[str]] = frozenset({Status.REQUESTED, Status.HELD, Status.BOOKED, Status.CONFIRMED})

    # Of location, patient, clinician and course the indexes below begin with the same column, so they need none of their own.
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+", db_index=False)
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+", db_index=False)
    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    visit_type = models.ForeignKey(VisitType, on_delete=models.PROTECT, related_name="+")
    # The course it was booked with, if any.
    course = models.ForeignKey(
        Course, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    # The person and the room the visit is listed under; what is truly held is said by the holds.
    clinician = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))
    status = models.CharField(_("state"), max_length=16, choices=Status)
    # Raised by every move in time, so that letters about the old time die (rule: domain.md 7).
    schedule_version = models.PositiveIntegerField(default=1)
    # Raised by every change, so that a second editor is told instead of overwriting.
    version = models.PositiveIntegerField(default=1)
    # Of a visit from afar: where the patient is, so that help finds them if the call breaks off, and how they are reached.
    patient_place = models.CharField(_("where the patient is"), max_length=200, blank=True)
    call_back_phone = models.CharField(_("number to call back"), max_length=30, blank=True)
    meeting_link = models.URLField(_("link of the call"), max_length=300, blank=True)
    booked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    booked_at = models.DateTimeField()
    held_until = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    checked_in_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    no_show_at = models.DateTimeField(null=True, blank=True)
    no_show_undone_because = models.CharField(_("why it was taken back"), max_length=300, blank=True)
    # A visit that took place and was never checked in: when that was written down, by whom and why so late. Its
    # beginning is in ``started_at``; nobody timed its end.
    recorded_at = models.DateTimeField(null=True, blank=True)
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    record_reason = models.CharField(_("why afterwards"), max_length=20, choices=RecordReason, blank=True)
    record_note = models.CharField(_("what happened"), max_length=300, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=8, choices=CancelledBy, blank=True)
    cancel_is_late = models.BooleanField(default=False)
    cancel_reason = models.CharField(_("reason"), max_length=16, choices=CancelReason, blank=True)
    cancel_note = models.CharField(_("note"), max_length=300, blank=True)

    objects = AppointmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="appointment_ends_after_start"),
            models.CheckConstraint(
                condition=~Q(status="held") | Q(held_until__isnull=False), name="appointment_held_has_end"
            ),
            models.CheckConstraint(
                condition=~Q(status="confirmed") | Q(confirmed_at__isnull=False), name="appointment_confirmed_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="checked_in") | Q(checked_in_at__isnull=False), name="appointment_here_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="in_progress") | Q(started_at__isnull=False), name="appointment_started_has_time"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["completed", "left"])
                | Q(finished_at__isnull=False)
                | Q(status="completed", recorded_at__isnull=False),
                name="appointment_finished_has_time",
            ),
            models.CheckConstraint(
                condition=(
                    Q(status="completed", recorded_at__isnull=False, recorded_by__isnull=False)
                    & Q(started_at__isnull=False)
                    & ~Q(record_reason="")
                )
                | Q(recorded_at=None, recorded_by=None, record_reason="", record_note=""),
                name="appointment_recorded_has_time_and_reason",
            ),
            models.CheckConstraint(
                condition=Q(status="no_show", no_show_at__isnull=False) | (~Q(status="no_show") & Q(no_show_at=None)),
                name="appointment_missed_has_time",
            ),
            models.CheckConstraint(
                condition=(
                    Q(status="cancelled", cancelled_at__isnull=False) & ~Q(cancelled_by="") & ~Q(cancel_reason="")
                )
                | (~Q(status="cancelled") & Q(cancelled_at=None, cancelled_by="")),
                name="appointment_cancelled_has_time_and_reason",
            ),
        ]
        indexes = [
            # Serves Today and the schedule: one location, one stretch of time.
            models.Index(fields=["location", "starts_at"], name="appointment_by_location"),
            # Serves a patient's visits, on the desk's page and the portal.
            models.Index(fields=["patient", "-starts_at"], name="appointment_by_patient"),
            # Serves the visits of one course.
            models.Index(fields=["course"], condition=Q(course__isnull=False), name="appointment_by_course"),
            # Serves "my day" and what a leaver hands over.
            models.Index(fields=["clinician", "starts_at"], name="appointment_by_clinician"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def may_become(self, status: str) -> bool:
        return status in self.MOVES[self.status]

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def can_be_moved(self) -> bool:
        # What is only held was promised for that very time (sessions/actions/waitlist.py).
        return self.status in {self.Status.BOOKED, self.Status.CONFIRMED}

    @property
    def can_be_cancelled(self) -> bool:
        return self.may_become(self.Status.CANCELLED)

    @property
    def can_be_checked_in(self) -> bool:
        return self.status in self.AWAITED

    @property
    def can_be_confirmed(self) -> bool:
        return self.may_become(self.Status.CONFIRMED)

    @property
    def is_held_talk(self) -> bool:
        """Return whether a time is kept for a talk after a dose; one that the waitlist offers as well."""
        return self.status == self.Status.HELD and self.visit_type.code in TALKS

    @property
    def can_be_started(self) -> bool:
        return self.status == self.Status.CHECKED_IN

    @property
    def can_be_finished(self) -> bool:
        return self.status == self.Status.IN_PROGRESS

    @property
    def can_leave(self) -> bool:
        return self.may_become(self.Status.LEFT)

    @property
    def was_missed(self) -> bool:
        return self.status == self.Status.NO_SHOW

    @property
    def is_cancelled(self) -> bool:
        return self.status == self.Status.CANCELLED

    @property
    def came(self) -> bool:
        """Return whether the patient was there."""
        return self.status in self.CAME

    @property
    def look(self) -> str:
        """Return the word of the house's vocabulary that this state is drawn with."""
        return self.LOOKS[self.status]

    @property
    def word(self) -> str:
        """Return the state in one word, for the pill."""
        return str(capfirst(self.get_status_display()))

    @property
    def patient_look(self) -> str:
        return self.PATIENT_WORDS[self.status][0]

    @property
    def patient_word(self) -> str:
        """Return the state in the patient's words."""
        return str(capfirst(self.PATIENT_WORDS[self.status][1]))

    @property
    def is_still_confirmed(self) -> bool:
        """Return whether the patient said they would come at this very time, and has not been here yet."""
        return self.confirmed_at is not None and self.is_open

    def can_be_missed(self, now: datetime) -> bool:
        return self.status in self.AWAITED and now >= self.no_show_from()

    def can_undo_check_in(self, now: datetime) -> bool:
        return (
            self.status == self.Status.CHECKED_IN
            and self.checked_in_at is not None
            and now <= self.checked_in_at + UNDO_CHECK_IN_WITHIN
        )

    def can_undo_left(self, now: datetime) -> bool:
        return (
            self.status == self.Status.LEFT
            and self.finished_at is not None
            and now <= self.finished_at + UNDO_CHECK_IN_WITHIN
        )

    def can_be_recorded(self, now: datetime) -> bool:
        """Return whether it may be said that the visit took place, though nobody was checked in."""
        return self.status in self.NEVER_CHECKED_IN and self.no_show_from() <= now <= self.record_until()

    def record_until(self) -> datetime:
        """Return the last moment at which it may be said that the visit took place."""
        return self.ends_at + RECORD_WITHIN

    def can_undo_record(self, now: datetime) -> bool:
        return (
            self.status == self.Status.COMPLETED
            and self.recorded_at is not None
            and now <= self.recorded_at + UNDO_CHECK_IN_WITHIN
        )

    def no_show_from(self) -> datetime:
        """Return the first moment at which "did not come" may be said."""
        return self.starts_at + timedelta(minutes=self.visit_type.no_show_after_minutes)

    def notice_ends_at(self) -> datetime:
        """Return the last moment at which a cancellation is not late."""
        return self.starts_at - timedelta(hours=self.visit_type.notice_hours)


class Block(Record):
    """A part of a visit with the person it needs. An intake is one block; a dosing visit has several."""

    class Kind(models.TextChoices):
        WHOLE = "whole", _("visit")
        PREPARATION = "preparation", _("preparation")
        DOSING = "dosing", _("dosing")
        INTEGRATION = "integration", _("integration")

    class Duty(models.TextChoices):
        CLINICIAN = "clinician", _("clinician")
        THERAPIST = "therapist", _("therapist")
        PRESCRIBER = "prescriber", _("prescriber")
        MONITOR = "monitor", _("monitor")
        # After the hour in which one watches one, when one may watch two.
        WATCH = "watch", _("monitor after the first hour")

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind)
    duty = models.CharField(max_length=12, choices=Duty, default=Duty.CLINICIAN)
    position = models.PositiveSmallIntegerField()
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="block_ends_after_start"),
            models.UniqueConstraint("appointment", "position", "duty", name="block_duty_once_a_part"),
        ]
        # Serves a clinician's calendar feed: one person's parts in a stretch of time.
        indexes = [models.Index(fields=["person", "starts_at"], name="block_by_person")]

    def __str__(self) -> str:
        return f"{self.kind} {self.position}"


def all_lanes() -> NumericRange:
    """Return the lanes of whatever is held alone."""
    return NumericRange(0, SOLE_LANES)


class ResourceHold(Record):
    """One resource taken for one stretch of time, with the buffers that belong to that resource.

    ``lanes`` are what of it is taken: all of them for whatever is held alone, one for somebody who is shared or only on site
    (sessions/availability.py). So a ratio is broken as little as a room is booked twice: the constraint has the last word on both.
    """

    class Kind(models.TextChoices):
        ROOM = "room", _("room")
        PERSON = "person", _("person")
        PATIENT = "patient", _("patient")
        DEVICE = "device", _("device")

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    resource_id = models.UUIDField()
    during = DateTimeRangeField()
    lanes = IntegerRangeField(default=all_lanes)
    is_live = models.BooleanField(default=True)

    class Meta:
        constraints = [
            # The last word on double booking. Ids are unique across kinds, so one constraint rules all four.
            ExclusionConstraint(
                name="hold_resource_free",
                expressions=[
                    ("resource_id", RangeOperators.EQUAL),
                    ("during", RangeOperators.OVERLAPS),
                    ("lanes", RangeOperators.OVERLAPS),
                ],
                condition=Q(is_live=True),
            )
        ]
        indexes = [
            # Serves the holds of one visit when it is moved or cancelled.
            models.Index(fields=["appointment"], name="hold_by_appointment"),
            # Serves availability: the live holds of some resources that begin in a stretch of time. The constraint's own
            # index is many times slower to read.
            models.Index(
                F("resource_id"), Func(F("during"), function="lower"), condition=Q(is_live=True), name="hold_by_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} hold"


class ChangeRequest(Record):
    """A patient asks on the portal for another time. A person answers, unless the patient takes it back first."""

    class Wish(models.TextChoices):
        CHANGE = "change", _("another time")
        # Patients cancel by themselves now; these are wishes from before they could.
        CANCEL = "cancel", _("cancel the visit")

    class Status(models.TextChoices):
        OPEN = "open", _("waiting for an answer")
        DONE = "done", _("done")
        REFUSED = "refused", _("not possible")
        WITHDRAWN = "withdrawn", _("taken back")

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="+")
    wish = models.CharField(_("wish"), max_length=6, choices=Wish)
    message = models.TextField(_("what would suit you"), max_length=500, blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    answered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(_("answer to the patient"), max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("appointment", condition=Q(status="open"), name="change_request_open_once"),
            models.CheckConstraint(
                condition=Q(status="open", answered_at=None) | (~Q(status="open") & Q(answered_at__isnull=False)),
                name="change_request_answered_has_time",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN

    @property
    def is_refused(self) -> bool:
        return self.status == self.Status.REFUSED

    @property
    def is_withdrawn(self) -> bool:
        return self.status == self.Status.WITHDRAWN
