"""The waitlist: what patients wait for, times that became free, and each time that was offered to one of them."""

from datetime import date, datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from clinic import localtime
from clinic.access import Permission, locations_where
from clinic.models import Location, Record, Room, User
from patients.models import Patient

from .visits import Appointment, AppointmentQuerySet
from .visittypes import VisitType


class WaitlistEntryQuerySet(models.QuerySet["WaitlistEntry"]):
    def visible_to(self, user: User, permission: Permission) -> "WaitlistEntryQuerySet":
        return self.filter(location_id__in=locations_where(user, permission))

    def waiting(self) -> "WaitlistEntryQuerySet":
        """Those who still wait, whoever waits longest first."""
        return self.filter(status=WaitlistEntry.Status.WAITING).order_by("made_at", "id")


class WaitlistEntry(Record):
    """A patient waits for one kind of visit, on days and at times that suit them, until a day."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        MET = "met", _("has a time")
        WITHDRAWN = "withdrawn", _("taken back")
        ENDED = "ended", _("ran out")

    class DayPart(models.TextChoices):
        MORNING = "morning", _("mornings, until 12")
        AFTERNOON = "afternoon", _("afternoons, 12 to 17")
        EVENING = "evening", _("evenings, from 17")

        @classmethod
        def at(cls, local: datetime) -> "WaitlistEntry.DayPart":
            """Return the part of the day that a wall clock shows."""
            if local.hour < 12:
                return cls.MORNING
            return cls.AFTERNOON if local.hour < 17 else cls.EVENING

    LOOKS: ClassVar[dict[str, str]] = {
        Status.WAITING: "due", Status.MET: "done", Status.WITHDRAWN: "cancelled", Status.ENDED: "cancelled"
    }  # fmt: skip

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    # A kind by its code: whoever waits, waits for the version of the day.
    visit_type_code = models.CharField(_("kind of visit"), max_length=20)
    clinician = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    # Monday is 0. Empty is any day, and any time.
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    day_parts = ArrayField(models.CharField(max_length=12, choices=DayPart), default=list, blank=True)
    first_day = models.DateField(_("from"))
    last_day = models.DateField(_("until"))
    status = models.CharField(max_length=12, choices=Status, default=Status.WAITING)
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    settled_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = WaitlistEntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "patient", "visit_type_code", condition=Q(status="waiting"), name="waitlist_waits_once_for_a_kind"
            ),
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="waitlist_ends_after_it_begins"),
            models.CheckConstraint(
                condition=Q(status="waiting", settled_at=None)
                | (~Q(status="waiting") & Q(settled_at__isnull=False, settled_by__isnull=False)),
                name="waitlist_settled_has_time_and_person",
            ),
        ]
        # Serves the desk's list and the next in line: those who wait at one place for one kind.
        indexes = [
            models.Index(
                fields=["location", "visit_type_code", "made_at"],
                condition=Q(status="waiting"),
                name="waitlist_in_line",
            )
        ]

    def __str__(self) -> str:
        return f"{self.visit_type_code} {self.status}"

    @property
    def is_waiting(self) -> bool:
        return self.status == self.Status.WAITING

    @property
    def look(self) -> str:
        return self.LOOKS[self.status]

    @property
    def word(self) -> str:
        return str(capfirst(self.get_status_display()))

    def suits(self, starts_at: datetime, clinician: User) -> bool:
        """Return whether a time with a person is what they wait for; by the clock on the clinic's wall."""
        local = starts_at.astimezone(self.location.tz)
        return (
            self.covers(local.date())
            and (not self.weekdays or local.weekday() in self.weekdays)
            and (not self.day_parts or self.DayPart.at(local) in self.day_parts)
            and self.clinician_id in {None, clinician.pk}
        )

    def covers(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def ran_out(self, now: datetime) -> bool:
        return localtime.day_of(now, self.location.tz) > self.last_day


class FreedSlot(Record):
    """A time with its people, room and devices that somebody gave back. While ``look_at`` is set it is to be offered."""

    class Because(models.TextChoices):
        CANCELLED = "cancelled", _("a visit was cancelled")
        MOVED = "moved", _("a visit was moved")
        MISSED = "missed", _("somebody did not come")
        EXPIRED = "expired", _("a hold ran out")

    class Outcome(models.TextChoices):
        TAKEN = "taken", _("somebody on the waitlist has it")
        PASSED = "passed", _("its time came near")

    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    visit_type = models.ForeignKey(VisitType, on_delete=models.PROTECT, related_name="+")
    # In the order of the seats and of the devices of its kind, the clinician first.
    people = ArrayField(models.UUIDField())
    devices = ArrayField(models.UUIDField(), default=list, blank=True)
    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    starts_at = models.DateTimeField()
    because = models.CharField(max_length=12, choices=Because)
    freed_at = models.DateTimeField()
    look_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(look_at__isnull=False, outcome="") | (Q(look_at=None) & ~Q(outcome="")),
                name="freed_slot_is_offered_until_it_has_an_outcome",
            )
        ]
        # Serves the clock: the slots to be looked at, whatever the size of the history.
        indexes = [models.Index(fields=["look_at", "id"], condition=Q(look_at__isnull=False), name="freed_slot_due")]

    def __str__(self) -> str:
        return f"{self.because} {self.starts_at}"


class WaitlistOffer(Record):
    """One time, held for one patient of the waitlist until it runs out or they answer."""

    class Status(models.TextChoices):
        OPEN = "open", _("waits for an answer")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        EXPIRED = "expired", _("ran out")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class Told(models.TextChoices):
        LETTER = "letter", _("by e-mail")
        PHONE = "phone", _("to be phoned")

    LOOKS: ClassVar[dict[str, str]] = {
        Status.OPEN: "due", Status.ACCEPTED: "done", Status.DECLINED: "cancelled", Status.EXPIRED: "late",
        Status.WITHDRAWN: "cancelled",
    }  # fmt: skip

    entry = models.ForeignKey(WaitlistEntry, on_delete=models.PROTECT, related_name="+")
    # The visit that holds the time; it becomes theirs, or is let go.
    appointment = models.OneToOneField(Appointment, on_delete=models.PROTECT, related_name="+")
    # None for a time that the desk chose by hand.
    slot = models.ForeignKey(FreedSlot, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.OPEN)
    told = models.CharField(_("told"), max_length=8, choices=Told, default=Told.LETTER)
    offered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    offered_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    settled_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("entry", condition=Q(status="open"), name="waitlist_offers_one_time_at_a_time"),
            models.UniqueConstraint("slot", condition=Q(status="open"), name="waitlist_offers_a_slot_to_one_at_a_time"),
            models.UniqueConstraint("slot", "entry", name="waitlist_offers_a_slot_once_to_each"),
            models.CheckConstraint(
                condition=Q(status="open", settled_at=None)
                | (~Q(status="open") & Q(settled_at__isnull=False, settled_by__isnull=False)),
                name="waitlist_offer_settled_has_time_and_person",
            ),
            models.CheckConstraint(
                condition=Q(offered_at__lt=F("expires_at")), name="waitlist_offer_ends_after_it_begins"
            ),
        ]
        # Serves the clock: the offers that ran out.
        indexes = [models.Index(fields=["expires_at", "id"], condition=Q(status="open"), name="waitlist_offer_open")]

    def __str__(self) -> str:
        return f"{self.status} until {self.expires_at}"

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN

    @property
    def look(self) -> str:
        return self.LOOKS[self.status]

    @property
    def word(self) -> str:
        return str(capfirst(self.get_status_display()))

    def can_be_answered(self, now: datetime) -> bool:
        return self.is_open and now < self.expires_at

    def minutes_left(self, now: datetime) -> int:
        return max(0, int((self.expires_at - now) / timedelta(minutes=1)))


def without_offers(visits: AppointmentQuerySet) -> AppointmentQuerySet:
    """Return the visits that were booked: an offered time is nobody's visit until it is accepted."""
    offered = WaitlistOffer.objects.exclude(status=WaitlistOffer.Status.ACCEPTED)
    return visits.exclude(pk__in=offered.values("appointment_id"))
