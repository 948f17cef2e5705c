"""Who takes a patient home after a dose: what the desk was told when the patient came."""

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from clinic.models import Record, User

from .visits import Appointment


class EscortAnswerQuerySet(models.QuerySet["EscortAnswer"]):
    def standing(self) -> "EscortAnswerQuerySet":
        """Return what was said since the check-in that stands, the latest first: with an undone check-in its answer is gone."""
        return self.filter(said_at__gte=F("appointment__checked_in_at")).order_by("-said_at", "-id")


class EscortAnswer(Record):
    """One answer to "Who takes you home?". Nobody asked is no row: nothing here has a default. The latest one counts."""

    # Rows are added and never changed: clinic/grants.py and a trigger.
    is_append_only = True

    class Answer(models.TextChoices):
        HERE = "here", _("Escort is here")
        LATER = "later", _("Escort comes later")
        NOBODY = "nobody", _("No escort")

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="+")
    answer = models.CharField(_("who takes them home"), max_length=6, choices=Answer)
    said_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    said_at = models.DateTimeField()

    objects = EscortAnswerQuerySet.as_manager()

    class Meta:
        # Serves the board of the day and the page of a visit.
        indexes = [models.Index(fields=["appointment", "-said_at"], name="escort_answer_by_visit")]

    def __str__(self) -> str:
        return self.answer


def answer_of(visit: Appointment) -> EscortAnswer | None:
    """Return what stands about the escort of a visit; None while nobody asked."""
    return EscortAnswer.objects.standing().filter(appointment=visit).select_related("said_by").first()


LOOKS: dict[str, str] = {
    EscortAnswer.Answer.HERE: "confirmed",
    EscortAnswer.Answer.LATER: "due",
    EscortAnswer.Answer.NOBODY: "blocked",
}


# The patient is at the clinic, so it can be said whether somebody is with them.
ASKED_WHILE = frozenset({Appointment.Status.CHECKED_IN, Appointment.Status.IN_PROGRESS})
