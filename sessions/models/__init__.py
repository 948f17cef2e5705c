"""The things of this floor."""

from .reminders import Reminder, ReminderPlan, ReminderPlanItem
from .visits import UNDO_CHECK_IN_WITHIN, Appointment, Block, ChangeRequest, ResourceHold
from .visittypes import VisitType

__all__ = [
    "UNDO_CHECK_IN_WITHIN",
    "Appointment",
    "Block",
    "ChangeRequest",
    "Reminder",
    "ReminderPlan",
    "ReminderPlanItem",
    "ResourceHold",
    "VisitType",
]
