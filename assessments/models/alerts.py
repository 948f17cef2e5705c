"""Risk alerts: somebody's answer worries us, and a person answers for what happens next.

An alert is made in the transaction of the answer. Calling people is the work of clinic/pages. It is closed by a licensed
clinician's disposition and by nothing else (domain.md 6.5).
"""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Case, Exists, IntegerField, OuterRef, Q, Value, When
from django.utils.translation import gettext_lazy as _

from clinic.access import Permission, locations_where, memberships_of
from clinic.models import Location, Membership, OnCall, Page, PageCall, Record, Signature, User, WorkItem
from patients.models import CareTeamMember, Patient

from .responses import AssessmentResponse

# How long whoever was only called may read what came of it, once it is closed.
AFTERWARDS = timedelta(days=7)


class RiskAlertQuerySet(models.QuerySet["RiskAlert"]):
    def open(self) -> "RiskAlertQuerySet":
        return self.filter(closed_at=None)

    def overdue(self, now: datetime) -> "RiskAlertQuerySet":
        return self.open().filter(contacted_at=None, contact_by__lt=now)

    def urgent(self) -> "RiskAlertQuerySet":
        """Return the red and the orange ones."""
        return self.filter(tier__in=[RiskAlert.Tier.RED, RiskAlert.Tier.ORANGE])

    def most_urgent_first(self) -> "RiskAlertQuerySet":
        """Red, orange, yellow; in each whose clock runs out first. ``rank`` is 0 for red."""
        tiers = [When(tier=tier, then=Value(place)) for place, tier in enumerate(RiskAlert.Tier)]
        ranked = self.annotate(rank=Case(*tiers, output_field=IntegerField()))
        return ranked.order_by("rank", "contact_by", "pk")

    def visible_to(self, user: User, permission: Permission, now: datetime) -> "RiskAlertQuerySet":
        """Return the alerts on which ``user`` holds ``permission``: at their location, and because it is theirs to answer.

        Theirs it is who are on the patient's care team, were called about it or answered, are on call there now, direct the
        place, or have it on their list because nobody treats the patient. A role alone opens no alert (domain.md 9.3). Who is
        neither of the team nor the director has no business with it any more a week after it was closed.
        """
        about = Page.objects.filter(subject_type="riskalert", subject_id=OuterRef("pk"))
        called = PageCall.objects.filter(user=user).values("page_id")
        team = CareTeamMember.objects.live().filter(user=user, patient=OuterRef("patient"))
        duty = OnCall.objects.live().filter(user=user, location=OuterRef("location"), during__contains=now)
        director = Membership.objects.live().filter(user=user, location=OuterRef("location"), is_medical_director=True)
        items = WorkItem.objects.belonging_to(user, memberships_of(user)).filter(
            kind=WorkItem.Kind.RISK_ALERT, subject_id=OuterRef("pk")
        )
        for_now = Q(closed_at=None) | Q(closed_at__gt=now - AFTERWARDS)
        called_to_it = Exists(duty) | Exists(items) | Exists(about.filter(Q(acknowledged_by=user) | Q(pk__in=called)))
        mine = Exists(team) | Exists(director) | (for_now & called_to_it)
        return self.filter(location_id__in=locations_where(user, permission)).filter(mine)


class RiskAlert(Record):
    """One alarming response, with its tier and its clocks."""

    class Tier(models.TextChoices):
        RED = "red", _("red")
        ORANGE = "orange", _("orange")
        YELLOW = "yellow", _("yellow")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    # The place that answers for it, fixed when it was raised.
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    response = models.OneToOneField(
        AssessmentResponse, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    tier = models.CharField(_("tier"), max_length=8, choices=Tier)
    # [{"tier", "trigger", "item", "value"}]: what raised it, most urgent first.
    signals = models.JSONField()
    raised_at = models.DateTimeField()
    # By when somebody answers the page, and by when somebody has spoken to the patient.
    acknowledge_by = models.DateTimeField(null=True, blank=True)
    contact_by = models.DateTimeField()
    contacted_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = RiskAlertQuerySet.as_manager()

    class Meta:
        indexes = [
            # Serves the list and the banner: what is open at a place.
            models.Index(fields=["location", "contact_by"], condition=Q(closed_at=None), name="alert_open_by_location"),
            models.Index(fields=["patient", "-raised_at"], name="alert_by_patient"),
            # Serves beat: whom nobody has reached in time.
            models.Index(
                fields=["contact_by"], condition=Q(closed_at=None, contacted_at=None), name="alert_not_contacted"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier} {self.raised_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def is_red(self) -> bool:
        """Return whether its disposition is full and signed (domain.md 6.5)."""
        return self.tier == self.Tier.RED

    @property
    def tone(self) -> str:
        return {self.Tier.RED: "red", self.Tier.ORANGE: "clay"}.get(self.Tier(self.tier), "amber")


class ContactAttempt(Record):
    """One attempt to reach the patient, or somebody for them, because of an alert. Append-only."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Whom(models.TextChoices):
        PATIENT = "patient", _("the patient")
        EMERGENCY_CONTACT = "emergency_contact", _("their emergency contact")
        EMERGENCY_SERVICES = "emergency_services", _("emergency services")
        COLLEAGUE = "colleague", _("a colleague")

    class Result(models.TextChoices):
        SPOKE = "spoke", _("spoke with them")
        NO_ANSWER = "no_answer", _("no answer")
        LEFT_WORD = "left_word", _("left word to call back")
        REFUSED = "refused", _("did not want to talk")
        SENT = "sent", _("help is on its way")

    alert = models.ForeignKey(RiskAlert, on_delete=models.PROTECT, related_name="+")
    whom = models.CharField(_("whom"), max_length=20, choices=Whom)
    result = models.CharField(_("what came of it"), max_length=12, choices=Result)
    note = models.TextField(_("in your words"), max_length=2000, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["alert", "at"], name="contact_attempt_by_alert")]

    def __str__(self) -> str:
        return f"{self.whom} {self.result}"


class Disposition(Record):
    """What a licensed clinician decided about an alert. Append-only; the first one closes it."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Level(models.TextChoices):
        NONE = "none", _("no risk found")
        LOW = "low", _("low")
        MODERATE = "moderate", _("moderate")
        HIGH = "high", _("high")

    class Outcome(models.TextChoices):
        SAFE_AT_HOME = "safe_at_home", _("stays at home, with a plan")
        SEEN_SOON = "seen_soon", _("seen here within days")
        WITH_SOMEBODY = "with_somebody", _("in the care of somebody named")
        EMERGENCY_CARE = "emergency_care", _("taken to emergency care")
        WELFARE_CHECK = "welfare_check", _("welfare check asked for")
        ENTERED_IN_ERROR = "entered_in_error", _("the answer was a mistake")
        NOT_REACHED = "not_reached", _("could not be reached; handed on")

    alert = models.ForeignKey(RiskAlert, on_delete=models.PROTECT, related_name="+")
    level = models.CharField(_("level of risk"), max_length=10, choices=Level)
    outcome = models.CharField(_("what happens now"), max_length=20, choices=Outcome)
    rationale = models.TextField(_("why"), max_length=4000)
    means = models.TextField(_("access to means"), max_length=2000, blank=True)
    consulted = models.TextField(_("who was asked"), max_length=1000, blank=True)
    plan = models.TextField(_("plan"), max_length=4000, blank=True)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(rationale=""), name="disposition_says_why")]
        indexes = [models.Index(fields=["alert", "at"], name="disposition_by_alert")]

    def __str__(self) -> str:
        return f"{self.level} {self.outcome}"


class SafetyPlan(Record):
    """A safety plan under six headings of our own. A change is a new row with the next number."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField(_("number"))
    signs = models.TextField(_("How I notice that it is getting worse"), max_length=2000, blank=True)
    alone = models.TextField(_("What I can do by myself"), max_length=2000, blank=True)
    places = models.TextField(_("People and places that take my mind off it"), max_length=2000, blank=True)
    people = models.TextField(_("Whom I can ask for help"), max_length=2000, blank=True)
    professionals = models.TextField(_("Professionals and lines I can call"), max_length=2000, blank=True)
    surroundings = models.TextField(_("How I make my surroundings safer"), max_length=2000, blank=True)
    written_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    # Whether the patient was there when it was written.
    with_patient = models.BooleanField(_("written together with the patient"))

    class Meta:
        constraints = [models.UniqueConstraint("patient", "number", name="safety_plan_number_once")]

    def __str__(self) -> str:
        return f"safety plan {self.number}"

    # The six headings, in the order in which they are lived through.
    HEADINGS = ("signs", "alone", "places", "people", "professionals", "surroundings")

    @property
    def parts(self) -> "list[tuple[str, str]]":
        """Return (heading, text) of the six parts, the empty ones too."""
        return [(str(self._meta.get_field(name).verbose_name), getattr(self, name)) for name in self.HEADINGS]  # type: ignore[union-attr]  # none of them is a relation
