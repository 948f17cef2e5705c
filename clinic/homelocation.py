"""Which location a person belongs to, and the neutral name under which a page meets them.

Letters, envelopes and lock screens say a location's neutral name; a page that said another would look like a stranger's.
"""

import dataclasses
import time
import uuid
from collections.abc import Callable

from django.conf import settings

from clinic.access import memberships_of
from clinic.models import Location, User


@dataclasses.dataclass(frozen=True)
class PatientBehind:
    """The patient a sign-in belongs to: their id, for the audit and the letters, and where they are at home."""

    id: uuid.UUID
    location: Location


# The patients' floor knows who is behind a patient's sign-in and fills this at start-up; until then nobody does.
_ask_patient_behind: list[Callable[[User], PatientBehind | None]] = []


def register_patient_behind(ask: Callable[[User], PatientBehind | None]) -> None:
    """Say how to find the patient behind a sign-in."""
    _ask_patient_behind[:] = [ask]


def patient_behind(user: User) -> PatientBehind | None:
    """Return the patient whose sign-in this is, asked once a request; None for staff and for a portal that was closed."""
    if not user.is_patient:
        return None
    known: PatientBehind | None = getattr(user, "_patient_behind", None)
    if known is None:
        known = next((ask(user) for ask in _ask_patient_behind), None)
        if known is not None:
            remember_patient_behind(user, known)
    return known


def remember_patient_behind(user: User, known: PatientBehind) -> None:
    """Keep what a door has read anyway, so that the page around it does not ask for the same row again."""
    user._patient_behind = known  # type: ignore[attr-defined]  # a per-request cache on the instance


def location_of(user: User) -> Location | None:
    """Return the location whose name and zone a person's security letters bear; None only before there is any."""
    if user.is_staff_member:
        own = next((membership.location for membership in memberships_of(user)), None)
    else:
        known = patient_behind(user)
        own = known.location if known else None
    return own or Location.objects.active().order_by("name").first()


_public_name: tuple[float, str] | None = None


def public_name() -> str:
    """Return the name that strangers read above our pages: the neutral name of every location, each once.

    Nobody knows yet which location a stranger's letter came from, so all are named. Asked by every public page, so kept
    a minute. The product's own name stands in before there is a location.
    """
    global _public_name
    if _public_name is None or time.monotonic() - _public_name[0] > 60:
        aliases = Location.objects.active().order_by("name").values_list("alias", flat=True)
        _public_name = (time.monotonic(), " · ".join(dict.fromkeys(aliases)) or settings.SITE_NAME)
    return _public_name[1]


def forget() -> None:
    """Forget the kept name, so that the next page asks the table."""
    global _public_name
    _public_name = None
