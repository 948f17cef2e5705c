"""The things of this floor."""

from .careteams import BREAK_GLASS_LASTS, BreakGlass, CareTeamMember
from .contacts import Contact
from .patients import LIFE_MOVES, LifeState, Patient, PortalInvitation
from .preferences import ContactPreference
from .referrals import Referral

__all__ = [
    "BREAK_GLASS_LASTS",
    "LIFE_MOVES",
    "BreakGlass",
    "CareTeamMember",
    "Contact",
    "ContactPreference",
    "LifeState",
    "Patient",
    "PortalInvitation",
    "Referral",
]
