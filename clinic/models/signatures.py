"""Signatures: who put their name to which exact words, and how it was made sure that it was them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .devices import EnrolledDevice
from .people import User
from .places import Location
from .record import Record


class Signature(Record):
    """One signature. The row never changes: a trigger and the rights of the application's role see to that.

    ``content_hash`` is the SHA-256 of the exact text that was on the screen; the text itself is kept by whoever asked for
    the signature. ``beside`` is the person whose session the screen belonged to when somebody else signed on it.
    """

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Purpose(models.TextChoices):
        CONSENT = "consent", _("consent")
        CONSENT_WITNESS = "consent_witness", _("witness of a consent")
        OVERRIDE = "override", _("override of a screening flag")
        CLEARANCE = "clearance", _("clearance")
        POLICY = "policy", _("clinic policy")
        CONSENT_TEXT = "consent_text", _("wording of a consent")
        DISPOSITION = "disposition", _("disposition of a risk alert")

    class Method(models.TextChoices):
        PASSWORD_AND_FACTOR = "password_and_factor", _("password and second factor")
        PASSWORD = "password", _("password")
        MAILED_CODE = "mailed_code", _("code sent by e-mail")
        DEVICE_PIN = "device_pin", _("PIN on an enrolled device")

    signer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    # In which role, at the location: "" for a patient.
    role = models.CharField(max_length=16, blank=True)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    beside = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    device = models.ForeignKey(EnrolledDevice, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    purpose = models.CharField(_("for"), max_length=16, choices=Purpose)
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    method = models.CharField(_("made sure by"), max_length=20, choices=Method)
    content_hash = models.CharField(max_length=64)
    signed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(content_hash__regex=r"^[0-9a-f]{64}$"), name="signature_names_its_text"),
            models.CheckConstraint(
                condition=Q(beside=None) | ~Q(beside=models.F("signer")), name="signature_beside_is_another"
            ),
            models.UniqueConstraint(
                "signer", "purpose", "subject_type", "subject_id", "content_hash", name="signature_once_a_text"
            ),
        ]
        # Serves "who signed this".
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="signature_by_subject")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.subject_id}"


class SigningCode(Record):
    """The code that was last mailed to somebody for one kind of signature. Only its keyed hash is kept; it signs once."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(_("for"), max_length=16, choices=Signature.Purpose)
    code_hash = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint("user", "purpose", name="signing_code_newest_alone")]

    def __str__(self) -> str:
        return str(self.pk)
