"""Intake packets: sent, filled in over several sittings, taken back, run out. Handing one in is ``handing_in.py``.

What a patient types is kept at once, also what would be refused, and becomes a fact when the packet is handed in and not
before. Whoever moves a packet holds its patient's row first, then the packet's; saving a part holds the packet's alone.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from assessments import definitions, merging, packetchecks
from assessments.actions import asking, clearances, requests
from assessments.models import AssessmentRequest, CareEventKind, Clearance, Packet, PacketSection
from assessments.packetquestions import Section, Step
from clinic import audit, businessdays, localtime, policy
from clinic.actions import outbox, system, worklist
from clinic.errors import Refused, violated
from clinic.models import Category, Channel, OutboundMessage, Role, User, WorkItem
from patients import crisis
from patients.actions import crisis as danger
from patients.models import ContactPreference, Patient, PortalInvitation

Status = Packet.Status
SUBJECT = "packet"
LETTER = "packet_invitation"

# The questionnaires of every packet; PCL-5 is asked where trauma is asked about (domain.md 8.3). Those whose wording may
# not be shown are left out until a permission is on file.
INSTRUMENTS = ("phq-9", "gad-7", "asq", "audit-c", "daily-life", "ptq", "dast-10")
FOR_TRAUMA = ("pcl-5",)

# Whoever types when the time runs out may finish.
GRACE = timedelta(hours=1)
# Characters: of one answer, and of one part. More than anybody writes; what is longer is refused and stays on the page.
MOST_IN_A_FIELD = 10_000
MOST_IN_A_PART = 200_000
CHUNK = 200


class NotInCare(Refused):
    """Nobody is sent a packet who was discharged or has died."""

    def __init__(self) -> None:
        super().__init__(_("This patient was discharged or has died. No packet is sent to them."))


class NoWayIn(Refused):
    """A packet is filled in on the portal."""

    def __init__(self) -> None:
        super().__init__(
            _("This patient cannot open the portal, and the packet is filled in there. Invite them to the portal, then send the packet.")
        )  # fmt: skip


class PacketIsOut(Refused):
    """One packet at a time."""

    def __init__(self, packet: Packet, tz: ZoneInfo) -> None:
        super().__init__(
            _("A packet is out already, good until %(when)s. Send its letter again, or take it back to send a new one.")
            % {"when": localtime.day_text(last_day(packet, tz))}
        )


class PacketIsOver(Refused):
    """What was handed in, taken back or ran out is not written in any more."""

    def __init__(self, packet: Packet) -> None:
        sentences = {
            Status.SUBMITTED: _("You have handed this in already, so nothing was changed. If something is missing, tell us at your visit or call us."),
            Status.WITHDRAWN: _("The clinic has taken this back. What you wrote before is kept. Copy what you just typed, and call us."),
        }  # fmt: skip
        super().__init__(
            sentences.get(
                Status(packet.status),
                _(
                    "The time for this is over. What you wrote before is kept. Copy what you just typed, and call us for a new one."
                ),
            )
        )


class NotOut(Refused):
    """Only a packet that is out can be taken back, or its letter sent again."""

    def __init__(self, packet: Packet) -> None:
        super().__init__(
            _("This packet is not out any more: %(state)s. Reload the page to see how it stands.")
            % {"state": packet.get_status_display()}
        )


class LetterOnItsWay(Refused):
    """One letter at a time."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Its letter is on its way already. “What was sent, and why not” on the patient’s page says how far it is."
            )
        )


class TooMuch(Refused):
    """There is a limit to what one field, or one part, can hold."""

    def __init__(self) -> None:
        super().__init__(
            _("This is more than we can keep here, so the last change was not saved. Shorten it, or bring it on paper.")
        )


class TwoAnswers(Refused):
    """Two windows said different things, and the patient has not chosen."""

    def __init__(self, step: str) -> None:
        self.step = step
        super().__init__(_("In two windows you wrote different things. Choose which one is right."))


class NotAnsweredYet(Refused):
    """Something of the part is open, or cannot be right."""

    def __init__(self, step: str) -> None:
        self.step = step
        super().__init__(
            _("Some questions of this part are still open. Answer them, or say that you would rather talk about them.")
        )


@dataclass(frozen=True)
class Choice:
    """What a patient chose where two windows said different things: one of the texts beside, or (None) what stands."""

    name: str
    place: int | None


@dataclass(frozen=True)
class Saved:
    """What became of a change: the part as it stands, and whether another window had said something else."""

    section: PacketSection
    clashed: frozenset[str]
    needs_numbers: bool


def last_day(packet: Packet, tz: ZoneInfo) -> date:
    """Return the last day on which a packet can be handed in; it runs out with that day."""
    return localtime.day_of(packet.expires_at - timedelta(microseconds=1), tz)


def is_over(packet: Packet, now: datetime) -> bool:
    """Return whether a packet is closed at ``now``: settled, or its time has passed, with an hour of grace."""
    return not packet.is_live or now > packet.expires_at + GRACE


def has_way_in(patient: Patient, now: datetime) -> bool:
    """Return whether the patient can sign in, or is invited to."""
    return patient.has_portal or PortalInvitation.objects.open(now).filter(patient=patient).exists()


def hears_by_letter(patient: Patient) -> bool:
    """Return whether a letter tells the patient that a packet is out: there is an address, and they agreed to be written to."""
    return bool(patient.email) and ContactPreference.objects.allows(patient, Category.VISIT, Channel.EMAIL)


@transaction.atomic
def invite(*, by: User, patient: Patient, asks_about_trauma: bool, now: datetime) -> Packet:
    """Return the packet, sent: the clearance is open, the questionnaires are asked, the letter is queued.

    What was typed into one that ran out or was taken back is carried over, to be looked through again. Refuses a second
    packet while one is out, a patient who is no longer in care, and one who has no way into the portal.
    """
    patient = clearances.locked_patient(patient)
    if not patient.gets_letters:
        raise NotInCare
    if not has_way_in(patient, now):
        raise NoWayIn
    last = Packet.objects.filter(patient=patient).order_by("-invited_at", "-id").first()
    if last is not None and last.is_live:
        raise PacketIsOut(last, patient.tz)
    days = int(policy.in_force(now).get("packet", "valid_days"))
    _start, expires_at = localtime.day_bounds(localtime.day_of(now, patient.tz) + timedelta(days=days), patient.tz)
    try:
        with transaction.atomic():
            packet = Packet.objects.create(
                patient=patient, asks_about_trauma=asks_about_trauma, invited_by=by, invited_at=now, expires_at=expires_at,
                carries_on=last if last is not None and last.status != Status.SUBMITTED else None,
            )  # fmt: skip
    except IntegrityError as error:
        if violated(error) == "packet_one_at_a_time":
            raise PacketIsOut(Packet.objects.live().get(patient=patient), patient.tz) from error
        raise
    _carry_over(packet)
    audit.record(by, audit.Verb.PACKET_INVITED, packet, now=now, location_id=patient.home_location_id)
    clearances.open_clearance(by=by, patient=patient, now=now)
    asking.record_event(
        by=by,
        patient=patient,
        kind=CareEventKind.INTAKE_OPENED,
        at=now,
        subject_type=SUBJECT,
        subject_id=packet.pk,
        now=now,
    )
    _ask(by=by, packet=packet, patient=patient, now=now)
    _write(by=by, packet=packet, patient=patient, version=1, now=now)
    worklist.close_about(
        by=by, kind=WorkItem.Kind.PACKET_RAN_OUT, subject_id=patient.pk, outcome=WorkItem.Outcome.DONE, now=now
    )
    return packet


def _carry_over(packet: Packet) -> None:
    """Copy what was typed before; every part has to be looked through again, so none is done."""
    if packet.carries_on_id is None:
        return
    for section in PacketSection.objects.filter(packet_id=packet.carries_on_id):
        # What was left for a talk then is asked again now.
        draft = {name: value for name, value in section.draft.items() if not name.startswith("leave-")}
        PacketSection.objects.create(
            packet=packet, code=section.code, draft=draft, others=section.others, revision=section.revision,
            saved_at=section.saved_at,
        )  # fmt: skip


def _ask(*, by: User, packet: Packet, patient: Patient, now: datetime) -> None:
    for code in INSTRUMENTS + (FOR_TRAUMA if packet.asks_about_trauma else ()):
        if requests.is_for_patient(definitions.current(code), patient, now):
            requests.ask(
                by=by, patient=patient, code=code, opens_at=now, due_at=packet.expires_at, expires_at=packet.expires_at,
                packet=packet, now=now,
            )  # fmt: skip


def _write(*, by: User, packet: Packet, patient: Patient, version: int, now: datetime) -> OutboundMessage | None:
    if not patient.email:
        call_instead(by=by, packet=packet, now=now)
        return None
    return outbox.queue(
        by=by, kind=LETTER, subject_type=SUBJECT, subject_id=packet.pk, location_id=patient.home_location_id, now=now,
        schedule_version=version, useful_until=packet.expires_at,
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=patient.pk, address=patient.email, tz=patient.tz,
            language=patient.letter_language,
        ),
    )  # fmt: skip


@transaction.atomic
def call_instead(*, by: User, packet: Packet, now: datetime) -> WorkItem | None:
    """Return the item that asks the desk to phone, because no letter tells the patient of their packet; None once it is over."""
    if is_over(packet, now) or not packet.patient.gets_letters:
        return None
    place = packet.patient.home_location
    return worklist.open_item(
        by=by, kind=WorkItem.Kind.CALL_PATIENT, location=place, owner_role=Role.FRONT_DESK, subject_type="patient",
        subject_id=packet.patient_id, patient_id=packet.patient_id, now=now,
        due_at=businessdays.end_of_next(location=place, now=now),
    )  # fmt: skip


def _locked(packet: Packet) -> tuple[Patient, Packet]:
    patient = clearances.locked_patient(packet.patient)
    return patient, Packet.objects.select_for_update(no_key=True).get(pk=packet.pk)


@transaction.atomic
def remind(*, by: User, packet: Packet, now: datetime) -> OutboundMessage | None:
    """Return the letter, queued once more; None when the patient has no e-mail. Refuses a packet that is not out, and a
    letter behind one that has not left yet.
    """
    patient, packet = _locked(packet)
    if is_over(packet, now):
        raise NotOut(packet)
    letters = OutboundMessage.objects.about(SUBJECT, packet.pk).filter(kind=LETTER)
    if letters.waiting().exists():
        raise LetterOnItsWay
    return _write(by=by, packet=packet, patient=patient, version=letters.count() + 1, now=now)


@transaction.atomic
def withdraw(*, by: User, packet: Packet, now: datetime) -> Packet:
    """Return the packet, taken back with what it asks; what was typed is kept. Refuses one that is not out."""
    patient, packet = _locked(packet)
    if not packet.is_live:
        raise NotOut(packet)
    packet.status, packet.settled_at = Status.WITHDRAWN, now
    packet.save(update_fields=["status", "settled_at"])
    audit.record(by, audit.Verb.PACKET_WITHDRAWN, packet, now=now, location_id=patient.home_location_id)
    for request in AssessmentRequest.objects.open().filter(packet=packet).order_by("id"):
        requests.cancel(by=by, request=request, now=now)
    asking.cancel_event(by=by, subject_type=SUBJECT, subject_id=packet.pk, now=now)
    outbox.void(subject_type=SUBJECT, subject_id=packet.pk, reason="packet_over", now=now)
    return packet


@transaction.atomic
def save_section(
    *, by: User, packet: Packet, section: Section, step: Step, typed: Mapping[str, str], seen: Mapping[str, str],
    window: merging.Window, marks: Mapping[str, str] | None = None, choice: Choice | None = None, now: datetime,
) -> Saved:  # fmt: skip
    """Return the part with what was typed on one screen, whatever it is; nothing is checked but its length.

    ``typed`` names every field of the screen, ``seen`` what the window showed when it began. ``marks`` are what buttons
    say: how many lines a list shows, and that the open questions are left for a talk; ``choice`` settles what two windows
    said. Words of danger put a person on to it in the same transaction. Refuses a packet that is over, and more than there
    is room for.
    """
    row = _locked_section(by=by, packet=packet, section=section, now=now)
    packet = row.packet
    known = set(step.names({**row.draft, **typed}))
    clean = {name: value.replace("\x00", "") for name, value in typed.items() if name in known}
    merged = merging.merge(merging.Stored(row.draft, row.others, row.hands), typed=clean, seen=seen, window=window)
    stored = merged.stored
    if choice is not None:
        stored = merging.choose(stored, name=choice.name, place=choice.place)
    draft = {name: value for name, value in {**stored.draft, **_marks(step, marks)}.items() if value}
    if any(len(value) > MOST_IN_A_FIELD for value in clean.values()) or sum(map(len, draft.values())) > MOST_IN_A_PART:
        raise TooMuch
    if draft != row.draft or stored.others != row.others:
        row.revision, row.done_at = row.revision + 1, None
        row.draft, row.others = draft, dict(stored.others)
    row.hands, row.step, row.saved_at = dict(stored.hands), step.name, now
    row.save(update_fields=["draft", "others", "hands", "revision", "step", "saved_at", "done_at"])
    said = {name: draft.get(name, "") for name, question in step.asked(draft) if question.is_words}
    changed = "\n".join(said[name] for name in said if name in merged.changed)
    # Asked here first: it is kept at every change, and hardly ever are there such words.
    if crisis.may_mean_danger(changed):
        danger.review(
            by=by, text=changed, location=packet.patient.home_location, subject_type=SUBJECT, subject_id=packet.pk,
            patient=packet.patient, now=now,
        )  # fmt: skip
    return Saved(row, merged.clashed, crisis.may_mean_danger("\n".join(said.values())))


def _locked_section(*, by: User, packet: Packet, section: Section, now: datetime) -> PacketSection:
    """Return the part, held for this transaction with its packet, the packet first. Refuses a packet that is over."""
    row = None
    if packet.status != Status.INVITED:
        # ``of`` names the rows in the order in which PostgreSQL holds them.
        rows = PacketSection.objects.select_for_update(no_key=True, of=("packet", "self")).select_related("packet")
        row = next(iter(rows.filter(packet=packet, code=section.code)), None)
    if row is not None:
        # Whose it is does not change, and was read a moment ago.
        row.packet.patient = packet.patient
        packet = row.packet
    elif packet.status == Status.INVITED:
        packet = _begin(by=by, packet=packet, now=now)
    else:
        packet = (
            Packet.objects.select_for_update(no_key=True, of=("self",))
            .select_related("patient__home_location")
            .get(pk=packet.pk)
        )
    if is_over(packet, now):
        raise PacketIsOver(packet)
    if row is None:
        row, _made = PacketSection.objects.get_or_create(packet=packet, code=section.code)
        row.packet = packet
    return row


def _begin(*, by: User, packet: Packet, now: datetime) -> Packet:
    """Return the packet, begun; a second window may have begun it a moment ago."""
    _patient, packet = _locked(packet)
    if packet.status == Status.INVITED and not is_over(packet, now):
        packet.status, packet.begun_at = Status.IN_PROGRESS, now
        packet.save(update_fields=["status", "begun_at"])
        clearances.packet_moved(by=by, patient=packet.patient, status=Clearance.Status.PACKET_IN_PROGRESS, now=now)
    return Packet.objects.select_related("patient__home_location").get(pk=packet.pk)


def _marks(step: Step, marks: Mapping[str, str] | None) -> dict[str, str]:
    allowed = {step.left_open} | ({f"{step.rows.name}-rows"} if step.rows else set())
    return {name: value for name, value in (marks or {}).items() if name in allowed}


@transaction.atomic
def complete_section(*, by: User, packet: Packet, section: Section, now: datetime) -> PacketSection:
    """Return the part, done. Refuses while something of it is open or cannot be right, or two windows differ."""
    packet = (
        Packet.objects.select_for_update(no_key=True, of=("self",))
        .select_related("patient__home_location")
        .get(pk=packet.pk)
    )
    if is_over(packet, now):
        raise PacketIsOver(packet)
    row, _made = PacketSection.objects.get_or_create(packet=packet, code=section.code)
    guard_section(section, row, localtime.day_of(now, packet.patient.tz))
    row.done_at = now
    row.save(update_fields=["done_at"])
    return row


def guard_section(section: Section, row: PacketSection, today: date) -> None:
    """Refuse a part of which something is open; the refusal names the screen."""
    for step in section.steps:
        if any(name in row.others for name in step.names(row.draft)):
            raise TwoAnswers(step.name)
    for step_name in packetchecks.of_section(section, row.draft, today):
        raise NotAnsweredYet(step_name)


def expire_due(*, now: datetime) -> int:
    """Close every packet whose time is over and put it before the desk. Return how many. Beat calls it; twice is once."""
    closed = 0
    while chunk := _expire_chunk(now=now):
        closed += chunk
        if chunk < CHUNK:
            break
    return closed


@transaction.atomic
def _expire_chunk(*, now: datetime) -> int:
    due = list(
        Packet.objects.live()
        .filter(expires_at__lt=now - GRACE)
        .order_by("expires_at", "id")
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("patient__home_location")[:CHUNK]
    )
    sam = system.sam(now=now) if due else None
    by_when: dict[uuid.UUID, datetime] = {}
    for packet in due:
        patient, place = packet.patient, packet.patient.home_location
        packet.status, packet.settled_at = Status.EXPIRED, now
        packet.save(update_fields=["status", "settled_at"])
        audit.record(sam, audit.Verb.PACKET_EXPIRED, packet, now=now, location_id=place.pk)
        if not patient.gets_letters:
            continue
        if place.pk not in by_when:
            by_when[place.pk] = businessdays.end_of_next(location=place, now=now)
        worklist.open_item(
            by=sam, kind=WorkItem.Kind.PACKET_RAN_OUT, location=place, owner_role=Role.FRONT_DESK, subject_type="patient",
            subject_id=patient.pk, patient_id=patient.pk, due_at=by_when[place.pk], now=now,
        )  # fmt: skip
    return len(due)
