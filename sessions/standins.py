"""What becomes of the visits that need somebody who is away: read in a fixed number of queries, thought about in ``standin``."""

import itertools
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clinic.models import Device, Location, TimeOff, WorkItem
from patients.models import CareTeamMember
from sessions import availability, courserest, dosegate, standin, timetable
from sessions.actions import absences, recalls
from sessions.availability import Calendar, Obstacle, Opening, Span
from sessions.models import PREPARATIONS, TALKS, Appointment, Block, ResourceHold
from sessions.standin import Case, Place
from sessions.timetable import Choices

# Visits decided about at once; the rest follows once these are done.
MOST = 24
# Other times are looked for so many days around a visit. Nobody is asked to come within two hours, nor earlier than was agreed within a
# day: an escort, a fast and a day off are arranged around it.
DAYS_AROUND, NOTICE, NOTICE_EARLIER = 14, timedelta(hours=2), timedelta(hours=24)
# Of the nearest so many openings those that do not overlap are thought about: at least one more than there are visits to place.
OPENINGS_READ = 150
# Teams tried at a visit's own time.
MOST_TEAMS = 60
Status = Appointment.Status
NEEDING = (Status.REQUESTED, Status.HELD, Status.BOOKED, Status.CONFIRMED, Status.CHECKED_IN, Status.IN_PROGRESS)


@dataclass
class Line:
    """One visit that needs somebody else: where it could be, best first, which of these is proposed (None: call and decide), and
    what keeps each other person from taking over at its time."""

    visit: Appointment
    case: Case
    choices: Choices
    chosen: int | None = None
    why_not: list[tuple[uuid.UUID, Obstacle]] = field(default_factory=list)

    @property
    def is_held(self) -> bool:
        return not self.visit.can_be_moved


@dataclass(frozen=True)
class Proposal:
    """What has begun and is left alone, all the rest here, what is proposed of it, and how many more there are here and elsewhere."""

    begun: list[Appointment]
    waiting: list[Appointment]
    lines: list[Line]
    more: int
    elsewhere: int


def visits_needing(time_off: TimeOff) -> list[Appointment]:
    """Return the visits, not yet over, that need somebody while they are away, wherever, in order of time. Three queries at most."""
    parts = Block.objects.filter(
        person=time_off.user, starts_at__gte=time_off.starts_at - timetable.LONGEST_HOLD, starts_at__lt=time_off.ends_at,
        ends_at__gt=time_off.starts_at,
    )  # fmt: skip
    rows = Appointment.objects.filter(pk__in=parts.values("appointment_id"), status__in=NEEDING)
    visits = list(
        rows.select_related("patient", "visit_type", "clinician", "room", "location").order_by("starts_at", "id")
    )
    teams = recalls.teams_of(visits)
    return [one for one in visits if absences.seats_of(one, [who.pk for who in teams[one.pk]], time_off)]


def propose(time_off: TimeOff, location: Location, now: datetime) -> Proposal:
    """Return what is proposed for the visits here. A number of queries that grows with the kinds of visit alone."""
    found = [one for one in visits_needing(time_off) if one.ends_at > now]
    here = [one for one in found if one.location_id == location.pk]
    begun = [one for one in here if one.starts_at <= now or one.status in {Status.CHECKED_IN, Status.IN_PROGRESS}]
    waiting = [one for one in here if one not in begun]
    lines = _Planner(time_off, location, _first(waiting, time_off), now).lines() if waiting else []
    return Proposal(begun, waiting, lines, max(0, len(waiting) - MOST), len(found) - len(here))


def _first(waiting: list[Appointment], time_off: TimeOff) -> list[Appointment]:
    """Return the visits to decide about, in order of time: of too many first those nobody is asked to call about yet.

    What is called about stays undecided for days, and would keep the others from ever being shown.
    """
    if len(waiting) <= MOST:
        return waiting
    calls = WorkItem.objects.open().filter(
        kind=WorkItem.Kind.CALL_PATIENT, subject_id__in=[one.pk for one in waiting], created_at__gte=time_off.entered_at
    )
    called = set(calls.values_list("subject_id", flat=True))
    chosen = {one.pk for one in sorted(waiting, key=lambda one: one.pk in called)[:MOST]}
    return [one for one in waiting if one.pk in chosen]


class _Planner:
    """Reads once what all the visits could have, and lays it out."""

    def __init__(self, time_off: TimeOff, location: Location, visits: list[Appointment], now: datetime) -> None:
        self.time_off, self.location, self.visits, self.now = time_off, location, visits, now
        kinds = {one.visit_type_id: one.visit_type for one in visits}
        self.choices = {pk: timetable.choices(location, kind) for pk, kind in kinds.items()}
        self.teams = {pk: tuple(who.pk for who in team) for pk, team in recalls.teams_of(visits).items()}
        self.devices = _devices_of(visits)
        people = {who for one in self.choices.values() for who in one.everybody}
        people |= {who for team in self.teams.values() for who in team}
        resources = {pk for one in self.choices.values() for pk in one.resources} | people
        resources |= {one.room_id for one in visits if one.room_id} | {
            pk for own in self.devices.values() for pk in own
        }
        resources |= {one.patient_id for one in visits}
        start = now - timedelta(days=1)
        end = max(one.ends_at for one in visits) + timedelta(days=DAYS_AROUND + 2)
        taken = timetable.held(resources, start, end, visits)
        self.calendar = timetable.read(location, people=people, taken=taken, start=start, end=end)
        patients = {one.patient_id for one in visits}
        self.hours = _Hours(patients, {one.pk for one in visits}, location, now)
        self.known: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
        for patient, who in (
            CareTeamMember.objects.live().filter(patient__in=patients).values_list("patient_id", "user_id")
        ):
            self.known[patient].add(who)

    def lines(self) -> list[Line]:
        lines = [self._line(visit) for visit in self.visits]
        for line in lines:
            if not line.is_held:
                self._fill(line, lines)
        chosen = standin.settle(self.calendar, [line.case for line in lines], fits=self.hours.fits)
        for line, at in zip(lines, chosen, strict=True):
            line.chosen = at
        return lines

    def _line(self, visit: Appointment) -> Line:
        at = Place(visit.starts_at, self.teams[visit.pk], visit.room_id, self.devices[visit.pk])
        case = Case(visit.pk, visit.patient_id, timetable.need_of(visit.visit_type), at)
        return Line(visit, case, self.choices[visit.visit_type_id])

    def _fill(self, line: Line, lines: list[Line]) -> None:
        """Find the places of one line. What visits of other patients hold stays theirs, so that each line can be taken alone."""
        calendar = self.calendar
        for other in lines:
            if other.case.patient != line.case.patient:
                calendar = standin.put(calendar, other.case.need, other.case.patient, other.case.now_at) or calendar
        places = self._same_time(line, calendar)
        at_once = sum(
            one.visit.starts_at < line.visit.ends_at and line.visit.starts_at < one.visit.ends_at for one in lines
        )
        if len(places) < at_once:
            places += self._other_times(line, calendar, len(lines) + 2)
        line.case = Case(line.case.key, line.case.patient, line.case.need, line.case.now_at, tuple(places))

    def _same_time(self, line: Line, calendar: Calendar) -> list[Place]:
        """Return the visit with somebody else in the seats of who is away: one person in all of them first, then whom the patient knows."""
        visit, at, need = line.visit, line.case.now_at, line.case.need
        seats = absences.seats_of(visit, at.people, self.time_off)
        able = [line.choices.clinicians, *line.choices.others]
        away = self.time_off.user_id
        teams = [list(team) for team in itertools.islice(itertools.product(*([who for who in able[n] if who != away] for n in seats)), MOST_TEAMS)]  # fmt: skip
        known = self.known[visit.patient_id]
        teams.sort(key=lambda team: (len(set(team)), -sum(who in known for who in team)))
        found = []
        hindered: dict[uuid.UUID, Obstacle] = {}
        for team in teams:
            people = list(at.people)
            for seat, who in zip(seats, team, strict=True):
                people[seat] = who
            if not all(need.can_be_one([n for n, one in enumerate(people[:m]) if one == who], m) for m, who in enumerate(people)):  # fmt: skip
                continue
            hitch = availability.hitch(
                calendar, need, starts_at=visit.starts_at, clinician=people[0], others=people[1:], room=at.room,
                devices=at.devices, patient=visit.patient_id, now=self.now,
            )  # fmt: skip
            if hitch is None:
                found.append(Place(visit.starts_at, tuple(people), at.room, at.devices))
            elif hitch[1] in team:
                hindered.setdefault(hitch[1], hitch[0])
        line.why_not = list(hindered.items())
        return found

    def _other_times(self, line: Line, calendar: Calendar, most: int) -> list[Place]:
        visit, choices = line.visit, line.choices

        def suits(opening: Opening) -> bool:
            starts_at = opening.starts_at
            if starts_at == visit.starts_at or (starts_at < visit.starts_at and starts_at < self.now + NOTICE_EARLIER):
                return False
            return self.hours.fits(visit.patient_id, {visit.pk: starts_at})

        known = self.known[visit.patient_id]
        found = availability.open_near(
            calendar, line.case.need, wanted=visit.starts_at, clinician=visit.clinician_id,
            clinicians=sorted(choices.clinicians, key=lambda who: who not in known), others=choices.others,
            devices=choices.kits, rooms=_own_first(choices.rooms, visit.room_id), patient=visit.patient_id,
            within_days=DAYS_AROUND, now=self.now + NOTICE, count=OPENINGS_READ, suits=suits,
        )  # fmt: skip
        chosen: list[Opening] = []
        for one in sorted(found, key=lambda one: abs(one.starts_at - visit.starts_at)):
            if all(abs(one.starts_at - other.starts_at) >= line.case.need.duration for other in chosen):
                chosen.append(one)
        return [
            Place(one.starts_at, (one.clinician_id, *one.others), one.room_id, one.devices) for one in chosen[:most]
        ]


def _own_first(rooms: Mapping[uuid.UUID, object], own: uuid.UUID | None) -> list[uuid.UUID]:
    return sorted(rooms, key=lambda room: room != own)


def _devices_of(visits: list[Appointment]) -> dict[uuid.UUID, tuple[uuid.UUID, ...]]:
    """Return the devices of each visit in the order of its kind's equipment. At most two queries."""
    with_devices = [one.pk for one in visits if one.visit_type.shape.equipment]
    held: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    rows = ResourceHold.objects.filter(appointment__in=with_devices, kind=ResourceHold.Kind.DEVICE, is_live=True)
    for pk, device in rows.values_list("appointment_id", "resource_id"):
        held[pk].append(device)
    kinds = dict(Device.objects.filter(pk__in=[d for own in held.values() for d in own]).values_list("pk", "kind"))
    found: dict[uuid.UUID, tuple[uuid.UUID, ...]] = {}
    for visit in visits:
        left, own = list(held[visit.pk]), []
        for one in visit.visit_type.shape.equipment:
            match = next((device for device in left if kinds.get(device) == one.kind), None)
            if match is not None:
                left.remove(match)
                own.append(match)
        found[visit.pk] = tuple(own)
    return found


class _Hours:
    """The doses and talks of some patients: whether others of them may be at other times. One query."""

    def __init__(self, patients: set[uuid.UUID], waiting: set[uuid.UUID], location: Location, now: datetime) -> None:
        self.tz, self.least, self.waiting = location.tz, dosegate.days_between(now), waiting
        self.doses: dict[uuid.UUID, dict[uuid.UUID, Span]] = defaultdict(dict)
        self.talks: dict[uuid.UUID, dict[uuid.UUID, Span]] = defaultdict(dict)
        # When doses and preparations begin, whose order stays.
        self.steps: dict[uuid.UUID, dict[uuid.UUID, datetime]] = defaultdict(dict)
        rows = Appointment.objects.live().filter(patient__in=patients)
        for pk, patient, start, end, is_dose, code in rows.values_list(
            "pk", "patient_id", "starts_at", "ends_at", "visit_type__is_dosing", "visit_type__code"
        ):
            if is_dose or code in TALKS:
                (self.doses if is_dose else self.talks)[patient][pk] = (start, end)
            if is_dose or code in PREPARATIONS:
                self.steps[patient][pk] = start
        self.pairs = {patient: standin.pairs(self.doses[patient], self.talks[patient]) for patient in list(self.doses)}

    def fits(self, patient: uuid.UUID, times: Mapping[uuid.UUID, datetime]) -> bool:
        """Return whether a patient's doses keep their distance and order and their talks their hours, with some visits at these times.

        Of the visits that wait for a place those without a time are not asked about.
        """

        def span(key: uuid.UUID, own: Mapping[uuid.UUID, Span]) -> Span | None:
            if key in times:
                return times[key], times[key] + (own[key][1] - own[key][0])
            return None if key in self.waiting else own[key]

        steps = self.steps[patient]
        known = {key: times.get(key, at) for key, at in steps.items() if key in times or key not in self.waiting}
        if not standin.is_in_order(steps, known, self.doses[patient]):
            return False
        doses, talks = self.doses[patient], self.talks[patient]
        for key in times.keys() & doses.keys():
            if times[key] == doses[key][0]:
                continue
            others = [found for other in doses if other != key and (found := span(other, doses))]
            if not all(dosegate.is_far_enough(times[key], other[0], self.tz, self.least) for other in others):
                return False
        for dose, talk in self.pairs.get(patient, ()):
            placed, after = span(dose, doses), span(talk, talks)
            if placed and after and not courserest.is_within(placed, after):
                return False
        return True
