"""Consent: the clinic's wording in versions, who agreed to exactly which words, and who took it back."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from clinic.models import EnrolledDevice, Record, Signature, User

from .patients import Patient


class ConsentKind(models.TextChoices):
    """What is agreed to. The therapy is agreed to by route; the others hold whatever the route."""

    PRIVACY_NOTICE = "privacy_notice", _("privacy notice")
    TREATMENT = "treatment", _("treatment")
    KETAMINE = "ketamine", _("ketamine-assisted psychotherapy")
    TELEHEALTH = "telehealth", _("visits by video")
    COMMUNICATIONS = "communications", _("messages")
    RELEASE = "release", _("release of information")

    @property
    def can_be_withdrawn(self) -> bool:
        """Return whether there is anything to take back: that one was handed a notice stays true."""
        return self != ConsentKind.PRIVACY_NOTICE


class Route(models.TextChoices):
    """How a dose is given. "" where it does not matter."""

    SL = "sl", _("under the tongue")
    ORAL = "oral", _("swallowed")
    IM = "im", _("into a muscle")
    IV = "iv", _("into a vein")
    IN = "in", _("nasal spray")


class ConsentTextQuerySet(models.QuerySet["ConsentText"]):
    def in_force(self, now: datetime) -> "ConsentTextQuerySet":
        """Return the newest published version of each kind, route and language whose day has come."""
        newer = ConsentText.objects.filter(
            kind=OuterRef("kind"), route=OuterRef("route"), language=OuterRef("language"),
            version__gt=OuterRef("version"), published_at__isnull=False, effective_at__lte=now,
        )  # fmt: skip
        return self.filter(published_at__isnull=False, effective_at__lte=now).filter(~Exists(newer))


class ConsentText(Record):
    """One version of one consent's wording. A published version never changes."""

    kind = models.CharField(_("kind"), max_length=16, choices=ConsentKind)
    route = models.CharField(_("route"), max_length=4, choices=Route, blank=True)
    language = models.CharField(_("language"), max_length=8, default="en")
    version = models.PositiveIntegerField(_("version"))
    title = models.CharField(_("title"), max_length=120)
    # Sections as [{"heading": ..., "paragraphs": [...], "points": [...]}]: shown as they are, never as mark-up.
    sections = models.JSONField(_("text"))
    text_hash = models.CharField(max_length=64)
    # Whether earlier signatures stop counting when this version takes effect (domain.md 8.3).
    needs_new_signature = models.BooleanField(_("everybody signs again"), default=False)
    why = models.TextField(_("what changed and why"), max_length=1000)
    drafted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField()
    published_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    effective_at = models.DateTimeField(_("in force from"), null=True, blank=True)
    # The medical director's, over exactly these words, the day and the tick.
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+", null=True, blank=True)

    objects = ConsentTextQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("kind", "route", "language", "version", name="consent_text_version_once"),
            models.CheckConstraint(
                condition=Q(published_at=None, published_by=None, effective_at=None, signature=None)
                | Q(
                    published_at__isnull=False, published_by__isnull=False, effective_at__gte=models.F("published_at"),
                    signature__isnull=False,
                ),
                name="consent_text_published_by_somebody_from_some_day",
            ),
            models.UniqueConstraint(
                "kind", "route", "language", condition=Q(published_at=None), name="consent_text_one_draft"
            ),
            models.CheckConstraint(
                condition=Q(kind=ConsentKind.KETAMINE, route__in=Route.values) | (~Q(kind=ConsentKind.KETAMINE) & Q(route="")),
                name="consent_text_names_a_route_where_it_matters",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} {self.route} {self.version}"


class ConsentQuerySet(models.QuerySet["Consent"]):
    def standing(self, now: datetime) -> "ConsentQuerySet":
        """Return the consents that were not withdrawn and have not run out.

        Whether a newer wording asks for a new signature is said by ``current``.
        """
        return self.filter(expires_at__gt=now).filter(~Exists(ConsentWithdrawal.objects.filter(consent=OuterRef("pk"))))

    def current(self, now: datetime) -> "ConsentQuerySet":
        """Return those that still count: standing, and no later version in force asks everybody to sign again.

        A language has versions of its own: a new English one asks those who signed the English one.
        """
        asks_again = ConsentText.objects.filter(
            kind=OuterRef("text__kind"), route=OuterRef("text__route"), language=OuterRef("text__language"),
            version__gt=OuterRef("text__version"), needs_new_signature=True, published_at__isnull=False, effective_at__lte=now,
        )  # fmt: skip
        return self.standing(now).filter(~Exists(asks_again))


class Consent(Record):
    """One person's agreement to one text. It never changes; withdrawing it is a row of its own.

    ``signature`` is the patient's own, on the portal or beside a clinician. On paper it is the clinician's who saw the patient
    sign the printed page, with the purpose "witness of a consent" (docs/decisions/0028-consent.md).
    """

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class How(models.TextChoices):
        PORTAL = "portal", _("on the portal")
        TABLET = "tablet", _("on the clinic's tablet")
        PAPER = "paper", _("on paper")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="+")
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")
    typed_name = models.CharField(_("name as typed"), max_length=200)
    how = models.CharField(_("how"), max_length=8, choices=How)
    language = models.CharField(max_length=8)
    interpreter = models.CharField(_("interpreter"), max_length=120, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    device = models.ForeignKey(EnrolledDevice, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    browser = models.CharField(max_length=200, blank=True)
    signed_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects = ConsentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=models.F("signed_at")), name="consent_runs_out_later"),
            models.CheckConstraint(condition=~Q(typed_name=""), name="consent_has_a_typed_name"),
        ]
        # Serves every question about a patient's consents, newest first.
        indexes = [models.Index(fields=["patient", "-signed_at"], name="consent_by_patient")]

    def __str__(self) -> str:
        return str(self.pk)


class ConsentWithdrawal(Record):
    """Consent taken back, in force from the moment it was said."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class How(models.TextChoices):
        PORTAL = "portal", _("on the portal")
        IN_PERSON = "in_person", _("in person")
        PHONE = "phone", _("by phone")
        WRITING = "writing", _("in writing")

    consent = models.OneToOneField(Consent, on_delete=models.PROTECT, related_name="+")
    how = models.CharField(_("how"), max_length=10, choices=How)
    # In the patient's own words, if they gave a reason; nobody has to.
    words = models.TextField(_("in their words"), max_length=500, blank=True)
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.pk)
