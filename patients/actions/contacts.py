"""The people around a patient: added, corrected, ended."""

from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit
from clinic.errors import Refused
from clinic.models import User
from patients.models import Contact, Patient


class AlreadyEnded(Refused):
    """The contact is not in use any more."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has taken this contact off the list. Add the person again if they are back."))


class KnownContact(Refused):
    """The same person with the same phone is on the list."""

    def __init__(self, contact: Contact) -> None:
        super().__init__(
            _("%(name)s with this phone is on the list already. Change that entry instead.") % {"name": contact.name}
        )


@dataclass(frozen=True)
class Details:
    """Who a contact is and how to reach them."""

    kind: str
    name: str
    relationship: str
    phone: str
    email: str = ""


@transaction.atomic
def add(*, by: User, patient: Patient, details: Details, now: datetime) -> Contact:
    """Return the new contact. Refuses a second entry of the same name and phone."""
    Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    twin = Contact.objects.filter(
        patient=patient, ended_at=None, name__iexact=details.name, phone=details.phone
    ).first()
    if twin is not None:
        raise KnownContact(twin)
    contact = Contact.objects.create(patient=patient, **asdict(details))
    audit.record(by, audit.Verb.CONTACT_ADDED, contact, now=now, location_id=patient.home_location_id)
    return contact


@transaction.atomic
def edit(*, by: User, contact: Contact, details: Details, now: datetime) -> Contact:
    """Return the contact as corrected. Refuses one that was ended."""
    contact = _locked(contact)
    changed = [name for name, value in asdict(details).items() if getattr(contact, name) != value]
    if not changed:
        return contact
    for name in changed:
        setattr(contact, name, getattr(details, name))
    contact.save(update_fields=changed)
    audit.record(by, audit.Verb.CONTACT_CHANGED, contact, now=now, details={"fields": sorted(changed)})
    return contact


@transaction.atomic
def end(*, by: User, contact: Contact, now: datetime) -> Contact:
    """Return the contact, no longer to be called. Refuses one that was ended already."""
    contact = _locked(contact)
    contact.ended_at = now
    contact.save(update_fields=["ended_at"])
    audit.record(by, audit.Verb.CONTACT_ENDED, contact, now=now)
    return contact


def _locked(contact: Contact) -> Contact:
    contact = Contact.objects.select_for_update(no_key=True).get(pk=contact.pk)
    if contact.ended_at is not None:
        raise AlreadyEnded
    return contact
