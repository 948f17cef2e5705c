"""The things of this floor."""

from .reminders import Reminder, ReminderPlan, ReminderPlanItem
from .visits import RECORD_WITHIN, UNDO_CHECK_IN_WITHIN, Appointment, Block, ChangeRequest, ResourceHold, all_lanes
from .visittypes import INTAKE, VisitType

__all__ = [
    "INTAKE",
    "RECORD_WITHIN",
    "UNDO_CHECK_IN_WITHIN",
    "Appointment",
    "Block",
    "ChangeRequest",
    "Reminder",
    "ReminderPlan",
    "ReminderPlanItem",
    "ResourceHold",
    "VisitType",
    "all_lanes",
]
