"""The waitlist: patients wait for a kind of visit, and a time that becomes free is offered to one of them at a time.

What is offered is held as a visit of theirs, so nobody else can be given it; acceptance turns that visit into a booked one. Rows
are the queue: the clock ends what ran out and offers each free time to whoever is next (docs/decisions/0033-waitlist.md).

Locks are taken in this order: the free time, the entry, rooms and people and the patient (``holds.lock``), the visit, the offer.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import audit, localtime, policy, quiethours
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.models import Category, Channel, Device, Location, Membership, OutboundMessage, Room, User, WorkItem
from clinic.quiethours import Window
from patients.models import ContactPreference, LifeState, Patient
from sessions.actions import changes, freed, holds, placing, reminders, visits
from sessions.actions.holds import Team
from sessions.actions.placing import Place
from sessions.models import Appointment, FreedSlot, VisitType, WaitlistEntry, WaitlistOffer

# How long a time is kept for whoever is asked (domain.md 7, Waitlist: "hold 30 min").
KEPT_FOR = timedelta(minutes=30)
# A time is offered so long before it begins at the latest: after the answer there must be time to come.
AT_LEAST_BEFORE = timedelta(hours=3)
# Whoever is dosed needs somebody to take them home, who is asked the day before at the latest (escort lead time, domain.md 7).
ESCORT_LEAD = timedelta(hours=24)
# Nobody waits longer without being asked again.
LONGEST_WAIT = timedelta(days=180)
# When nobody could be asked, a free time is looked at again so much later: consents are signed and answers come in meanwhile.
LOOK_AGAIN = timedelta(hours=1)
# While somebody books the same room or person.
LOOK_AGAIN_SOON = timedelta(minutes=1)
# How many of those in line are looked at in one go for one time.
MOST_LOOKED_AT = 40
# Rows of one round of the clock.
ROUND = 200
# The letter that tells of a time.
LETTER = "time_offered"

Entry, Offer = WaitlistEntry.Status, WaitlistOffer.Status


class NotWaitedFor(Refused):
    """Nobody waits for this kind of visit, or not with this person or until that day."""


class AlreadyWaiting(Refused):
    """The patient waits for this kind of visit already."""


class NoLongerWaiting(Refused):
    """The wish was met, taken back or ran out."""

    def __init__(self) -> None:
        super().__init__(_("This wish is not on the waitlist any more. Look at the list again."))


class HasAnOffer(Refused):
    """The patient is being asked about another time."""

    def __init__(self, name: str) -> None:
        super().__init__(
            _("%(name)s is being asked about another time. Wait for the answer, or enter it, then offer this one.")
            % {"name": name}
        )


class TooSoon(Refused):
    """The time is too near for the patient to answer and come."""


class NotAtNight(Refused):
    """The patient would be told outside the hours in which letters may arrive."""


class OfferIsOver(Refused):
    """The time was answered, ran out or was withdrawn."""


@dataclass(frozen=True)
class Wish:
    """What a patient waits for. Nobody and nothing chosen is anybody and any."""

    visit_type: VisitType
    first_day: date
    last_day: date
    clinician: User | None = None
    weekdays: tuple[int, ...] = ()
    day_parts: tuple[str, ...] = ()


def kinds() -> list[VisitType]:
    """Return the kinds of visit that somebody can wait for: those that anybody may book, at the clinic."""
    offered = VisitType.objects.current().filter(bookers=VisitType.Bookers.ANYBODY, is_remote=False)
    return list(offered.order_by("id"))


def people(patient: Patient, *, only_known: bool = False) -> list[User]:
    """Return with whom a patient can wait for a visit: whoever leads one at their location, of whom ``only_known`` have seen them."""
    roles = {role for kind in kinds() for role in kind.shape.lead.roles}
    members = Membership.objects.live().filter(location=patient.home_location, role__in=roles, user__is_active=True)
    found = User.objects.filter(pk__in=members.values("user_id"))
    if only_known:
        found = found.filter(pk__in=Appointment.objects.filter(patient=patient).values("clinician_id"))
    return list(found.order_by("name", "id"))


@transaction.atomic
def ask(*, by: User, patient: Patient, wish: Wish, now: datetime) -> WaitlistEntry:
    """Return the wish, in line behind those who waited before, at the patient's own location.

    Refuses a patient out of care, a kind that only clinicians book, days that are over or too far, and a second wish for one kind.
    """
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    location = patient.home_location
    placing.guard_in_care(patient)
    today = localtime.day_of(now, location.tz)
    if wish.visit_type.bookers != VisitType.Bookers.ANYBODY or wish.visit_type.is_remote:
        raise NotWaitedFor(_("Nobody waits in line for this kind of visit. Choose another kind, or ask the team."))
    if not today <= wish.last_day <= today + LONGEST_WAIT or wish.last_day < wish.first_day:
        raise NotWaitedFor(_("Choose a last day from today on, within half a year, and not before the first one."))
    _guard_person(wish, location)
    waiting = WaitlistEntry.objects.waiting().filter(patient=patient, visit_type_code=wish.visit_type.code)
    if waiting.exists():
        raise AlreadyWaiting(
            _("%(name)s waits for this kind of visit already. Take that wish back first to change it.")
            % {"name": patient.called}
        )
    entry = WaitlistEntry.objects.create(
        patient=patient, location=location, visit_type_code=wish.visit_type.code, clinician=wish.clinician,
        weekdays=sorted(wish.weekdays), day_parts=list(wish.day_parts), first_day=wish.first_day, last_day=wish.last_day,
        made_by=by, made_at=now,
    )  # fmt: skip
    audit.record(by, audit.Verb.WAITLIST_ASKED, entry, now=now, details={"visit_type": entry.visit_type_code})
    free = FreedSlot.objects.filter(
        location=location, visit_type__code=entry.visit_type_code, look_at__gt=now, starts_at__gt=now
    )
    free.update(look_at=now)
    return entry


def _guard_person(wish: Wish, location: Location) -> None:
    """Refuse to wait for somebody who does not see patients for this kind of visit here: nobody would ever be asked."""
    if wish.clinician is None:
        return
    roles = wish.visit_type.shape.lead.roles
    works = Membership.objects.live().filter(user=wish.clinician, location=location, role__in=roles)
    if not works.exists():
        raise NotWaitedFor(
            _("%(name)s is not who this kind of visit is with. Choose somebody else, or anybody.")
            % {"name": wish.clinician.name}
        )


@transaction.atomic
def withdraw(*, by: User, entry: WaitlistEntry, now: datetime) -> WaitlistEntry:
    """Return the wish, taken back; a time that was kept for it goes to the next. Twice is once.

    Refuses one that was met or ran out.
    """
    entry = _locked_entry(entry.pk)
    if entry.status == Entry.WITHDRAWN:
        return entry
    if not entry.is_waiting:
        raise NoLongerWaiting
    return _end(by=by, entry=entry, status=Entry.WITHDRAWN, now=now)


def _end(*, by: User, entry: WaitlistEntry, status: WaitlistEntry.Status, now: datetime) -> WaitlistEntry:
    """Return the wish, whose row is locked, ended, with the time that was kept for it let go."""
    offer = WaitlistOffer.objects.filter(entry=entry, status=Offer.OPEN).first()
    if offer is not None:
        visit, offer = _locked_offer(offer)
        if offer.is_open:
            _let_go(by=by, entry=entry, visit=visit, offer=offer, status=Offer.WITHDRAWN, now=now)
    _settle_entry(by=by, entry=entry, status=status, now=now)
    audit.record(by, audit.Verb.WAITLIST_ENDED, entry, now=now, details={"status": status})
    return entry


def _settle_entry(*, by: User, entry: WaitlistEntry, status: WaitlistEntry.Status, now: datetime) -> None:
    entry.status, entry.settled_by, entry.settled_at = status, by, now
    entry.save(update_fields=["status", "settled_by", "settled_at"])


def _locked_entry(pk: uuid.UUID) -> WaitlistEntry:
    rows = WaitlistEntry.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("location", "patient", "patient__home_location").get(pk=pk)


def _locked_offer(offer: WaitlistOffer) -> tuple[Appointment, WaitlistOffer]:
    """Return the visit that holds an offered time and the offer, as they are now, locked in this order after the entry."""
    visit = Appointment.objects.locked().get(pk=offer.appointment_id)
    rows = WaitlistOffer.objects.select_for_update(no_key=True, of=("self",))
    return visit, rows.get(pk=offer.pk)


def lead_of(visit_type: VisitType) -> timedelta:
    """Return how long before it begins a time of a kind is offered at the latest."""
    return ESCORT_LEAD if visit_type.is_dosing else AT_LEAST_BEFORE


@transaction.atomic
def offer(
    *, by: User, entry: WaitlistEntry, team: Team, room: Room | None, starts_at: datetime, now: datetime
) -> WaitlistOffer:
    """Return a time that the desk chose by hand, kept for somebody of the waitlist until it runs out; the patient is told.

    The days and times of the wish do not bind the desk: it asks about what it has. Refuses a wish that is over, one with another time
    open, a time too near to come, an hour at which the patient is not written to, and whatever booking refuses.
    """
    return _offer(by=by, pk=entry.pk, team=team, room=room, starts_at=starts_at, slot=None, now=now)


def _offer(
    *,
    by: User,
    pk: uuid.UUID,
    team: Team,
    room: Room | None,
    starts_at: datetime,
    slot: FreedSlot | None,
    now: datetime,
) -> WaitlistOffer:
    entry = _locked_entry(pk)
    if not entry.is_waiting:
        raise NoLongerWaiting
    kind = slot.visit_type if slot else VisitType.objects.current().get(code=entry.visit_type_code)
    if WaitlistOffer.objects.filter(entry=entry, status=Offer.OPEN).exists():
        raise HasAnOffer(entry.patient.called)
    if starts_at < now + lead_of(kind):
        raise TooSoon(
            _("This time is less than %(hours)d hours away, too near to ask somebody. Choose a later one, or book it on the phone.")
            % {"hours": lead_of(kind) / timedelta(hours=1)}
        )  # fmt: skip
    if not _may_be_told(entry.patient, _window(now), now):
        raise NotAtNight(
            _("It is too early or too late in the day to write to %(name)s. Offer it between %(opens)s and %(closes)s their time.")
            % {
                "name": entry.patient.called, "opens": f"{_window(now).opens:%H:%M}", "closes": f"{_window(now).closes:%H:%M}",
            }
        )  # fmt: skip
    until = now + KEPT_FOR
    place = Place(entry.location, kind, team, room, entry.patient, starts_at)
    visit = visits.hold(by=by, place=place, until=until, now=now)
    made = WaitlistOffer.objects.create(
        entry=entry, appointment=visit, slot=slot, offered_by=by, offered_at=now, expires_at=until,
        told=WaitlistOffer.Told.LETTER if _is_written_to(visit.patient) else WaitlistOffer.Told.PHONE,
    )  # fmt: skip
    audit.record(
        by, audit.Verb.WAITLIST_OFFERED, made, now=now, patient_id=entry.patient_id, location_id=entry.location_id,
        details={"appointment": str(visit.pk), "expires_at": until.isoformat()},
    )  # fmt: skip
    _tell(by=by, offer=made, visit=visit, now=now)
    return made


def _window(now: datetime) -> Window:
    return Window.of(policy.in_force(now).get("reminders", "window_local"))


def _may_be_told(patient: Patient, window: Window, now: datetime) -> bool:
    """Return whether the whole time to answer lies in the hours in which a patient is written to."""
    return quiethours.is_open(now, window, patient.tz) and quiethours.is_open(now + KEPT_FOR, window, patient.tz)


def _is_written_to(patient: Patient) -> bool:
    """Return whether the patient is told by letter. They asked to be told, so no further yes is needed; a no stands."""
    said_no = ContactPreference.objects.current().filter(
        patient=patient, category=Category.WAITLIST, channel=Channel.EMAIL, is_allowed=False
    )
    return bool(patient.email) and not said_no.exists()


def _tell(*, by: User, offer: WaitlistOffer, visit: Appointment, now: datetime) -> None:
    """Tell the patient of the time by a letter that dies with the offer, or have somebody phone them."""
    patient = visit.patient
    if offer.told == WaitlistOffer.Told.PHONE:
        reminders.ask_to_call(by=by, visit=visit, due_at=offer.expires_at, now=now)
        return
    outbox.queue(
        by=by, kind=LETTER, subject_type=WaitlistOffer._meta.model_name or "", subject_id=offer.pk,
        location_id=visit.location_id, useful_until=offer.expires_at, now=now,
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=patient.pk, address=patient.email, tz=patient.tz,
            language=patient.letter_language,
        ),
    )  # fmt: skip


def why_not(*, offer: WaitlistOffer, now: datetime) -> str:
    """Return why the letter about an offered time should not go any more, or "". Asked again at the moment of sending."""
    reason = reminders.Reason
    patient = offer.appointment.patient
    if not offer.can_be_answered(now):
        return str(reason.NO_LONGER_USEFUL)
    if not patient.gets_letters:
        return str(reason.PATIENT_STATE)
    if not patient.email:
        return str(reason.NO_ADDRESS)
    return "" if _is_written_to(patient) else str(reason.NO_CONSENT)


@transaction.atomic
def call_instead(*, by: User, message: OutboundMessage, now: datetime) -> WorkItem | None:
    """Return the item that asks for a call in place of a letter that was held back, while the offer can be answered."""
    made = WaitlistOffer.objects.select_related("appointment__location").get(pk=message.subject_id)
    if not made.can_be_answered(now):
        return None
    return reminders.ask_to_call(by=by, visit=made.appointment, due_at=made.expires_at, now=now)


@transaction.atomic
def accept(*, by: User, offer: WaitlistOffer, now: datetime) -> Appointment:
    """Return the visit, booked, its letters planned; the wish is met. Said by the patient, or by the desk for them.

    Exactly one of several who press at once succeeds. Refuses an offer that was answered, ran out or was withdrawn, and what booking
    refuses by now.
    """
    entry = _locked_entry(offer.entry_id)
    patient = Patient.objects.select_for_update(no_key=True).get(pk=entry.patient_id)
    visit, offer = _locked_offer(offer)
    _guard_open(offer, visit, now)
    visit.patient = patient
    visits.take_up(by=by, visit=visit, now=now)
    _settle_offer(by=by, entry=entry, offer=offer, status=Offer.ACCEPTED, now=now)
    _settle_entry(by=by, entry=entry, status=Entry.MET, now=now)
    if offer.slot_id is not None:
        FreedSlot.objects.filter(pk=offer.slot_id).update(look_at=None, outcome=FreedSlot.Outcome.TAKEN)
    return visit


@transaction.atomic
def decline(*, by: User, offer: WaitlistOffer, now: datetime) -> WaitlistOffer:
    """Return the offer, declined: the time goes to the next, and the patient keeps their place in line. Twice is once.

    Refuses an offer that was accepted, ran out or was withdrawn.
    """
    entry = _locked_entry(offer.entry_id)
    visit, offer = _locked_offer(offer)
    if offer.status == Offer.DECLINED:
        return offer
    _guard_open(offer, visit, now)
    return _let_go(by=by, entry=entry, visit=visit, offer=offer, status=Offer.DECLINED, now=now)


def _guard_open(offer: WaitlistOffer, visit: Appointment, now: datetime) -> None:
    phone = {"phone": visit.location.phone}
    if offer.status == Offer.ACCEPTED:
        raise OfferIsOver(_("This time has been accepted already. The visit is booked; there is nothing more to do."))
    if offer.status == Offer.DECLINED:
        raise OfferIsOver(_("This time has been declined already. For another one, phone us: %(phone)s.") % phone)
    if offer.status == Offer.EXPIRED or (offer.is_open and now >= offer.expires_at):
        raise OfferIsOver(
            _("The time to answer is over, and this time goes to somebody else. The place on the waitlist is kept: another time may come. For one that is free now, phone us: %(phone)s.")
            % phone
        )  # fmt: skip
    if not offer.is_open or visit.status != Appointment.Status.HELD:
        raise OfferIsOver(_("This time had to be withdrawn. The visit is not booked. Questions? Phone us: %(phone)s.") % phone)  # fmt: skip


def _settle_offer(
    *, by: User, entry: WaitlistEntry, offer: WaitlistOffer, status: WaitlistOffer.Status, now: datetime
) -> None:
    offer.status, offer.settled_by, offer.settled_at = status, by, now
    offer.save(update_fields=["status", "settled_by", "settled_at"])
    worklist.close_about(
        by=by, kind=WorkItem.Kind.CALL_PATIENT, subject_id=offer.appointment_id, now=now,
        outcome=WorkItem.Outcome.DONE if status == Offer.ACCEPTED else WorkItem.Outcome.NOT_NEEDED,
    )  # fmt: skip
    outbox.void(
        subject_type=WaitlistOffer._meta.model_name or "", subject_id=offer.pk,
        reason=reminders.Reason.NO_LONGER_USEFUL, now=now, kinds=frozenset({LETTER}),
    )  # fmt: skip
    audit.record(
        by, audit.Verb.WAITLIST_ANSWERED, offer, now=now, patient_id=entry.patient_id, location_id=entry.location_id,
        details={"status": status, "appointment": str(offer.appointment_id)},
    )  # fmt: skip


def _let_go(
    *,
    by: User,
    entry: WaitlistEntry,
    visit: Appointment,
    offer: WaitlistOffer,
    status: WaitlistOffer.Status,
    now: datetime,
) -> WaitlistOffer:
    """Return the offer, settled without a yes, its time free and due to be offered to the next. All rows are locked."""
    if visit.status == Appointment.Status.HELD:
        changes.release(by=by, visit=visit, now=now)
    _settle_offer(by=by, entry=entry, offer=offer, status=status, now=now)
    if offer.slot_id is not None:
        FreedSlot.objects.filter(pk=offer.slot_id, look_at__isnull=False).update(look_at=now)
    return offer


def look_after(*, by: User, now: datetime) -> int:
    """End what ran out and offer every free time that is due to whoever is next. Return how many were offered.

    Each row is a transaction of its own, and looked at again under its lock: two rounds at once do it once.
    """
    _end_offers(by=by, now=now)
    _end_holds(by=by, now=now)
    _end_entries(by=by, now=now)
    due = FreedSlot.objects.filter(look_at__lte=now).order_by("look_at", "id").values_list("pk", flat=True)
    return sum(offer_freed(by=by, pk=pk, now=now) is not None for pk in list(due[:ROUND]))


def _end_offers(*, by: User, now: datetime) -> None:
    over = WaitlistOffer.objects.filter(status=Offer.OPEN, expires_at__lte=now).order_by("expires_at", "id")
    for one in list(over[:ROUND]):
        with transaction.atomic():
            entry = _locked_entry(one.entry_id)
            visit, locked = _locked_offer(one)
            if locked.is_open:
                _let_go(by=by, entry=entry, visit=visit, offer=locked, status=Offer.EXPIRED, now=now)


def _end_holds(*, by: User, now: datetime) -> None:
    """Let go of every other visit that was held until now; its time is offered too."""
    held = Appointment.objects.filter(status=Appointment.Status.HELD, held_until__lte=now)
    offered = WaitlistOffer.objects.filter(status=Offer.OPEN).values("appointment_id")
    for pk in list(held.exclude(pk__in=offered).order_by("held_until", "id").values_list("pk", flat=True)[:ROUND]):
        with transaction.atomic():
            visit = Appointment.objects.locked().get(pk=pk)
            if visit.status == Appointment.Status.HELD and visit.held_until and visit.held_until <= now:
                freed.note(visit=visit, team=None, because=FreedSlot.Because.EXPIRED, now=now)
                changes.release(by=by, visit=visit, now=now)


def _end_entries(*, by: User, now: datetime) -> None:
    """End the wishes whose last day is over, and those of patients who are no longer in care."""
    latest = localtime.day_of(now, localtime.zone("Pacific/Kiritimati"))
    waiting = WaitlistEntry.objects.waiting().select_related("location")
    gone = waiting.filter(patient__life_state__in=[LifeState.DISCHARGED, LifeState.DECEASED])
    old = [one for one in waiting.filter(last_day__lt=latest)[:ROUND] if one.ran_out(now)]
    for one in {entry.pk: entry for entry in [*old, *gone[:ROUND]]}.values():
        with transaction.atomic():
            entry = _locked_entry(one.pk)
            if entry.is_waiting:
                _end(by=by, entry=entry, status=Entry.ENDED, now=now)


@transaction.atomic
def offer_freed(*, by: User, pk: uuid.UUID, now: datetime) -> WaitlistOffer | None:
    """Return the offer of a free time to the first in line who may have it, or None when nobody can be asked now.

    Asked are those whose wish it suits, who were not asked about it before, who are asked about nothing else and may be written to
    now; and, by what booking refuses, those in care, free then and, for a dose, with nothing missing.
    """
    rows = FreedSlot.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    slot = rows.filter(pk=pk, look_at__lte=now).select_related("visit_type", "location", "room").first()
    if slot is None:
        return None
    if slot.starts_at < now + lead_of(slot.visit_type):
        slot.look_at, slot.outcome = None, FreedSlot.Outcome.PASSED
        slot.save(update_fields=["look_at", "outcome"])
        return None
    # While it is open nobody else is asked; it is looked at again when it is settled.
    if WaitlistOffer.objects.filter(slot=slot, status=Offer.OPEN).exists():
        return None
    made, look_at = _offer_to_next(by=by, slot=slot, now=now)
    slot.look_at = made.expires_at if made else look_at
    slot.save(update_fields=["look_at"])
    return made


def _offer_to_next(*, by: User, slot: FreedSlot, now: datetime) -> tuple[WaitlistOffer | None, datetime]:
    team = _team_of(slot)
    look_at, window = now + LOOK_AGAIN, _window(now)
    if team is None:
        return None, look_at
    for entry in _in_line(slot):
        if not entry.suits(slot.starts_at, team.clinician):
            continue
        if not _may_be_told(entry.patient, window, now):
            tz = entry.patient.tz
            morning = now + KEPT_FOR if quiethours.is_open(now, window, tz) else now
            look_at = min(look_at, quiethours.next_opening(morning, window, tz))
            continue
        try:
            # What was written before a refusal is undone with it.
            with transaction.atomic():
                return _offer(
                    by=by, pk=entry.pk, team=team, room=slot.room, starts_at=slot.starts_at, slot=slot, now=now
                ), look_at
        except holds.Busy:
            # Nobody loses their turn because a clerk is booking at this very moment.
            return None, now + LOOK_AGAIN_SOON
        except Refused:
            continue
    return None, look_at


def _in_line(slot: FreedSlot) -> Sequence[WaitlistEntry]:
    """Return who may be asked about a free time, in order of waiting."""
    day = localtime.day_of(slot.starts_at, slot.location.tz)
    asked = WaitlistOffer.objects.filter(slot=slot).values("entry_id")
    busy = WaitlistOffer.objects.filter(status=Offer.OPEN).values("entry_id")
    line = WaitlistEntry.objects.waiting().filter(
        location=slot.location, visit_type_code=slot.visit_type.code, first_day__lte=day, last_day__gte=day
    )
    line = line.exclude(pk__in=asked).exclude(pk__in=busy)
    return list(line.select_related("location", "patient__home_location")[:MOST_LOOKED_AT])


def _team_of(slot: FreedSlot) -> Team | None:
    """Return the people and devices of a free time as they are now, or None when one of them is no more."""
    people = User.objects.in_bulk(slot.people)
    devices = Device.objects.in_bulk(slot.devices)
    if len(people) < len(set(slot.people)) or len(devices) < len(set(slot.devices)):
        return None
    return Team(tuple(people[pk] for pk in slot.people), tuple(devices[pk] for pk in slot.devices))
