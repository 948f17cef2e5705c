"""The ground floor's things. Django finds them here; everybody imports from the noun's own module or from here."""

from .audit import AuditEvent, AuditSeal, Outcome
from .devices import EnrolledDevice
from .hours import Closure, OpeningHours, TimeOff, Weekday, WorkingHours
from .outbox import Category, Channel, OutboundMessage, Suppression
from .pages import Page, PageCall
from .people import CLINICIANS, LICENSED, Licence, Membership, Role, StaffInvitation, User
from .places import Device, Location, Room
from .policy import PolicyVersion
from .record import Record, new_id
from .rota import OnCall
from .signatures import Signature, SigningCode
from .worklist import WorkItem

__all__ = [
    "CLINICIANS",
    "LICENSED",
    "AuditEvent",
    "AuditSeal",
    "Category",
    "Channel",
    "Closure",
    "Device",
    "EnrolledDevice",
    "Licence",
    "Location",
    "Membership",
    "OnCall",
    "OpeningHours",
    "OutboundMessage",
    "Outcome",
    "Page",
    "PageCall",
    "PolicyVersion",
    "Record",
    "Role",
    "Room",
    "Signature",
    "SigningCode",
    "StaffInvitation",
    "Suppression",
    "TimeOff",
    "User",
    "Weekday",
    "WorkItem",
    "WorkingHours",
    "new_id",
]
