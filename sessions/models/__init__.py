"""The things of this floor."""

from .courses import Course
from .escorts import EscortAnswer
from .feeds import CalendarFeed
from .merges import Merge
from .moves import VisitMove
from .ownviews import OwnView
from .reminders import Reminder, ReminderPlan, ReminderPlanItem
from .visitrequests import VisitRequest
from .visits import RECORD_WITHIN, UNDO_CHECK_IN_WITHIN, Appointment, Block, ChangeRequest, ResourceHold, all_lanes
from .visittypes import DOSING, INTAKE, INTEGRATION, PREPARATIONS, TALKS, VisitType
from .waitlist import FreedSlot, WaitlistEntry, WaitlistOffer, without_offers

__all__ = [
    "DOSING",
    "INTAKE",
    "INTEGRATION",
    "PREPARATIONS",
    "RECORD_WITHIN",
    "TALKS",
    "UNDO_CHECK_IN_WITHIN",
    "Appointment",
    "Block",
    "CalendarFeed",
    "ChangeRequest",
    "Course",
    "EscortAnswer",
    "FreedSlot",
    "Merge",
    "OwnView",
    "Reminder",
    "ReminderPlan",
    "ReminderPlanItem",
    "ResourceHold",
    "VisitMove",
    "VisitRequest",
    "VisitType",
    "WaitlistEntry",
    "WaitlistOffer",
    "all_lanes",
    "without_offers",
]
