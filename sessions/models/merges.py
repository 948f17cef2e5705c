"""Two records that were one person: which stands for both since, what moved, and how it is put back."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Record, User
from patients.models import Patient


class MergeQuerySet(models.QuerySet["Merge"]):
    def standing(self) -> "MergeQuerySet":
        """Return the merges that nobody took apart."""
        return self.filter(undone_at=None)


class Merge(Record):
    """One merge of ``loser`` into ``survivor``. What it moved is named row by row, so that exactly those go back."""

    survivor = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    loser = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    reason = models.TextField(_("how we know"), max_length=500)
    # {"patients.Contact.patient": [ids], ...}: the rows that pointed at the loser and point at the survivor since.
    moved = models.JSONField()
    # {"email": [what the survivor had, what was chosen]}: only what was taken from the loser.
    taken = models.JSONField()
    # The sign-in that went over, when the survivor had none.
    portal_user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    undo_reason = models.TextField(_("why they are two people"), max_length=500, blank=True)

    objects = MergeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("loser", condition=Q(undone_at=None), name="merge_loser_once"),
            models.CheckConstraint(condition=~Q(survivor=F("loser")), name="merge_of_two"),
            models.CheckConstraint(
                condition=Q(undone_at=None, undone_by=None, undo_reason="")
                | (Q(undone_at__isnull=False, undone_by__isnull=False) & ~Q(undo_reason="")),
                name="merge_undone_has_who_and_why",
            ),
        ]
        # Serves un-merging, which goes from the latest merge back.
        indexes = [models.Index(fields=["survivor", "-at"], name="merge_by_survivor")]

    def __str__(self) -> str:
        return str(self.pk)
