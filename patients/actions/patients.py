"""Patients: registered, corrected, moved through the states of care; their addresses. Their way into the portal is in ``portal``."""

import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Protocol

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, businessdays, localtime
from clinic.access import Permission
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.models import Category, Channel, Location, Role, User, WorkItem
from patients import search
from patients.actions import portal, preferences, referrals
from patients.duplicates import Facts, Match
from patients.models import (
    LIFE_MOVES,
    AddressChange,
    ContactPreference,
    KnownApart,
    LifeState,
    Patient,
    PortalSuspension,
    Referral,
)

# Why a letter was withdrawn; the sentence for the desk is in patients/letters.py.
LIFE_STATE = "life_state"


# Of so many who seem alike the desk says one by one that they are somebody else.
MOST_ASKED = 25


class LooksKnown(Refused):
    """Somebody with much in common is registered. ``matches`` says who, and what speaks for it and against it."""

    def __init__(self, matches: list[tuple[Patient, Match]]) -> None:
        self.matches = matches
        super().__init__(_("This may be somebody we know. Look at the people below before registering anybody anew."))


class CannotBeReached(Refused):
    """A patient without a phone and an e-mail cannot be told anything."""

    def __init__(self) -> None:
        super().__init__(_("Enter a phone or an e-mail: without either the patient cannot be reached."))


class NotBornYet(Refused):
    """A birth date in the future."""

    def __init__(self) -> None:
        super().__init__(_("This birth date is in the future. Check the year."))


class ChangedMeanwhile(Refused):
    """Somebody saved the record while this person was editing it."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Somebody changed this record while you were editing it. Nothing of yours is saved yet: see below what is different now, then save again."
            )
        )


class NoSuchMove(Refused):
    """One state of care does not follow the other."""

    def __init__(self, patient: Patient, to: LifeState) -> None:
        super().__init__(
            _("A patient who is %(now)s cannot become %(then)s. Reload the page to see the state of care.")
            % {"now": patient.get_life_state_display(), "then": to.label}
        )


class DeathIsTakenBackByManagers(Refused):
    """Only a manager takes back a death that was entered by mistake."""

    def __init__(self) -> None:
        super().__init__(_("A death entered by mistake is taken back by a manager."))


class NothingAsked(Refused):
    """A wish without content."""

    def __init__(self) -> None:
        super().__init__(_("Enter a new e-mail or a new phone."))


class AlreadyAsked(Refused):
    """One open wish at a time."""

    def __init__(self) -> None:
        super().__init__(
            _("You have asked for a change already. We will call you about it; please call us if it is urgent.")
        )


class AlreadySettled(Refused):
    """Somebody settled the wish first."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has answered this already. Reload the page to see what is recorded now."))


@dataclass(frozen=True)
class Identity:
    """Everything the desk may write about who a patient is and how to reach them. ``phone`` is in E.164."""

    given_name: str
    family_name: str
    birth_date: date
    email: str = ""
    phone: str = ""
    middle_name: str = ""
    chosen_name: str = ""
    pronouns: str = ""
    sex_at_birth: str = Patient.Sex.UNKNOWN
    street: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    time_zone: str = ""
    # "" and None: nobody asked yet.
    language: str = ""
    needs_interpreter: bool | None = None
    interpreter_language: str = ""
    uses_wheelchair: bool | None = None
    hard_of_hearing: bool | None = None
    low_vision: bool | None = None
    access_needs: str = ""


def _checked(identity: Identity, now: datetime, location: Location) -> Identity:
    if not identity.email and not identity.phone:
        raise CannotBeReached
    if identity.birth_date > localtime.day_of(now, location.tz):
        raise NotBornYet
    return replace(identity, email=identity.email.lower(), state=identity.state.upper())


def next_mrn() -> str:
    """Return a record number nobody had before. A registration that fails leaves a gap, and gaps mean nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('patient_mrn')")
        return f"SW-{cursor.fetchone()[0]}"


@transaction.atomic
def register(
    *,
    by: User,
    entry_key: uuid.UUID,
    location: Location,
    identity: Identity,
    now: datetime,
    referral: Referral | None = None,
    email_consent: ContactPreference.Evidence | None = None,
    not_same: Collection[uuid.UUID] = (),
    is_surely_new: bool = False,
) -> Patient:
    """Return the new patient with a record number; the enquiry, when named, belongs to them from now on.

    ``email_consent`` is how we know that they agree to e-mails about visits; None writes no answer. ``not_same``
    are those who seem alike and of whom a person said that they are somebody else, which is kept (``KnownApart``);
    ``is_surely_new`` asks about nobody. ``entry_key`` belongs to one showing of the form: pressed
    twice, it registers once. Refuses people we seem to know, and an enquiry that is not accepted or has its patient.
    """
    identity = _checked(identity, now, location)
    first = Patient.objects.filter(pk=entry_key).first()
    if first is not None:
        if (first.given_name, first.family_name, first.birth_date, first.home_location_id) == (
            identity.given_name, identity.family_name, identity.birth_date, location.pk,
        ):  # fmt: skip
            return first
        entry_key = uuid.uuid4()
    if referral is not None:
        referral = referrals.lock_to_register(referral=referral)
    matches: list[tuple[Patient, Match]] = []
    if not is_surely_new:
        known = Patient.objects.visible_to(by, Permission.PATIENT_READ, now)
        matches = search.known_as(known, facts_of(identity))[:MOST_ASKED]
        if any(one.pk not in not_same for one, _match in matches):
            raise LooksKnown(matches)
    try:
        with transaction.atomic():
            patient = Patient.objects.create(
                pk=entry_key,
                mrn=next_mrn(),
                home_location=location,
                life_state=LifeState.ENQUIRER,
                life_state_since=now,
                registered_at=now,
                **asdict(identity),
            )
    except IntegrityError:
        # The other half of a double press won the race; it is the same person from the same form.
        return Patient.objects.get(pk=entry_key)
    KnownApart.objects.bulk_create(
        KnownApart(patient=patient, other=one, said_by=by, said_at=now, shared=[str(item) for item in match.evidence])
        for one, match in matches
    )
    apart = {"not_same": [str(one.pk) for one, _match in matches]} if matches else None
    audit.record(by, audit.Verb.PATIENT_REGISTERED, patient, now=now, details=apart)
    if referral is not None:
        referrals.link_registered(by=by, referral=referral, patient=patient, now=now)
    if email_consent is not None and patient.email:
        agreed = preferences.Answer(category=Category.VISIT, channel=Channel.EMAIL, is_allowed=True)
        preferences.answer(by=by, patient=patient, answers=[agreed], evidence=email_consent, now=now)
    return patient


def facts_of(identity: Identity) -> Facts:
    """Return what duplicates.py compares of what was entered."""
    return Facts(
        given_name=identity.given_name,
        family_name=identity.family_name,
        chosen_name=identity.chosen_name,
        birth_date=identity.birth_date,
        email=identity.email,
        phone=identity.phone,
    )


@transaction.atomic
def edit(*, by: User, patient: Patient, version: int, identity: Identity, now: datetime) -> Patient:
    """Return the patient as corrected. ``version`` is the one the editor was shown.

    A changed e-mail is traced, the old address is told, and an open invitation to it is withdrawn. Refuses when
    somebody else saved meanwhile.
    """
    patient = portal.locked_patient(patient)
    identity = _checked(identity, now, patient.home_location)
    if patient.version != version:
        raise ChangedMeanwhile
    return _write_identity(by=by, patient=patient, identity=identity, now=now)


class IdentityChanged(Protocol):
    def __call__(self, *, by: User, patient: Patient, now: datetime) -> None: ...


_told_of_identity: list[IdentityChanged] = []


def register_identity_changed(tell: IdentityChanged) -> None:
    """Say who is told, in the same transaction, that a birth date or a sex was corrected: the floor that reasons with them."""
    _told_of_identity[:] = [tell]


def _write_identity(*, by: User, patient: Patient, identity: Identity, now: datetime) -> Patient:
    """Write what differs into the locked patient, with all that follows from a new address."""
    changed = [name for name, value in asdict(identity).items() if getattr(patient, name) != value]
    if not changed:
        return patient
    old_email = patient.email
    for name in changed:
        setattr(patient, name, getattr(identity, name))
    patient.version += 1
    patient.save(update_fields=[*changed, "version"])
    audit.record(by, audit.Verb.PATIENT_CHANGED, patient, now=now, details={"fields": sorted(changed)})
    if {"birth_date", "sex_at_birth"} & set(changed):
        for tell in _told_of_identity:
            tell(by=by, patient=patient, now=now)
    moved = sorted({"email", "phone"} & set(changed))
    if moved:
        audit.record(by, audit.Verb.PATIENT_ADDRESS_CHANGED, patient, now=now, details={"fields": moved})
    if "email" in moved:
        portal.withdraw_open_invitation(by=by, patient=patient, reason="address_changed", now=now)
        if old_email and patient.gets_letters:
            outbox.queue(
                by=by, kind="address_changed", to=portal.at_address(patient, old_email), subject_type="patient",
                subject_id=patient.pk, schedule_version=patient.version, location_id=patient.home_location_id, now=now,
            )  # fmt: skip
    return patient


@transaction.atomic
def change_life_state(*, by: User, patient: Patient, to: LifeState, now: datetime) -> Patient:
    """Return the patient in another state of care.

    Discharge and death stop letters and withdraw an open invitation; death closes the portal. Refuses a state that does
    not follow the present one, and the taking back of a death.
    """
    patient = portal.locked_patient(patient)
    if patient.life_state == to:
        return patient
    if patient.is_deceased:
        raise DeathIsTakenBackByManagers
    return _move(by=by, patient=patient, to=to, now=now)


@transaction.atomic
def take_back_death(*, by: User, patient: Patient, now: datetime) -> Patient:
    """Return the patient, discharged: the death was entered by mistake. The portal stays closed until invited anew.

    Refuses a patient who is not recorded as deceased.
    """
    patient = portal.locked_patient(patient)
    if not patient.is_deceased:
        raise NoSuchMove(patient, LifeState.DISCHARGED)
    return _move(by=by, patient=patient, to=LifeState.DISCHARGED, now=now)


def _move(*, by: User, patient: Patient, to: LifeState, now: datetime) -> Patient:
    was = LifeState(patient.life_state)
    if to not in LIFE_MOVES[was]:
        raise NoSuchMove(patient, to)
    patient.life_state, patient.life_state_since, patient.version = to, now, patient.version + 1
    fields = ["life_state", "life_state_since", "version"]
    if to == LifeState.DECEASED and patient.has_portal:
        fields += portal.close_portal(patient, PortalSuspension.DECEASED, now)
    patient.save(update_fields=fields)
    audit.record(by, audit.Verb.PATIENT_LIFE_STATE_CHANGED, patient, now=now, details={"from": was, "to": to})
    if not to.gets_letters:
        portal.withdraw_open_invitation(by=by, patient=patient, reason="life_state", now=now)
        outbox.void(subject_type="patient", subject_id=patient.pk, reason=LIFE_STATE, now=now)
    return patient


@transaction.atomic
def ask_address_change(*, by: User, patient: Patient, email: str, phone: str, now: datetime) -> AddressChange:
    """Return the patient's wish to be reached elsewhere, put before the desk. Nothing changes until somebody called.

    Refuses an empty wish, and a second one while the first is open; the same wish again is the first.
    """
    if not email and not phone:
        raise NothingAsked
    patient = portal.locked_patient(patient)
    email = email.lower()
    first = AddressChange.objects.open().filter(patient=patient).first()
    if first is not None:
        if (first.email, first.phone) == (email, phone):
            return first
        raise AlreadyAsked
    wish = AddressChange.objects.create(patient=patient, email=email, phone=phone, asked_at=now)
    audit.record(
        by, audit.Verb.PATIENT_ADDRESS_CHANGE_ASKED, wish, now=now, location_id=patient.home_location_id,
        details={"fields": [name for name, value in (("email", email), ("phone", phone)) if value]},
    )  # fmt: skip
    worklist.open_item(
        by=by, kind=WorkItem.Kind.ADDRESS_CHANGED, location=patient.home_location, owner_role=Role.FRONT_DESK,
        subject_type="patient", subject_id=patient.pk, patient_id=patient.pk, now=now,
        due_at=businessdays.end_of_next(location=patient.home_location, now=now),
    )  # fmt: skip
    return wish


@transaction.atomic
def answer_address_change(*, by: User, wish: AddressChange, apply: bool, now: datetime) -> AddressChange:
    """Return the wish, settled: written into the record as any change of address, or refused.

    The desk has called the patient on a number known before. Refuses a wish that was settled already.
    """
    patient = portal.locked_patient(wish.patient)
    wish = AddressChange.objects.select_for_update(no_key=True).get(pk=wish.pk)
    if wish.settled_at is not None:
        raise AlreadySettled
    wish.settled_at, wish.settled_by, wish.was_applied = now, by, apply
    wish.save(update_fields=["settled_at", "settled_by", "was_applied"])
    if apply:
        kept = identity_of(patient=patient)
        phone = wish.phone.as_e164 if wish.phone else kept.phone
        wanted = replace(kept, email=wish.email or kept.email, phone=phone)
        _write_identity(by=by, patient=patient, identity=wanted, now=now)
    else:
        audit.record(by, audit.Verb.PATIENT_ADDRESS_CHANGE_REFUSED, wish, now=now, location_id=patient.home_location_id)
    worklist.close_about(
        by=by, kind=WorkItem.Kind.ADDRESS_CHANGED, subject_id=patient.pk, now=now,
        outcome=WorkItem.Outcome.DONE if apply else WorkItem.Outcome.REFUSED,
    )  # fmt: skip
    return wish


def identity_of(*, patient: Patient) -> Identity:
    """Return what is recorded of a patient, as ``edit`` takes it."""
    values = {name: getattr(patient, name) for name in Identity.__dataclass_fields__}
    values["phone"] = patient.phone.as_e164 if patient.phone else ""
    return Identity(**values)
