"""Everything somebody must do: one worklist for every floor."""

from datetime import datetime

from django.db import models
from django.db.models import Case, IntegerField, Q, Value, When
from django.utils.translation import gettext_lazy as _

from .people import Membership, Role, User
from .places import Location
from .record import Record


class WorkItemQuerySet(models.QuerySet["WorkItem"]):
    def open(self) -> "WorkItemQuerySet":
        return self.filter(closed_at=None)

    def overdue(self, now: datetime) -> "WorkItemQuerySet":
        return self.open().filter(due_at__lt=now)

    def most_pressing_first(self) -> "WorkItemQuerySet":
        """Danger first, then by due time; ``rank`` is 0 for the first and 1 for all else.

        What was left undone for a week must not stand above somebody who may be dying.
        """
        danger = When(kind__in=WorkItem.PRESSING, then=Value(0))
        ranked = self.annotate(rank=Case(danger, default=Value(1), output_field=IntegerField()))
        return ranked.order_by("rank", "due_at", "pk")

    def mine(self, user: User, memberships: tuple[Membership, ...]) -> "WorkItemQuerySet":
        """Open items of this person, and unowned ones of the roles they hold at each location."""
        return self.open().belonging_to(user, memberships)

    def belonging_to(self, user: User, memberships: tuple[Membership, ...]) -> "WorkItemQuerySet":
        """The same, open or closed."""
        mine = Q(owner=user)
        for membership in memberships:
            mine |= Q(owner=None, owner_role=membership.role, location_id=membership.location_id)
        return self.filter(mine)


class WorkItem(Record):
    """Something a person, or whoever holds a role at a location, has to do by a time."""

    class Kind(models.TextChoices):
        CRISIS_WORDS = "crisis_words", _("Read now: words that may mean danger")
        RISK_ALERT = "risk_alert", _("Clinician contact required")
        REFERRAL = "referral", _("New enquiry")
        INTAKE_TO_BOOK = "intake_to_book", _("Book the intake")
        MESSAGE_UNKNOWN = "message_unknown", _("Letter: outcome unknown")
        MESSAGE_FAILED = "message_failed", _("Letter could not be sent")
        CHANGE_REQUEST = "change_request", _("Patient asks to change a visit")
        VISIT_REQUEST = "visit_request", _("Patient asks for a visit")
        CALL_PATIENT = "call_patient", _("Call the patient")
        ADDRESS_CHANGED = "address_changed", _("Check a changed address")
        HANDOVER = "handover", _("Inherited from somebody who left")
        BREAK_GLASS_REVIEW = "break_glass_review", _("Review an emergency opening")
        BREAK_GLASS_NOTICE = "break_glass_notice", _("Your patient's chart was opened in an emergency")
        RECALL = "recall", _("A visit that cannot take place as booked")
        UNSETTLED_VISIT = "unsettled_visit", _("Say what became of a visit")
        CLEARANCE_REVIEW = "clearance_review", _("Review for clearance")
        FLAG_TO_DECIDE = "flag_to_decide", _("A new fact to decide about")
        PACKET_RAN_OUT = "packet_ran_out", _("Intake packet ran out")
        UNANSWERED = "unanswered", _("Questionnaire not answered")
        CONSENT_WITHDRAWN = "consent_withdrawn", _("Consent withdrawn: call the patient")
        CAPACITY_CONCERN = "capacity_concern", _("Can they consent? Look before they sign")
        PAGE = "page", _("You are called: answer now")
        PAGE_FAILED = "page_failed", _("A page could not be delivered")
        ROTA_GAP = "rota_gap", _("Nobody is on call")
        OUTREACH = "outreach", _("At risk and did not come: a clinician calls today")
        SCORING_FAILED = "scoring_failed", _("A questionnaire could not be scored")
        POLICY_DRAFT = "policy_draft", _("Limits to approve")
        TALK_TO_SET = "talk_to_set", _("A time is held for the talk after a dose: book it or let it go")
        TALK_MISSING = "talk_missing", _("A dose without a talk after it: no time was free, or nobody said yes")
        ROOM_NOT_FREE = "room_not_free", _("A room will not be free in time: choose another one")
        NO_ESCORT = "no_escort", _("Here for a dose without an escort: decide")

    # What stands above everything else on a list. What rings in the banner besides is navigation.ALARMS.
    PRESSING = frozenset({Kind.CRISIS_WORDS, Kind.PAGE, Kind.RISK_ALERT})

    class Outcome(models.TextChoices):
        DONE = "done", _("done")
        NOT_NEEDED = "not_needed", _("no longer needed")
        REFUSED = "refused", _("refused")

    kind = models.CharField(_("kind"), max_length=24, choices=Kind)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    owner_role = models.CharField(_("for"), max_length=16, choices=Role, blank=True)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    patient_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(_("due"))
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome, blank=True)
    outcome_note = models.TextField(_("what was done"), max_length=500, blank=True)

    objects = WorkItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(owner__isnull=False) | ~Q(owner_role=""), name="work_item_belongs_to_somebody"
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_by=None, outcome="")
                | (Q(closed_at__isnull=False, closed_by__isnull=False) & ~Q(outcome="")),
                name="work_item_closed_has_outcome",
            ),
            # A second open item is about the same thing for another person only.
            models.UniqueConstraint(
                "kind", "subject_id", "owner", condition=Q(closed_at=None), nulls_distinct=False,
                name="work_item_open_once",
            ),
        ]  # fmt: skip
        indexes = [
            # Serves the worklist and the bell: the open items of a location by due time.
            models.Index(fields=["location", "due_at"], condition=Q(closed_at=None), name="work_item_open_by_location"),
            models.Index(fields=["owner", "due_at"], condition=Q(closed_at=None), name="work_item_open_by_owner"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
