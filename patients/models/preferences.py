"""What a patient agreed to be written about, by which channel, and what shows that they did."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from clinic.models import Category, Channel, Record, User

from .patients import Patient

# What a patient can be asked about. Security codes and answers to their own messages need no consent.
ASKED_CATEGORIES = (Category.VISIT, Category.QUESTIONNAIRE, Category.FOLLOW_UP, Category.WAITLIST)


class ContactPreferenceQuerySet(models.QuerySet["ContactPreference"]):
    def current(self) -> "ContactPreferenceQuerySet":
        return self.filter(ended_at=None)

    def allows(self, patient: Patient, category: str, channel: str) -> bool:
        """Return whether the patient agreed to this category by this channel. No answer is a no."""
        return self.current().filter(patient=patient, category=category, channel=channel, is_allowed=True).exists()


class ContactPreference(Record):
    """One answer, yes or no. A new answer ends the old one; nothing is edited. No answer means no."""

    class Evidence(models.TextChoices):
        ASKED_BY_PHONE = "asked_by_phone", _("asked by phone")
        ASKED_AT_DESK = "asked_at_desk", _("asked at the desk")
        PUBLIC_FORM = "public_form", _("ticked on the public form")
        PORTAL = "portal", _("set on the portal")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    category = models.CharField(_("about"), max_length=16, choices=Category)
    channel = models.CharField(_("by"), max_length=8, choices=Channel)
    is_allowed = models.BooleanField(_("agreed"))
    evidence = models.CharField(_("how we know"), max_length=16, choices=Evidence)
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ContactPreferenceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "patient", "category", "channel", condition=models.Q(ended_at=None), name="preference_current_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.channel}"
