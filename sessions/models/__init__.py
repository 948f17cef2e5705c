"""The things of this floor."""

from .courses import Course
from .reminders import Reminder, ReminderPlan, ReminderPlanItem
from .visits import RECORD_WITHIN, UNDO_CHECK_IN_WITHIN, Appointment, Block, ChangeRequest, ResourceHold, all_lanes
from .visittypes import DOSING, INTAKE, INTEGRATION, VisitType

__all__ = [
    "DOSING",
    "INTAKE",
    "INTEGRATION",
    "RECORD_WITHIN",
    "UNDO_CHECK_IN_WITHIN",
    "Appointment",
    "Block",
    "ChangeRequest",
    "Course",
    "Reminder",
    "ReminderPlan",
    "ReminderPlanItem",
    "ResourceHold",
    "VisitType",
    "all_lanes",
]
