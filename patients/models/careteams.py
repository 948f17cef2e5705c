"""Who looks after a patient, and who opened a chart without doing so."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.access import Permission, locations_where
from clinic.models import Record, User

from .patients import Patient

# How long an emergency opening lasts (domain.md 9.1).
BREAK_GLASS_LASTS = timedelta(hours=2)


class CareTeamMemberQuerySet(models.QuerySet["CareTeamMember"]):
    def live(self) -> "CareTeamMemberQuerySet":
        return self.filter(ended_at=None)


class CareTeamMember(Record):
    """One person's time on one patient's care team. One member at a time leads it."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    is_lead = models.BooleanField(_("leads"), default=False)
    added_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)

    objects = CareTeamMemberQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("patient", "user", condition=Q(ended_at=None), name="care_team_member_once"),
            models.UniqueConstraint("patient", condition=Q(ended_at=None, is_lead=True), name="care_team_has_one_lead"),
        ]
        # Serves visible_to: the patients of one clinician.
        indexes = [models.Index(fields=["user", "patient"], condition=Q(ended_at=None), name="care_team_by_user")]

    def __str__(self) -> str:
        return str(self.pk)


class BreakGlassQuerySet(models.QuerySet["BreakGlass"]):
    def live(self, now: datetime) -> "BreakGlassQuerySet":
        return self.filter(started_at__lte=now, expires_at__gt=now)

    def opening_chart_to(self, user: User, patient: Patient, now: datetime) -> "BreakGlassQuerySet":
        """Return the grant through which ``user`` reads the chart at ``now``; none for the care team, who need none."""
        team = CareTeamMember.objects.live().filter(user=user, patient=patient)
        return self.live(now).filter(user=user, patient=patient).exclude(models.Exists(team))

    def to_review(self) -> "BreakGlassQuerySet":
        return self.filter(reviewed_at=None)

    def visible_to(self, user: User, permission: Permission) -> "BreakGlassQuerySet":
        return self.filter(patient__home_location_id__in=locations_where(user, permission))


class BreakGlass(Record):
    """An emergency opening of one chart: a reason, two hours, and a review by the privacy officer."""

    class Reason(models.TextChoices):
        EMERGENCY = "emergency", _("emergency care")
        COVER = "cover", _("covering for a colleague")
        SAFETY = "safety", _("worry about the patient's safety")
        PRIVACY_REVIEW = "privacy_review", _("privacy review")

    class Finding(models.TextChoices):
        JUSTIFIED = "justified", _("justified")
        NOT_JUSTIFIED = "not_justified", _("not justified")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(_("reason"), max_length=16, choices=Reason)
    reason_text = models.TextField(_("what happened"), max_length=500)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    finding = models.CharField(_("finding"), max_length=14, choices=Finding, blank=True)
    finding_note = models.TextField(max_length=500, blank=True)

    objects = BreakGlassQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("started_at") + BREAK_GLASS_LASTS), name="break_glass_lasts_two_hours"
            ),
            models.CheckConstraint(
                condition=Q(reviewed_at=None, reviewed_by=None, finding="")
                | (Q(reviewed_at__isnull=False, reviewed_by__isnull=False) & ~Q(finding="")),
                name="break_glass_reviewed_has_finding",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=F("user")), name="break_glass_reviewed_by_another"
            ),
        ]
        indexes = [
            # Serves visible_to: the grants one person holds now.
            models.Index(fields=["user", "expires_at"], name="break_glass_by_user"),
            # Serve the privacy officer's two lists, newest first, by keyset.
            models.Index(fields=["-started_at", "-id"], condition=Q(reviewed_at=None), name="break_glass_to_review"),
            models.Index(fields=["-started_at", "-id"], name="break_glass_by_start"),
            # Serves the patient's page: the last openings of one chart.
            models.Index(fields=["patient", "-started_at"], name="break_glass_by_patient"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
