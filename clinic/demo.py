"""(Roof) The demo clinic, told by calling actions in order, as if half a year of working days had gone by.

``tell(now)`` fills an empty database: the whole cast of docs/architecture.md, both sites, a hundred and sixty patients in
every state of care, six months behind and six weeks ahead of ``now``, enquiries of every age, a letter nobody knows the
outcome of, a change request that had to be refused. The same moment always tells the same story. The clinic is open
every day of the week, so that whoever looks on a Sunday sees a working day.
"""

import heapq
import itertools
import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.db import connection

from clinic import channels, demo_intake, keyring, localtime
from clinic.actions import founding, hours, outbox, people, places, system, worklist
from clinic.actions.founding import Founder, Site
from clinic.errors import Refused
from clinic.letters import Rendered
from clinic.models import (
    LICENSED,
    Category,
    Channel,
    Device,
    Licence,
    Location,
    OutboundMessage,
    Role,
    Room,
    TimeOff,
    User,
    WorkItem,
)
from patients.actions import careteams, contacts, patients, portal, preferences, referrals
from patients.actions.contacts import Details
from patients.actions.patients import Identity
from patients.actions.preferences import Answer
from patients.models import Contact, ContactPreference, LifeState, Patient, Referral
from sessions import visitkinds
from sessions.actions import attendance, changes, reminderplans, reminders, visits, visittypes, wishes
from sessions.models import Appointment, ChangeRequest, VisitType

DENVER, PHOENIX = "Denver", "Phoenix"
BEHIND, AHEAD = timedelta(days=182), timedelta(days=42)
# Who came in that time, beside those with a name in the cast.
PEOPLE = 156
LETTERS_SINCE = timedelta(days=21)
EVERY_DAY = tuple(range(7))
Flags = dict[str, bool]

SITES = (
    Site("Denver", "Juniper Street", "America/Denver", "CO", "12 Juniper Street", "Denver", "80203", "(303) 555-0100", time(7), time(19), EVERY_DAY),
    Site("Phoenix", "Juniper Street", "America/Phoenix", "AZ", "7 Saguaro Way", "Phoenix", "85004", "(602) 555-0100", time(7), time(19), EVERY_DAY),
)  # fmt: skip

# Name, what the sign-in page says they do, and their roles.
CAST: tuple[tuple[str, str, list[tuple[str, Role, Flags]]], ...] = (
    ("Ada Abara", "runs the clinic in Denver, helps at the desk in Phoenix", [(DENVER, Role.MANAGER, {}), (PHOENIX, Role.FRONT_DESK, {})]),
    ("Frida Flores", "books, answers and checks people in", [(DENVER, Role.FRONT_DESK, {})]),
    ("Felix Fournier", "books, answers and checks people in", [(DENVER, Role.FRONT_DESK, {})]),
    ("Dana Deng", "prescribes, and answers for the limits", [(DENVER, Role.PRESCRIBER, {"is_medical_director": True, "can_dispense": True})]),
    ("Theo Thorne", "therapist, supervises Tara", [(DENVER, Role.THERAPIST, {})]),
    ("Tess Tanaka", "therapist", [(DENVER, Role.THERAPIST, {})]),
    ("Tara Todd", "therapist in training", [(DENVER, Role.THERAPIST, {"is_trainee": True})]),
    ("Nina Novak", "nurse, leads the pharmacy", [(DENVER, Role.NURSE, {"can_dispense": True, "is_pharmacy_lead": True})]),
    ("Nils Nyberg", "nurse", [(DENVER, Role.NURSE, {"can_dispense": True})]),
    ("Milo Marsh", "watches over people after a dose", [(DENVER, Role.MONITOR, {})]),
    ("Petra Petrov", "sees to it that records are opened for a reason", [(DENVER, Role.PRIVACY_OFFICER, {}), (PHOENIX, Role.PRIVACY_OFFICER, {})]),
    ("Omar Osei", "prescribes in Phoenix", [(PHOENIX, Role.PRESCRIBER, {"is_medical_director": True})]),
    ("Olga Ortiz", "books, answers and checks people in, in Phoenix", [(PHOENIX, Role.FRONT_DESK, {}), (PHOENIX, Role.MANAGER, {})]),
    ("Iris Ito", "nurse in Phoenix", [(PHOENIX, Role.NURSE, {})]),
)  # fmt: skip

GIVEN = [
    "Amara",
    "Beatriz",
    "Caleb",
    "Delphine",
    "Emeka",
    "Farah",
    "Giulia",
    "Hiroshi",
    "Imani",
    "Jonas",
    "Katya",
    "Lior",
    "Mireille",
    "Nadia",
    "Oskar",
    "Priya",
    "Quentin",
    "Rafael",
    "Saoirse",
    "Tomas",
    "Ulrike",
    "Viktor",
    "Wren",
    "Ximena",
    "Yusuf",
    "Zofia",
    "Anders",
    "Blessing",
    "Cormac",
    "Dalia",
    "Elif",
    "Fynn",
    "Greta",
    "Hana",
    "Ines",
    "Jamal",
    "Kofi",
    "Lena",
]
FAMILY = [
    "Abernathy",
    "Bianchi",
    "Castellanos",
    "Dubois",
    "Eriksen",
    "Fontaine",
    "Grimaldi",
    "Haddad",
    "Ivanova",
    "Jovanovic",
    "Kowalski",
    "Lindqvist",
    "Mbeki",
    "Nakamura",
    "O'Sullivan",
    "Petersen",
    "Quispe",
    "Rahman",
    "Santos",
    "Takahashi",
    "Ueda",
    "Vasquez",
    "Whitfield",
    "Xiong",
    "Yilmaz",
    "Zhang",
    "Adeyemi",
    "Brennan",
    "Chaudhry",
]
MESSAGES = (
    "I read your page and would like to know whether this could be something for me.",
    "My doctor mentioned you. I am free on weekday mornings.",
    "Nothing has really helped so far. I would like to talk to somebody.",
    "Could you tell me how long I would have to wait?",
    "I am asking for my sister, she would come herself.",
)


@dataclass(order=True)
class _Moment:
    at: datetime
    order: int
    act: Callable[[datetime], object] = field(compare=False)


class Story:
    """Half a year, one moment after another: what is planned for later is told when its time has come."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.begins = now - BEHIND
        self.dice = random.Random(7)
        self.numbers = itertools.count()
        self.coming: list[_Moment] = []
        self.people: dict[str, User] = {}
        self.places: dict[str, Location] = {}
        self.rooms: dict[str, list[Room]] = {}
        self.types: dict[str, VisitType] = {}
        # What the clerks see at a glance: who works on which weekdays, and which starts of whom or what are taken.
        # Starts lie so far apart that no visit reaches into the next one.
        self.weekdays: dict[uuid.UUID, tuple[int, ...]] = {}
        self.taken: set[tuple[datetime, uuid.UUID]] = set()

    def later(self, at: datetime, act: Callable[[datetime], object]) -> None:
        """Remember an act for its moment; what lies after ``now`` has not happened yet."""
        if at <= self.now:
            heapq.heappush(self.coming, _Moment(at, next(self.numbers), act))

    def tell(self) -> None:
        """Tell everything up to ``now``."""
        while self.coming:
            moment = heapq.heappop(self.coming)
            moment.act(moment.at)

    def join(self, patient: Patient, at: datetime) -> None:
        """Let a patient accept an invitation to the portal."""
        _join(self, patient, at)

    def a_key(self) -> uuid.UUID:
        return uuid.UUID(int=self.dice.getrandbits(128), version=4)


def tell(now: datetime, *, people: int = PEOPLE) -> None:
    """Fill the empty database with the demo clinic as it is at ``now``. Refuses when there is a clinic already.

    With fewer ``people`` the same things happen to fewer.
    """
    with connection.cursor() as cursor:
        # If the machine falls over now, the demo is simply told again.
        cursor.execute("SET synchronous_commit TO off")
        # Every row is asked for by its id, so the order of joins is not worth thinking about for longer than it takes.
        cursor.execute("SET join_collapse_limit TO 1")
    story = Story(now)
    _found(story)
    _stream_of_patients(story, people)
    _the_four(story)
    _busy_weeks(story)
    _enquiries(story)
    _keep_up(story)
    _post(story)
    demo_intake.tell(story)
    story.tell()
    _what_went_wrong(story)


def who_can_sign_in() -> list[tuple[str, str, str]]:
    """Return (name, what they do, address) of everybody the demo lets one sign in as, staff first."""
    does = {f"{name.split()[0].lower()}@juniper.example": words for name, words, _roles in CAST}
    staff = User.objects.staff().filter(is_active=True).values_list("email", "name")
    known = dict(staff)
    rows = [(known[email], words, email) for email, words in does.items() if email in known]
    named = [f"{name}@post.example" for name in ("pat", "quinn", "sol")]
    portal = User.objects.filter(kind=User.Kind.PATIENT, is_active=True, email__in=named).order_by("name")
    return rows + [(user.name, "patient", user.email) for user in portal]


def _found(story: Story) -> None:
    at = story.begins - timedelta(days=60)
    founders = [
        Founder(
            name,
            f"{name.split()[0].lower()}@juniper.example",
            roles,
            phone=f"+13035550{200 + number}",
            supervisor="theo@juniper.example",
        )
        for number, (name, _words, roles) in enumerate(CAST)
    ]
    for place in founding.found(sites=SITES, founders=founders, now=at):
        story.places[place.name] = place
    story.people = {user.name.split()[0].lower(): user for user in User.objects.staff()}
    story.people["sam"] = system.sam(now=at)
    managers = {DENVER: story.people["ada"], PHOENIX: story.people["olga"]}
    for site, names in {DENVER: ("Aspen", "Birch", "Willow"), PHOENIX: ("Cedar", "Palo Verde", "Mesquite")}.items():
        kinds = (Room.Kind.CONSULTING, Room.Kind.CONSULTING, Room.Kind.DOSING)
        story.rooms[site] = [
            places.add_room(by=managers[site], location=story.places[site], name=name, kind=kind, now=at)
            for name, kind in zip(names, kinds, strict=True)
        ]
        for number in (1, 2):
            places.add_equipment(
                by=managers[site], location=story.places[site], name=f"Monitor {number}", kind=Device.Kind.VITALS_MONITOR,
                now=at,
            )  # fmt: skip
    _licences(story, managers, at)
    _working_hours(story, managers, at)
    _visit_types(story, at)


def _licences(story: Story, managers: dict[str, User], at: datetime) -> None:
    """Everybody who may practise alone has a licence of the state they work in, and prescribers a DEA registration."""
    for number, (name, _words, roles) in enumerate(CAST):
        for site, role, flags in roles:
            if role not in LICENSED or flags.get("is_trainee"):
                continue
            kinds = Licence.Kind if role == Role.PRESCRIBER else [Licence.Kind.PROFESSIONAL]
            for kind in kinds:
                people.record_licence(
                    by=managers[site], person=story.people[name.split()[0].lower()], kind=kind, now=at,
                    number=f"{story.places[site].state}-{kind[:3].upper()}-{4100 + 37 * number}",
                    state=story.places[site].state, expires_on=(story.now + timedelta(days=200 + 60 * number)).date(),
                )  # fmt: skip


def _working_hours(story: Story, managers: dict[str, User], at: datetime) -> None:
    """Everybody works five days in a row that begin on different ones, so that every day is covered."""
    for number, (name, _words, roles) in enumerate(CAST):
        user = story.people[name.split()[0].lower()]
        for site, role, _flags in roles:
            if not role.is_clinician:
                continue
            # The only prescriber of a site works all days; a demo without intakes would be a dull one.
            days = EVERY_DAY if role == Role.PRESCRIBER else tuple((number + shift) % 7 for shift in range(5))
            story.weekdays[user.pk] = days
            hours.set_working_hours(
                by=managers[site],
                location=story.places[site],
                user=user,
                rows=[
                    hours.Stretch(weekday=day, starts=starts, ends=ends)
                    for day in sorted(days)
                    for starts, ends in ((time(8), time(12, 30)), (time(13), time(18)))
                ],
                valid_from=localtime.day_of(at, story.places[site].tz),
                now=at,
            )
    off = story.now + timedelta(days=16)
    hours.enter_time_off(
        by=managers[DENVER], location=story.places[DENVER], user=story.people["tess"], first=off.date(),
        last=(off + timedelta(days=4)).date(), reason=TimeOff.Reason.HOLIDAY, now=story.begins,
    )  # fmt: skip


def _visit_types(story: Story, at: datetime) -> None:
    for row in visitkinds.FIRST_KINDS:
        story.types[row["code"]] = visittypes.publish(by=story.people["dana"], now=at, **row)
    # The clinic wrote by hand until some weeks ago; half a year of letters would take longer to tell than to read.
    story.later(story.now - LETTERS_SINCE, lambda then: _begin_letters(story, then))


def _begin_letters(story: Story, at: datetime) -> None:
    for code in story.types:
        reminderplans.publish(by=story.people["ada"], visit_type_code=code, lines=reminderplans.FIRST_LINES, now=at)


def _book(
    story: Story, patient: Patient, code: str, day: date, now: datetime, referral: Referral | None = None
) -> Appointment | None:
    """Book the first visit of a kind that fits on or after a day, looking at the plan first as a clerk would."""
    place = next(place for place in story.places.values() if place.pk == patient.home_location_id)
    visit_type = story.types[code]
    team = [story.people[name.split()[0].lower()] for name, _words, roles in CAST if any(
        site == place.name and role == visit_type.role for site, role, _flags in roles)]  # fmt: skip
    rooms = [room for room in story.rooms[place.name] if room.kind == visit_type.room_kind]
    by = story.people["frida" if place.name == DENVER else "olga"]
    hours_of_day = [time(8), time(9, 30), time(11), time(13), time(14, 30), time(16)]
    story.dice.shuffle(hours_of_day)
    for on, clock_time in itertools.product((day + timedelta(days=shift) for shift in range(6)), hours_of_day):
        starts_at = localtime.at(on, clock_time, place.tz)
        at_work = [who for who in team if on.weekday() in story.weekdays[who.pk]]
        free = [who for who in at_work if (starts_at, who.pk) not in story.taken]
        empty = [room for room in rooms if (starts_at, room.pk) not in story.taken]
        if starts_at < now or not free or not empty or (starts_at, patient.pk) in story.taken:
            continue
        who = story.dice.choice(free)
        try:
            visit = visits.book_intake(
                by=by, referral=referral, patient=patient, clinician=who, room=empty[0], starts_at=starts_at,
                location=place, visit_type=visit_type, now=now,
            )  # fmt: skip
        except Refused:
            # Away, or something else that is not on the plan.
            continue
        story.taken |= {(starts_at, who.pk), (starts_at, empty[0].pk), (starts_at, patient.pk)}
        return visit
    return None


def _happen(story: Story, visit: Appointment, *, then: Callable[[datetime], None] | None = None) -> None:
    """Plan what becomes of a visit on its day: most come, some cancel, a few do not turn up."""
    place = visit.location
    desk = story.people["felix" if place.name == DENVER else "olga"]
    fate = story.dice.randrange(100)
    if fate < 7:
        story.later(
            visit.starts_at - timedelta(hours=story.dice.randrange(4, 90)), lambda at: _cancel(story, visit, desk, at)
        )
        return
    if fate < 11:
        story.later(
            visit.starts_at + timedelta(minutes=25),
            lambda at: _try(attendance.mark_no_show, by=desk, appointment=visit, now=at),
        )
        return
    if fate < 60:
        story.later(visit.starts_at - timedelta(hours=20), lambda at: _confirm(visit, desk, at))
    arrives = visit.starts_at - timedelta(minutes=story.dice.randrange(1, 14))
    story.later(arrives, lambda at: _try(attendance.check_in, by=desk, appointment=visit, now=at))
    clinician = visit.clinician
    began = visit.starts_at + timedelta(minutes=story.dice.randrange(0, 6))
    story.later(began, lambda at: _try(attendance.start, by=clinician, appointment=visit, now=at))
    story.later(visit.ends_at, lambda at: _try(attendance.finish, by=clinician, appointment=visit, now=at))
    if then is not None:
        story.later(visit.ends_at + timedelta(minutes=20), then)


def _try(act: Callable[..., object], **arguments: object) -> None:
    """Do what the day brought; when the visit was moved or cancelled meanwhile there is nothing to do."""
    try:
        act(**arguments)
    except Refused:
        return


def _confirm(visit: Appointment, desk: User, at: datetime) -> None:
    visit.refresh_from_db(fields=["version"])
    _try(attendance.confirm, by=desk, appointment=visit, seen_version=visit.version, now=at)


def _cancel(story: Story, visit: Appointment, desk: User, at: datetime) -> None:
    visit.refresh_from_db(fields=["version"])
    reasons = (Appointment.CancelReason.ILLNESS, Appointment.CancelReason.WORK, Appointment.CancelReason.TRANSPORT)
    _try(
        changes.cancel, by=desk, appointment=visit, cancelled_by=Appointment.CancelledBy.PATIENT,
        reason=story.dice.choice(reasons), note="", seen_version=visit.version, now=at,
    )  # fmt: skip


def _identity(story: Story, number: int, given: str = "", family: str = "") -> Identity:
    given = given or GIVEN[number % len(GIVEN)]
    family = family or FAMILY[(number * 7 + number // len(GIVEN)) % len(FAMILY)]
    dice = story.dice
    return Identity(
        given_name=given,
        family_name=family,
        birth_date=date(dice.randrange(1950, 2005), dice.randrange(1, 13), dice.randrange(1, 29)),
        email="" if number % 17 == 0 else f"{given}.{family}.{number}@post.example".lower().replace("'", ""),
        phone=f"+1303555{1000 + number:04d}",
        chosen_name={5: "Kit", 23: "Max", 40: "Ash"}.get(number % 50, ""),
        pronouns={5: "they/them", 9: "she/her", 14: "he/him"}.get(number % 20, ""),
        street=f"{100 + number} Larkspur Lane",
        city="Denver",
        state="CO",
        postcode="80205",
        # Some were asked, some were not yet.
        language="es" if number % 41 == 0 else "en" if number % 3 else "",
        needs_interpreter=True if number % 41 == 0 else False if number % 3 else None,
        access_needs="Uses a wheelchair: step-free room" if number % 37 == 0 else "",
    )


def _register(story: Story, identity: Identity, site: str, at: datetime, referral: Referral | None = None) -> Patient:
    desk = story.people["frida" if site == DENVER else "olga"]
    return patients.register(
        by=desk, entry_key=story.a_key(), location=story.places[site], identity=identity, referral=referral,
        email_consent=ContactPreference.Evidence.ASKED_BY_PHONE if identity.email else None, is_surely_new=True, now=at,
    )  # fmt: skip


def _stream_of_patients(story: Story, people: int) -> None:
    """A new person every day or so: an enquiry, a registration, an intake, then a course of visits."""
    for number in range(1, people + 1):
        came = story.begins + BEHIND * (number / (people + 4))
        came = came.replace(hour=16, minute=number % 60)
        site = PHOENIX if number % 10 in {3, 6, 9} else DENVER
        story.later(came, lambda at, n=number, s=site: _one_patient(story, n, s, at))  # type: ignore[misc]  # bound now, not when it is called


def _one_patient(story: Story, number: int, site: str, at: datetime) -> None:
    desk = story.people["frida" if site == DENVER else "olga"]
    identity = _identity(story, number)
    referral = referrals.enter(
        by=desk, location=story.places[site], entry_key=story.a_key(), source=Referral.Source.PHONE,
        given_name=identity.given_name, family_name=identity.family_name, email=identity.email, phone=identity.phone,
        reach_by=Referral.Reach.PHONE, message=story.dice.choice(MESSAGES), agrees_to_email=bool(identity.email), now=at,
    )  # fmt: skip
    decided = at + timedelta(hours=story.dice.randrange(2, 30))

    def accept(then: datetime) -> None:
        referrals.accept(by=desk, referral=referral, now=then)
        patient = _register(story, identity, site, then, referral)
        if number % 3 == 0:
            _add_escort(story, patient, desk, then)
        day = localtime.day_of(then, story.places[site].tz) + timedelta(days=story.dice.randrange(4, 13))
        visit = _book(story, patient, "intake", day, then, referral)
        if visit is not None:
            _happen(story, visit, then=lambda later: _after_intake(story, patient, visit, number, later))

    story.later(decided, accept)


def _add_escort(story: Story, patient: Patient, desk: User, at: datetime) -> None:
    contacts.add(
        by=desk, patient=patient, now=at,
        details=Details(
            kind=Contact.Kind.BOTH, name=f"{story.dice.choice(GIVEN)} {patient.family_name}", relationship="partner",
            phone="+13035550144",
        ),
    )  # fmt: skip


def _after_intake(story: Story, patient: Patient, intake: Appointment, number: int, at: datetime) -> None:
    """Care begins, or it does not; then a visit every week or two until it ends."""
    desk = story.people["frida" if patient.home_location.name == DENVER else "olga"]
    if number % 11 == 0:
        patients.change_life_state(by=desk, patient=patient, to=LifeState.DISCHARGED, now=at)
        return
    patients.change_life_state(by=desk, patient=patient, to=LifeState.ACTIVE, now=at)
    careteams.add(by=intake.clinician, patient=patient, user=intake.clinician, now=at)
    wanted = 1 + number % 3
    _next_visit(story, patient, wanted, number, at)
    end = at + timedelta(days=45 + number % 60)
    if number % 8 == 0:
        story.later(end, lambda later: _change_state(story, patient, LifeState.PAUSED, desk, later))
    elif number % 7 == 0:
        story.later(end, lambda later: _change_state(story, patient, LifeState.DISCHARGED, desk, later))
    elif number == 29:
        story.later(end, lambda later: _change_state(story, patient, LifeState.DECEASED, desk, later))


def _change_state(story: Story, patient: Patient, to: LifeState, desk: User, at: datetime) -> None:
    _try(patients.change_life_state, by=desk, patient=patient, to=to, now=at)


def _next_visit(story: Story, patient: Patient, left: int, number: int, at: datetime) -> None:
    if left == 0:
        return
    code = (
        ("follow_up", "preparation", "integration")[left % 3] if patient.home_location.name == DENVER else "follow_up"
    )
    day = localtime.day_of(at, patient.home_location.tz) + timedelta(days=7 + (number * left) % 15)
    visit = _book(story, patient, code, day, at)
    if visit is not None:
        _happen(story, visit, then=lambda later: _next_visit(story, patient, left - 1, number, later))


def _the_four(story: Story) -> None:
    """Pat, mid-course and on the portal; Quinn, not started; Sol in Phoenix; Rosa, who has just asked."""
    now = story.now

    def pat(at: datetime) -> None:
        identity = Identity(
            "Pat", "Moreau", date(1984, 5, 17), "pat@post.example", "+13035550111", pronouns="they/them",
            street="48 Alder Court", city="Denver", state="CO", postcode="80206", time_zone="America/Denver",
        )  # fmt: skip
        patient = _register(story, identity, DENVER, at)
        _add_escort(story, patient, story.people["frida"], at)
        for name, leads in (("theo", True), ("dana", False), ("nina", False)):
            member = careteams.add(by=story.people["ada"], patient=patient, user=story.people[name], now=at)
            if leads:
                careteams.set_lead(by=story.people["ada"], member=member, now=at)
        _join(story, patient, at)
        visit = _book(story, patient, "intake", at.date() + timedelta(days=5), at)
        if visit is not None:
            story.later(
                visit.ends_at, lambda then: _change_state(story, patient, LifeState.ACTIVE, story.people["frida"], then)
            )
            _walk_in(story, visit)
        story.later(at + timedelta(days=14), lambda then: _upcoming(story, patient, then))

    def quinn(at: datetime) -> None:
        identity = Identity(
            "Quinn", "Abbott", date(1991, 11, 2), "quinn@post.example", "+13035550122", city="Denver", state="CO"
        )
        patient = _register(story, identity, DENVER, at)
        careteams.add(by=story.people["dana"], patient=patient, user=story.people["dana"], now=at)
        _join(story, patient, at)
        visit = _book(story, patient, "intake", at.date() + timedelta(days=4), at)
        if visit is not None:
            _walk_in(story, visit)
            story.later(
                visit.ends_at, lambda then: _change_state(story, patient, LifeState.ACTIVE, story.people["frida"], then)
            )

    def sol(at: datetime) -> None:
        identity = Identity(
            "Sol",
            "Serrano",
            date(1975, 8, 30),
            "sol@post.example",
            "+16025550133",
            time_zone="America/Phoenix",
            city="Phoenix",
            state="AZ",
        )
        patient = _register(story, identity, PHOENIX, at)
        careteams.add(by=story.people["omar"], patient=patient, user=story.people["omar"], now=at)
        _join(story, patient, at)
        _book(story, patient, "follow_up", story.now.date() + timedelta(days=6), at)

    def rosa(at: datetime) -> None:
        referrals.receive(
            location=story.places[DENVER], entry_key=story.a_key(), given_name="Rosa", family_name="Vega",
            email="rosa@post.example", phone="+13035550188", reach_by=Referral.Reach.EMAIL,
            message="A friend told me about you. I would like to find out whether this is for me. Mornings are best.",
            agrees_to_email=True, address="203.0.113.7", now=at,
        )  # fmt: skip

    story.later(now - timedelta(days=66), pat)
    story.later(now - timedelta(days=21), quinn)
    story.later(now - timedelta(days=18), sol)
    story.later(now - timedelta(hours=3), rosa)


def _join(story: Story, patient: Patient, at: datetime) -> None:
    """Invite to the portal and walk in with the link, as the patient would."""
    desk = story.people["frida" if patient.home_location.name == DENVER else "olga"]
    invitation = portal.invite_to_portal(by=desk, patient=patient, now=at)
    letter = OutboundMessage.objects.get(subject_id=invitation.pk)
    token = json.loads(keyring.unseal(letter.secret))["token"]
    portal.join_portal(token=token, birth_date=patient.birth_date, address="203.0.113.9", now=at + timedelta(hours=1))


def _busy_weeks(story: Story) -> None:
    """The days around now are full, as a clinic's are; the weeks after that fill up more slowly, up to six ahead."""
    for shift in [*range(-4, 15), *range(16, AHEAD.days, 3)]:
        day = story.now + timedelta(days=shift)
        booked = min(day - timedelta(days=9), story.now - timedelta(hours=1)) + timedelta(minutes=shift + 5)
        story.later(booked, lambda at, d=day: _fill(story, d, at))  # type: ignore[misc]  # bound now, not when it is called


def _fill(story: Story, day: datetime, at: datetime) -> None:
    for site, most in {DENVER: 8, PHOENIX: 3}.items():
        place = story.places[site]
        known = Patient.objects.filter(home_location=place, life_state=LifeState.ACTIVE, portal_user=None)
        known = known.select_related("home_location").order_by("mrn")
        for number, patient in enumerate(story.dice.sample(list(known), min(most, known.count()))):
            code = ("follow_up", "integration", "preparation")[number % 3] if site == DENVER else "follow_up"
            visit = _book(story, patient, code, localtime.day_of(day, place.tz), at)
            if visit is not None:
                _happen(story, visit)


def _walk_in(story: Story, visit: Appointment) -> None:
    """Come, be seen, go: nothing happens on the way."""
    desk = story.people["felix"]
    story.later(
        visit.starts_at - timedelta(minutes=6), lambda at: _try(attendance.check_in, by=desk, appointment=visit, now=at)
    )
    story.later(
        visit.starts_at + timedelta(minutes=2),
        lambda at: _try(attendance.start, by=visit.clinician, appointment=visit, now=at),
    )
    story.later(visit.ends_at, lambda at: _try(attendance.finish, by=visit.clinician, appointment=visit, now=at))


def _upcoming(story: Story, patient: Patient, at: datetime) -> None:
    for code, days in (("follow_up", 3), ("integration", 9), ("integration", 23)):
        _book(story, patient, code, story.now.date() + timedelta(days=days), at)


def _enquiries(story: Story) -> None:
    """New ones of every age, one of them from somebody we know; some declined, some waiting to be booked."""
    ages = (0.2, 0.7, 1.5, 5, 20, 27, 49, 75, 120, 200)
    for number, hours_ago in enumerate(ages):
        story.later(story.now - timedelta(hours=hours_ago), lambda at, n=number: _enquire(story, 300 + n, at, None))  # type: ignore[misc]  # bound now, not when it is called
    for number in range(9):
        at = story.now - timedelta(days=4 + number * 6)
        reason = list(Referral.DeclineReason)[number % len(Referral.DeclineReason)]
        story.later(at, lambda then, n=number, r=reason: _enquire(story, 400 + n, then, r))  # type: ignore[misc]  # bound now, not when it is called

    def somebody_known(at: datetime) -> None:
        referrals.receive(
            location=story.places[DENVER], entry_key=story.a_key(), given_name="Patrice", family_name="Moreau",
            email="pat@post.example", phone="", reach_by=Referral.Reach.EMAIL,
            message="I am with you already and would like to change something about my visits.", agrees_to_email=True,
            address="203.0.113.12", now=at,
        )  # fmt: skip

    story.later(story.now - timedelta(hours=30), somebody_known)


def _enquire(story: Story, number: int, at: datetime, declined: Referral.DeclineReason | None) -> None:
    identity = _identity(story, number)
    site = PHOENIX if number % 4 == 0 else DENVER
    referral = referrals.receive(
        location=story.places[site], entry_key=story.a_key(), given_name=identity.given_name,
        family_name=identity.family_name, email=identity.email or f"asker.{number}@post.example", phone=identity.phone,
        reach_by=Referral.Reach.PHONE if number % 3 == 0 else Referral.Reach.EMAIL, message=story.dice.choice(MESSAGES),
        agrees_to_email=True, address=f"203.0.113.{20 + number % 200}", now=at,
    )  # fmt: skip
    desk = story.people["frida" if site == DENVER else "olga"]
    if declined is not None:
        referrals.decline(by=desk, referral=referral, reason=declined, note="", now=at + timedelta(hours=4))
    elif number % 3 == 1:
        story.later(at + timedelta(hours=6), lambda then: _try(referrals.accept, by=desk, referral=referral, now=then))


def _keep_up(story: Story) -> None:
    """Every evening the desk makes the calls of the days before, and closes enquiries from which nothing came."""
    day = story.begins
    while day <= story.now:
        story.later(day.replace(hour=23, minute=50), lambda at: _clear_the_desk(story, at))
        day += timedelta(days=1)


def _clear_the_desk(story: Story, at: datetime) -> None:
    desks = {story.places[DENVER].pk: story.people["frida"], story.places[PHOENIX].pk: story.people["olga"]}
    calls = WorkItem.objects.open().filter(kind=WorkItem.Kind.CALL_PATIENT, created_at__lt=at - timedelta(hours=36))
    for item in calls.order_by("id"):
        _try(
            worklist.close_item, by=desks[item.location_id], item=item, outcome=WorkItem.Outcome.DONE,
            note="Spoke to them.", now=at,
        )  # fmt: skip
    given_up = Referral.objects.filter(status=Referral.Status.ACCEPTED, accepted_at__lt=at - timedelta(days=20))
    for referral in given_up.order_by("id"):
        _try(referrals.close, by=desks[referral.location_id], referral=referral, now=at)


def _post(story: Story) -> None:
    """The house's own hands: twice a day everything due is queued and sent, to nobody."""
    day = story.now - LETTERS_SINCE
    while day <= story.now + timedelta(days=1):
        for hour in (16, 23):
            at = day.replace(hour=hour, minute=30, second=0, microsecond=0)
            story.later(min(at, story.now), lambda then: _deliver(story, then))
        day += timedelta(days=1)


def _deliver(story: Story, at: datetime) -> None:
    sam = story.people["sam"]
    reminders.queue_due(by=sam, now=at)

    def send(letter: Rendered) -> str:
        return f"<{letter.message_id}@post.example>"

    # What was queued with a start a little later, so that letters do not come in a burst, goes on the same round.
    until = at + timedelta(hours=3)
    while outbox.deliver_next(by=sam, now=min(until, story.now), send=send):
        pass


def _what_went_wrong(story: Story) -> None:
    """A letter nobody knows the outcome of, one that came back, a wish that could not be met, a break of the glass."""
    now, people = story.now, story.people
    pat = Patient.objects.select_related("home_location", "portal_user").get(
        email="pat@post.example", portal_user__isnull=False
    )
    coming = Appointment.objects.filter(patient=pat, starts_at__gt=now + timedelta(days=2)).select_related("location", "visit_type", "patient").order_by("starts_at")  # fmt: skip
    if (first := coming.first()) is not None and pat.portal_user is not None:
        try:
            wish = wishes.ask_change(
                by=pat.portal_user, appointment=first, wish=ChangeRequest.Wish.CHANGE,
                message="Could it be the evening of the same day, after eight?", now=now - timedelta(hours=26),
            )  # fmt: skip
            wishes.answer_change_request(
                by=people["frida"], change_request=wish, now=now - timedelta(hours=22),
                answer="We close at seven, so an evening is not possible. Mornings from eight on are free that week.",
            )  # fmt: skip
            _deliver(story, now - timedelta(hours=22))
        except Refused:
            pass
    if (later := coming.last()) is not None and pat.portal_user is not None:
        _try(
            wishes.ask_change, by=pat.portal_user, appointment=later, wish=ChangeRequest.Wish.CHANGE,
            message="A day earlier would suit me better, if you can.", now=now - timedelta(hours=2),
        )  # fmt: skip

    def falls_silent(_letter: Rendered) -> str:
        raise channels.OutcomeUnknown(OutboundMessage.Reason.NO_ANSWER)

    def comes_back(_letter: Rendered) -> str:
        raise channels.Permanent(OutboundMessage.Reason.ADDRESS_REFUSED, said="550 5.1.1 no such mailbox")

    for send, number, hour in ((falls_silent, 501, 5), (comes_back, 502, 4)):
        _enquire(story, number, now - timedelta(hours=hour), None)
        outbox.deliver_next(by=people["sam"], now=now - timedelta(hours=hour - 1), send=send)
    someone = Patient.objects.filter(home_location=story.places[DENVER], life_state=LifeState.ACTIVE).exclude(pk=pat.pk).order_by("mrn").first()  # fmt: skip
    if someone is not None:
        careteams.break_glass(
            by=people["nils"], patient=someone, reason="emergency", now=now - timedelta(hours=20),
            reason_text="Called from the emergency room at night; needed to know who to ask.",
        )  # fmt: skip
    text = Answer(category=Category.VISIT, channel=Channel.SMS, is_allowed=False)
    preferences.answer(
        by=people["frida"], patient=pat, answers=[text], evidence=ContactPreference.Evidence.ASKED_BY_PHONE, now=now
    )
