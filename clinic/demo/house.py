"""(Roof) The house of the demo: its places, staff, licences, working hours, kinds of visit and letters."""

from datetime import datetime, time, timedelta

from clinic import localtime
from clinic.actions import founding, hours, licences, places, system
from clinic.actions.founding import Founder
from clinic.demo.cast import CAST, DENVER, EVERY_DAY, PHOENIX, SITES
from clinic.demo.story import LETTERS_SINCE, Story
from clinic.models import LICENSED, Device, Licence, Role, Room, TimeOff, User
from sessions import visitkinds
from sessions.actions import reminderplans, visittypes


def found(story: Story) -> None:
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
                licences.record_licence(
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
