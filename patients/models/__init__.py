"""The things of this floor."""

from .careteams import BREAK_GLASS_LASTS, BreakGlass, CareTeamMember
from .consents import Consent, ConsentKind, ConsentText, ConsentWithdrawal, Route
from .contacts import AddressChange, Contact
from .knownapart import KnownApart
from .patients import LANGUAGES, LIFE_MOVES, LifeState, MergedAway, Patient, PortalInvitation, PortalSuspension
from .preferences import ASKED_CATEGORIES, ContactPreference
from .referrals import Referral
from .referrers import ReferringClinician

__all__ = [
    "ASKED_CATEGORIES",
    "BREAK_GLASS_LASTS",
    "LANGUAGES",
    "LIFE_MOVES",
    "AddressChange",
    "BreakGlass",
    "CareTeamMember",
    "Consent",
    "ConsentKind",
    "ConsentText",
    "ConsentWithdrawal",
    "Contact",
    "ContactPreference",
    "KnownApart",
    "LifeState",
    "MergedAway",
    "Patient",
    "PortalInvitation",
    "PortalSuspension",
    "Referral",
    "ReferringClinician",
    "Route",
]
