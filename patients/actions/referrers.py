"""The clinician who sent a patient: written down, corrected, taken off."""

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


@transaction.atomic
def write(*, by: User, patient: Patient, referrer: Referrer, now: datetime) -> ReferringClinician:
    """Return who sent the patient, as written down now. The same once more changes nothing; what was there is in the history."""
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    found = ReferringClinician.objects.current().filter(patient=patient).first()
    if found is None:
        found = ReferringClinician.objects.create(patient=patient, **asdict(referrer))
        changed = ["name"]
    else:
        changed = [name for name, value in asdict(referrer).items() if getattr(found, name) != value]
        if not changed:
            return found
        for name in changed:
            setattr(found, name, getattr(referrer, name))
        found.save(update_fields=changed)
    audit.record(
        by, audit.Verb.REFERRER_WRITTEN, found, now=now, location_id=patient.home_location_id,
        details={"fields": sorted(changed)},
    )  # fmt: skip
    return found


@transaction.atomic
def end(*, by: User, patient: Patient, now: datetime) -> ReferringClinician:
    """Return who sent the patient, taken off: it was another patient's, or nobody did. Refuses when nobody is written down."""
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    found = ReferringClinician.objects.current().filter(patient=patient).first()
    if found is None:
        raise NobodyToEnd
    found.ended_at = now
    found.save(update_fields=["ended_at"])
    audit.record(by, audit.Verb.REFERRER_ENDED, found, now=now, location_id=patient.home_location_id)
    return found
