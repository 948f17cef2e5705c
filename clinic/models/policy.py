"""The clinic's limits: every number that somebody answers for, approved and dated."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .people import User
from .record import Record


class PolicyVersionQuerySet(models.QuerySet["PolicyVersion"]):
    def in_force(self, now: datetime) -> "PolicyVersion | None":
        """Return the version that rules at ``now``: the approved one with the latest start that has come."""
        return (
            self.filter(approved_at__isnull=False, effective_at__lte=now).order_by("-effective_at", "-number").first()
        )


class PolicyVersion(Record):
    """One set of limits. The seed is domain.md appendix A; an approved version never changes."""

    number = models.PositiveIntegerField(_("number"), unique=True)
    values = models.JSONField(_("limits"))
    note = models.TextField(_("what changed and why"), max_length=1000)
    drafted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField()
    approved_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    effective_at = models.DateTimeField(_("in force from"), null=True, blank=True)

    objects = PolicyVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_at=None, approved_by=None, effective_at=None)
                | Q(approved_at__isnull=False, approved_by__isnull=False, effective_at__isnull=False),
                name="policy_approved_by_somebody_from_some_day",
            ),
            # Two drafts at once would each leave out what the other changes.
            models.UniqueConstraint(
                "approved_at", condition=Q(approved_at=None), nulls_distinct=False, name="policy_one_draft"
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.number}"
