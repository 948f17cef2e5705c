"""What a clinic itself decides about instruments: the wording it may show, and when it asks.

What an instrument is, and how it is scored, is in the files of ``assessments/instruments`` (docs/decisions/0020).
"""

from datetime import date

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.models import Record, User


class InstrumentWordingQuerySet(models.QuerySet["InstrumentWording"]):
    def on_file(self) -> "InstrumentWordingQuerySet":
        """Return the wordings that nobody withdrew; some may have run out (``has_ended``)."""
        return self.filter(withdrawn_at=None)


class InstrumentWording(Record):
    """The complete wording of one version of one instrument, supplied by the clinic under a permission it holds."""

    code = models.CharField(_("instrument"), max_length=24)
    version = models.PositiveIntegerField()
    language = models.CharField(max_length=8, default="en")
    # {"instructions": ..., "stem": ..., "items": {id: {"text": ..., "labels": [...]}}}
    wording = models.JSONField(_("wording"))
    holder = models.CharField(_("who gave the permission"), max_length=200)
    document = models.CharField(_("where the permission is kept"), max_length=200)
    granted_on = models.DateField(_("given on"))
    ends_on = models.DateField(_("ends on"), null=True, blank=True)
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()
    withdrawn_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = InstrumentWordingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "code", "version", "language", condition=Q(withdrawn_at=None), name="instrument_wording_once"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None, withdrawn_by=None)
                | Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False),
                name="instrument_wording_withdrawn_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}.{self.version}.{self.language}"

    def has_ended(self, today: date) -> bool:
        """Return whether the permission's last day is over."""
        return self.ends_on is not None and self.ends_on < today


class CareEventKind(models.TextChoices):
    """What may set off a question. Doses and courses are fed by the floor above."""

    INTAKE_OPENED = "intake_opened", _("intake opened")
    DOSE_PLANNED = "dose_planned", _("dose planned")
    DOSE_GIVEN = "dose_given", _("dose given")
    COURSE_ENDED = "course_ended", _("end of the course")


class AskingRuleQuerySet(models.QuerySet["AskingRule"]):
    def live(self) -> "AskingRuleQuerySet":
        return self.filter(ended_at=None)


class AskingRule(Record):
    """One line of "what is asked when": so long after (or before) an event, and perhaps again every so many days.

    Rules are not edited: a change ends the old one and starts a new one.
    """

    code = models.CharField(_("instrument"), max_length=24)
    event = models.CharField(_("after"), max_length=16, choices=CareEventKind)
    # Hours from the event; less than 0 is before it.
    offset_hours = models.IntegerField(_("hours after the event"), default=0)
    # None: once an event.
    every_days = models.PositiveIntegerField(_("again every so many days"), null=True, blank=True)
    due_within_hours = models.PositiveIntegerField(_("to be answered within hours"))
    open_for_hours = models.PositiveIntegerField(_("can be answered for hours"))
    started_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = AskingRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "code", "event", "offset_hours", condition=Q(ended_at=None), name="asking_rule_once"
            ),
            models.CheckConstraint(
                condition=Q(open_for_hours__gte=models.F("due_within_hours")), name="asking_rule_open_until_due"
            ),
            models.CheckConstraint(
                condition=Q(every_days=None) | Q(every_days__gte=1, open_for_hours__lte=models.F("every_days") * 24),
                name="asking_rule_one_repetition_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by=None) | Q(ended_at__isnull=False, ended_by__isnull=False),
                name="asking_rule_ended_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.event} {self.offset_hours}"
