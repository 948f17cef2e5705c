"""The kiosk: the desk gives somebody beside it a short code, which opens what that patient has to answer, once.

A code lives for minutes, is kept as a hash, and opens only on an enrolled kiosk of the place it was given at. Who stands
before the screen is known by having the code; that is why the screen asks "is this you?" before it shows a question.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from assessments.actions import requests
from assessments.models import KioskPass
from clinic import audit, policy, throttle, tokens
from clinic.actions import devices
from clinic.errors import Refused, violated
from clinic.models import EnrolledDevice, Location, Outcome, User
from patients.models import Patient

DIGITS = 6
# Another code is drawn when one is in use; with a million of them this is never needed twice.
DRAWS = 5


class NothingToAnswer(Refused):
    """The patient has nothing open that they may answer at a kiosk."""

    def __init__(self) -> None:
        super().__init__(
            _("There is nothing for this patient to answer at the kiosk now. Ask a clinician to ask first.")
        )


class NoKioskHere(Refused):
    """No kiosk is enrolled at the place."""

    def __init__(self) -> None:
        super().__init__(
            _("No kiosk is enrolled at this location. A manager enrolls one under Office, Enrolled devices.")
        )


class CodeNotGood(Refused):
    """The same words for a wrong code, one that was used, and one that is too old."""

    def __init__(self) -> None:
        super().__init__(_("This code opens nothing. Check the six digits, or ask the front desk for a new code."))


class TooManyCodes(Refused):
    """Somebody is guessing."""

    def __init__(self) -> None:
        super().__init__(_("Too many codes were tried on this screen. Please ask the front desk to help you."))


@dataclass(frozen=True)
class Given:
    """A pass with its code, which nobody can read again."""

    kiosk_pass: KioskPass
    code: str


@transaction.atomic
def give_code(*, by: User, patient: Patient, location: Location, now: datetime) -> Given:
    """Return a new code for that patient at that place, good for ``kiosk.code_min`` minutes. Earlier ones open nothing more.

    Refuses a patient with nothing to answer, and a place without a kiosk.
    """
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    if not requests.answerable(patient=patient, now=now):
        raise NothingToAnswer
    kiosks = EnrolledDevice.objects.filter(location=location, kind=EnrolledDevice.Kind.KIOSK, revoked_at=None)
    if not kiosks.exists():
        raise NoKioskHere
    stale = Q(patient=patient) | Q(location_id=location.pk, expires_at__lte=now)
    KioskPass.objects.filter(stale, opened_at=None, closed_at=None).update(closed_at=now)
    minutes = int(policy.in_force(now).get("kiosk", "code_min"))
    for _draw in range(DRAWS):
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
        try:
            with transaction.atomic():
                kiosk_pass = KioskPass.objects.create(
                    patient=patient, location_id=location.pk, code_hash=tokens.hash_of_code(code), given_by=by,
                    given_at=now, expires_at=now + timedelta(minutes=minutes),
                )  # fmt: skip
        except IntegrityError as error:
            if violated(error) != "kiosk_code_once_a_place":
                raise
        else:
            audit.record(by, audit.Verb.KIOSK_CODE_GIVEN, kiosk_pass, now=now)
            return Given(kiosk_pass, code)
    raise CodeNotGood


def open_with_code(*, device: EnrolledDevice, code: str, now: datetime) -> KioskPass:
    """Return the pass that the code opens on this kiosk; what was open there before is closed.

    Refuses a wrong, used or old code with one sentence, and more than ``kiosk.code_checks`` tries on one device in the
    minutes that a code lives.
    """
    limits = policy.in_force(now).get("kiosk")
    most, seconds = int(limits["code_checks"]), int(limits["code_min"]) * 60
    if not throttle.allows("kiosk", str(device.pk), most=most, seconds=seconds, now=now):
        raise TooManyCodes
    with transaction.atomic():
        kiosk_pass = (
            KioskPass.objects.select_for_update(no_key=True, of=("self",))
            .filter(location_id=device.location_id, code_hash=tokens.hash_of_code(code), opened_at=None, closed_at=None)
            .filter(expires_at__gt=now)
            .select_related("patient__home_location", "patient__portal_user")
            .first()
        )
        if kiosk_pass is not None:
            KioskPass.objects.filter(device=device, opened_at__isnull=False, closed_at=None).update(closed_at=now)
            kiosk_pass.device, kiosk_pass.opened_at, kiosk_pass.last_seen_at = device, now, now
            kiosk_pass.save(update_fields=["device", "opened_at", "last_seen_at"])
            devices.seen(device=device, now=now)
            audit.record(
                None, audit.Verb.KIOSK_OPENED, kiosk_pass, now=now, location_id=device.location_id,
                details={"device": str(device.pk)},
            )  # fmt: skip
        else:
            # Written though the code is refused below: guesses leave a trace.
            audit.record(None, audit.Verb.KIOSK_CODE_REFUSED, device, now=now, outcome=Outcome.REFUSED)
    if kiosk_pass is None:
        raise CodeNotGood
    throttle.give_back("kiosk", str(device.pk), seconds=seconds, now=now)
    return kiosk_pass


@transaction.atomic
def close(*, kiosk_pass: KioskPass, now: datetime) -> KioskPass:
    """Return the pass, closed. What was answered and not handed in is kept as a draft. A second time is the first."""
    kiosk_pass = KioskPass.objects.select_for_update(no_key=True).get(pk=kiosk_pass.pk)
    if kiosk_pass.closed_at is None:
        kiosk_pass.closed_at = now
        kiosk_pass.save(update_fields=["closed_at"])
    return kiosk_pass


@transaction.atomic
def touch(*, kiosk_pass: KioskPass, now: datetime) -> None:
    """Note that somebody is there: written at each answer, so that the desk sees whether the kiosk is in use."""
    KioskPass.objects.filter(pk=kiosk_pass.pk, closed_at=None).update(last_seen_at=now)
