"""The clinician who sent a patient: written down, corrected, taken off."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit
from clinic.errors import Refused
from clinic.models import User
from patients.models import Patient, ReferringClinician


class NobodyToEnd(Refused):
    """Nobody is written down as having sent the patient."""

    def __init__(self) -> None:
        super().__init__(_("Nobody is written down here any more. Reload the page to see what is recorded now."))


@dataclass(frozen=True)
class Referrer:
    """Who sent the patient, and how to reach them. ``phone`` and ``fax`` are in E.164; all but the name may be empty."""

    name: str
    practice: str = ""
    phone: str = ""
    fax: str = ""
    email: str = ""
    npi: str = ""
    licence: str = ""


class ChangedMeanwhile(Refused):
    """Somebody else wrote down, corrected or took off who sent the patient, since the form was drawn."""

    def __init__(self) -> None:
        super().__init__(
            _("Somebody changed this meanwhile: see “So far”. Nothing of yours is saved yet. Look at what stands there now, then save again.")
        )  # fmt: skip


def mark_of(found: ReferringClinician | None) -> str:
    """Return a mark of what is written down, for a form to say what its reader saw; "" for nobody."""
    if found is None:
        return ""
    said = [str(found.pk), *(getattr(found, name) for name in Referrer.__dataclass_fields__)]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


@transaction.atomic
def write(*, by: User, patient: Patient, referrer: Referrer, seen: str, now: datetime) -> ReferringClinician:
    """Return who sent the patient, as written down now. The same once more changes nothing; what was there is in the history.

    ``seen`` is the ``mark_of`` what the writer looked at; refuses when something else stands there by now.
    """
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    found = ReferringClinician.objects.current().filter(patient=patient).first()
    if found is not None and all(getattr(found, name) == value for name, value in asdict(referrer).items()):
        return found
    if mark_of(found) != seen:
        raise ChangedMeanwhile
    if found is None:
        found = ReferringClinician.objects.create(patient=patient, **asdict(referrer))
        changed = ["name"]
    else:
        changed = [name for name, value in asdict(referrer).items() if getattr(found, name) != value]
        for name in changed:
            setattr(found, name, getattr(referrer, name))
        found.save(update_fields=changed)
    audit.record(
        by, audit.Verb.REFERRER_WRITTEN, found, now=now, location_id=patient.home_location_id,
        details={"fields": sorted(changed)},
    )  # fmt: skip
    return found


@transaction.atomic
def end(*, by: User, patient: Patient, seen: str, now: datetime) -> ReferringClinician:
    """Return who sent the patient, taken off: it was another patient's, or nobody did.

    Refuses when nobody is written down, and somebody else than the ``mark_of`` what was ``seen``.
    """
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    found = ReferringClinician.objects.current().filter(patient=patient).first()
    if found is None:
        raise NobodyToEnd
    if mark_of(found) != seen:
        raise ChangedMeanwhile
    found.ended_at = now
    found.save(update_fields=["ended_at"])
    audit.record(by, audit.Verb.REFERRER_ENDED, found, now=now, location_id=patient.home_location_id)
    return found
