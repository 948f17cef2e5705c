"""Openings as a pure computation: tables of cases, both change days, and a brute force that must agree."""

import itertools
import uuid
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic import localtime
from sessions import availability
from sessions.availability import Calendar, Load, Need, Obstacle, Opening, Span, Stretch, WeeklyHours
from sessions.whynot import Reason, WhyNot

DENVER, PHOENIX = ZoneInfo("America/Denver"), ZoneInfo("America/Phoenix")
DANA, THEO, ASPEN, BIRCH, QUINN = (uuid.UUID(int=n) for n in range(1, 6))
HOUR = timedelta(hours=1)
DAY = date(2027, 1, 14)  # a Thursday
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
INTAKE = Need(duration=timedelta(minutes=75), grid_minutes=15)


def local(clock: str, day: date = DAY, tz: ZoneInfo = DENVER) -> datetime:
    return localtime.at(day, time.fromisoformat(clock), tz)


def span(start: str, end: str, day: date = DAY) -> Span:
    return local(start, day), local(end, day)


def every_day(starts: str, ends: str) -> list[WeeklyHours]:
    return [WeeklyHours(weekday, time.fromisoformat(starts), time.fromisoformat(ends)) for weekday in range(7)]


def calendar(**changes: Any) -> Calendar:
    values: dict[str, Any] = {
        "tz": DENVER,
        "opening": every_day("08:00", "18:00"),
        "working": {DANA: every_day("09:00", "12:00")},
    }
    return Calendar(**{**values, **changes})


def slots(of: Calendar, need: Need = INTAKE, day: date = DAY, **changes: Any) -> list[Opening]:
    values: dict[str, Any] = {
        "clinicians": [DANA], "rooms": [ASPEN], "patient": QUINN, "first": day, "last": day, "now": LONG_AGO,
    }  # fmt: skip
    return availability.open_slots(of, need, **{**values, **changes})


def clocks(openings: list[Opening], tz: ZoneInfo = DENVER) -> list[str]:
    return [localtime.clock_text(opening.starts_at, tz) for opening in openings]


class TestOpenSlots:
    def test_every_quarter_within_hours(self) -> None:
        found = slots(calendar())
        assert clocks(found) == ["09:00", "09:15", "09:30", "09:45", "10:00", "10:15", "10:30", "10:45"]
        assert {(s.clinician_id, s.room_id, s.ends_at - s.starts_at) for s in found} == {
            (DANA, ASPEN, timedelta(minutes=75))
        }

    def test_the_location_must_be_open(self) -> None:
        assert clocks(slots(calendar(opening=every_day("10:30", "18:00")))) == ["10:30", "10:45"]
        assert slots(calendar(opening=[])) == []

    def test_hours_that_are_over_or_not_begun_do_not_count(self) -> None:
        over = WeeklyHours(3, time(9), time(12), valid_until=DAY - timedelta(days=1))
        later = WeeklyHours(3, time(9), time(12), valid_from=DAY + timedelta(days=1))
        assert slots(calendar(working={DANA: [over, later]})) == []

    def test_lunch_splits_the_day_and_touching_hours_do_not(self) -> None:
        lunch = [WeeklyHours(3, time(9), time(10, 30)), WeeklyHours(3, time(11), time(12, 30))]
        assert clocks(slots(calendar(working={DANA: lunch}))) == ["09:00", "09:15", "11:00", "11:15"]
        joined = [WeeklyHours(3, time(9), time(10)), WeeklyHours(3, time(10), time(11))]
        assert clocks(slots(calendar(working={DANA: joined}))) == ["09:00", "09:15", "09:30", "09:45"]

    def test_closures_and_time_off_are_taken_out(self) -> None:
        assert clocks(slots(calendar(closures=[span("00:00", "10:30")]))) == ["10:30", "10:45"]
        assert clocks(slots(calendar(away={DANA: [span("10:15", "23:00")]}))) == ["09:00"]
        assert len(slots(calendar(away={THEO: [span("00:00", "23:00")]}))) == 8

    def test_whoever_is_taken_is_not_offered(self) -> None:
        for who in (DANA, QUINN, ASPEN):
            assert clocks(slots(calendar(taken={who: [span("10:15", "10:45")]}))) == ["09:00", "10:45"]

    def test_back_to_back_is_allowed(self) -> None:
        held = [span("09:00", "10:15"), span("11:30", "12:00")]
        assert clocks(slots(calendar(taken={DANA: held}))) == ["10:15"]

    def test_the_room_needs_its_tail(self) -> None:
        """Scenario 11: overrun and turnover belong to the room, so a visit may begin when they are over."""
        need = Need(timedelta(minutes=60), 15, room_tail=timedelta(minutes=45))
        taken = {ASPEN: [span("09:00", "12:15"), span("14:00", "15:00")]}
        found = slots(calendar(taken=taken, working={DANA: every_day("12:00", "15:00")}), need)
        assert clocks(found) == ["12:15"]

    def test_another_room_is_taken_when_the_first_is_not_free(self) -> None:
        found = slots(calendar(taken={ASPEN: [span("09:00", "10:30")]}), rooms=[ASPEN, BIRCH])
        assert [s.room_id for s in found[:6]] == [BIRCH] * 6
        assert [s.room_id for s in found[6:]] == [ASPEN] * 2

    def test_no_room_is_no_opening_unless_none_is_needed(self) -> None:
        assert slots(calendar(), rooms=[]) == []
        found = slots(calendar(), Need(timedelta(minutes=60), 60, needs_room=False), rooms=[])
        assert [s.room_id for s in found] == [None, None, None]

    def test_the_past_is_not_offered(self) -> None:
        assert clocks(slots(calendar(), now=local("10:20"))) == ["10:30", "10:45"]
        assert clocks(slots(calendar(), now=local("10:45"))) == ["10:45"]

    def test_two_people_are_two_openings(self) -> None:
        found = slots(calendar(working={DANA: every_day("09:00", "10:15"), THEO: every_day("09:00", "10:15")}),
                      clinicians=[THEO, DANA])  # fmt: skip
        assert [s.clinician_id for s in found] == [THEO, DANA]


class TestClockChanges:
    """Denver springs forward on 14 March 2027 and falls back on 7 November 2027, at 2:00. Phoenix never does."""

    night = Need(timedelta(minutes=30), 30, needs_room=False)

    def on(self, day: date, tz: ZoneInfo) -> list[Opening]:
        all_night = calendar(tz=tz, opening=every_day("00:00", "05:00"), working={DANA: every_day("00:00", "05:00")})
        return slots(all_night, self.night, day, rooms=[])

    def test_a_skipped_hour_is_not_offered(self) -> None:
        assert clocks(self.on(date(2027, 3, 14), DENVER)) == [
            "00:00", "00:30", "01:00", "01:30", "03:00", "03:30", "04:00", "04:30",
        ]  # fmt: skip

    def test_a_repeated_hour_is_offered_twice_under_two_names(self) -> None:
        found = self.on(date(2027, 11, 7), DENVER)
        assert clocks(found)[2:6] == ["01:00", "01:30", "01:00", "01:30"]
        assert [localtime.zone_text(s.starts_at, DENVER) for s in found[2:6]] == ["MDT", "MDT", "MST", "MST"]
        assert [s.starts_at for s in found] == sorted({s.starts_at for s in found})

    @pytest.mark.parametrize("day", [date(2027, 3, 14), date(2027, 11, 7)])
    def test_phoenix_has_an_ordinary_night(self, day: date) -> None:
        assert len(self.on(day, PHOENIX)) == 10

    def test_ten_stays_ten_across_the_change(self) -> None:
        """Scenario 12."""
        for day, name in ((date(2027, 3, 13), "MST"), (date(2027, 3, 14), "MDT"), (date(2027, 11, 7), "MST")):
            found = slots(calendar(), day=day)
            assert clocks(found)[4] == "10:00"
            assert localtime.zone_text(found[4].starts_at, DENVER) == name

    def test_a_visit_lasts_its_minutes_through_the_change(self) -> None:
        found = slots(
            calendar(opening=every_day("00:00", "05:00"), working={DANA: every_day("00:00", "05:00")}),
            Need(timedelta(hours=2), 60, needs_room=False),
            date(2027, 3, 14),
            rooms=[],
        )
        assert clocks(found) == ["00:00", "01:00", "03:00"]
        assert localtime.clock_text(found[1].ends_at, DENVER) == "04:00"


class TestObstacle:
    @pytest.mark.parametrize(
        ("clock", "changes", "expected"),
        [
            ("10:00", {}, None),
            ("10:00", {"now": "10:01"}, Obstacle.PAST),
            ("10:05", {}, Obstacle.OFF_GRID),
            ("07:45", {}, Obstacle.SHUT),
            ("17:45", {}, Obstacle.SHUT),
            ("10:00", {"closures": [span("11:00", "11:10")]}, Obstacle.CLOSURE),
            ("08:00", {}, Obstacle.NOT_WORKING),
            ("11:00", {}, Obstacle.NOT_WORKING),
            ("10:00", {"away": {DANA: [span("11:00", "12:00")]}}, Obstacle.AWAY),
            ("10:00", {"taken": {DANA: [span("11:00", "11:30")]}}, Obstacle.CLINICIAN_TAKEN),
            ("10:00", {"taken": {ASPEN: [span("11:00", "11:30")]}}, Obstacle.ROOM_TAKEN),
            ("10:00", {"taken": {QUINN: [span("09:00", "10:15")]}}, Obstacle.PATIENT_TAKEN),
            ("10:00", {"taken": {QUINN: [span("09:00", "10:00")], DANA: [span("11:15", "11:30")]}}, None),
        ],
    )
    def test_what_stands_in_the_way(self, clock: str, changes: dict[str, object], expected: Obstacle | None) -> None:
        now = changes.pop("now", None)
        found = availability.obstacle(
            calendar(**changes), INTAKE, starts_at=local(clock), clinician=DANA, room=ASPEN, patient=QUINN,
            now=local(str(now)) if now else LONG_AGO,
        )  # fmt: skip
        assert found == expected

    def test_seconds_are_off_the_grid(self) -> None:
        assert not availability.is_on_grid(local("10:00") + timedelta(seconds=1), DENVER, 15)


class TestNearest:
    def test_three_by_time_one_for_each_start_the_same_person_first(self) -> None:
        found = slots(calendar(working={DANA: every_day("09:00", "12:00"), THEO: every_day("09:00", "12:00")}),
                      clinicians=[DANA, THEO])  # fmt: skip
        best = availability.nearest(found, local("10:05"), THEO)
        assert clocks(best) == ["09:45", "10:00", "10:15"]
        assert {s.clinician_id for s in best} == {THEO}

    def test_fewer_when_there_are_fewer(self) -> None:
        assert availability.nearest([], local("10:00"), DANA) == []


@settings(max_examples=60)
@given(
    taken=st.lists(st.tuples(st.integers(-3, 3), st.integers(8, 12), st.integers(1, 4)), max_size=14),
    wanted=st.tuples(st.integers(0, 23), st.sampled_from([0, 5, 45])),
    now=st.integers(-80, 20),
    within=st.integers(0, 4),
)
def test_near_is_what_is_nearest_of_all(
    taken: list[tuple[int, int, int]], wanted: tuple[int, int], now: int, within: int
) -> None:
    """Days further away are left out only where nothing on them could be nearer."""
    midnight = local("00:00")
    spans = [
        (midnight + timedelta(days=day, hours=hour), midnight + timedelta(days=day, hours=hour + long))
        for day, hour, long in taken
    ]
    of = calendar(
        working={DANA: every_day("09:00", "12:00"), THEO: every_day("11:00", "12:30")},
        taken={QUINN: spans[::2], DANA: spans[1::2]},
    )
    wish, then = midnight + timedelta(hours=wanted[0], minutes=wanted[1]), midnight + timedelta(hours=now)
    asked: dict[str, Any] = {"clinicians": [DANA, THEO], "rooms": [ASPEN], "patient": QUINN, "now": then}
    every = availability.open_slots(
        of, INTAKE, first=DAY - timedelta(days=within), last=DAY + timedelta(days=within), **asked
    )
    found = availability.open_near(of, INTAKE, wanted=wish, clinician=THEO, within_days=within, **asked)
    assert found == availability.nearest(every, wish, THEO)


_MINUTES = st.integers(0, 24 * 12 - 1)


@st.composite
def _spans(draw: st.DrawFn) -> list[Span]:
    begin = local("00:00")
    found = []
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(_MINUTES) * 5, draw(st.integers(1, 40)) * 5
        found.append((begin + timedelta(minutes=start), begin + timedelta(minutes=start + length)))
    return found


@st.composite
def _hours(draw: st.DrawFn) -> list[WeeklyHours]:
    found = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, 22 * 12))
        end = draw(st.integers(start + 1, 24 * 12 - 1))
        found.append(WeeklyHours(3, time(start * 5 // 60, start * 5 % 60), time(end * 5 // 60, end * 5 % 60)))
    return found


@settings(max_examples=150, deadline=None)
@given(
    opening=_hours(), dana=_hours(), theo=_hours(), closures=_spans(), away=_spans(), held_dana=_spans(),
    held_aspen=_spans(), held_quinn=_spans(), minutes=st.integers(1, 36), tail=st.integers(0, 12),
    grid=st.sampled_from([5, 15, 30, 60]), now=_MINUTES,
)  # fmt: skip
def test_openings_are_exactly_what_brute_force_finds(
    opening: list[WeeklyHours], dana: list[WeeklyHours], theo: list[WeeklyHours], closures: list[Span],
    away: list[Span], held_dana: list[Span], held_aspen: list[Span], held_quinn: list[Span], minutes: int, tail: int,
    grid: int, now: int,
) -> None:  # fmt: skip
    """Five minutes at a time: every one of the visit is open, worked, not shut, not away and not held."""
    need = Need(timedelta(minutes=minutes * 5), grid, room_tail=timedelta(minutes=tail * 5))
    of = Calendar(
        tz=DENVER, opening=opening, closures=closures, working={DANA: dana, THEO: theo}, away={DANA: away},
        taken={DANA: held_dana, ASPEN: held_aspen, QUINN: held_quinn},
    )  # fmt: skip
    moment = local("00:00") + timedelta(minutes=now * 5)
    step = timedelta(minutes=5)

    def within(spans: list[Span], tick: datetime) -> bool:
        return any(a <= tick and tick + step <= b for a, b in spans)

    def clash(spans: list[Span], tick: datetime) -> bool:
        return any(a < tick + step and tick < b for a, b in spans)

    def hours(rules: list[WeeklyHours]) -> list[Span]:
        return [(local(f"{r.starts:%H:%M}"), local(f"{r.ends:%H:%M}")) for r in rules]

    expected = set()
    for start in (local("00:00") + step * n for n in range(24 * 12)):
        minute = start.astimezone(DENVER).hour * 60 + start.astimezone(DENVER).minute
        if minute % grid or start < moment:
            continue
        ticks = [start + step * n for n in range(minutes)]
        tail_ticks = [start + step * n for n in range(minutes + tail)]
        if any(clash(held_quinn, t) or clash(closures, t) or not within(hours(opening), t) for t in ticks):
            continue
        room = ASPEN if not any(clash(held_aspen, t) for t in tail_ticks) else BIRCH
        if all(within(hours(dana), t) and not clash(away, t) and not clash(held_dana, t) for t in ticks):
            expected.add((start, DANA, room))
        if all(within(hours(theo), t) for t in ticks):
            expected.add((start, THEO, room))
    found = slots(of, need, clinicians=[DANA, THEO], rooms=[ASPEN, BIRCH], now=moment)
    assert {(s.starts_at, s.clinician_id, s.room_id) for s in found} == expected
    for who in (DANA, THEO):
        for opened in (s for s in found if s.clinician_id == who):
            blocking = availability.obstacle(
                of, need, starts_at=opened.starts_at, clinician=who, room=opened.room_id, patient=QUINN, now=moment
            )
            assert blocking is None


MILO, NINA, TESS, KIT = (uuid.UUID(int=n) for n in range(6, 10))
TICK = timedelta(minutes=15)


def ticks(starts: int, ends: int, load: Load = Load.SOLE, most: int = 1, tail: int = 0) -> Stretch:
    return Stretch(TICK * starts, TICK * ends, load, most, TICK * tail)


# A visit of four quarters of an hour: a therapist throughout, a prescriber for a moment and on site, a monitor, and who watches after.
TEAM = Need(
    TICK * 4, 15, room_tail=TICK, closing_margin=TICK,
    seats=(
        (ticks(0, 4),),
        (ticks(1, 2), ticks(1, 4, Load.ON_SITE, 2)),
        (ticks(1, 3),),
        (ticks(3, 4, Load.SHARED, 2, tail=1),),
    ),
    devices=(ticks(1, 4, tail=1),),
)  # fmt: skip
Lanes = dict[int, list[Span]]


@st.composite
def _lanes(draw: st.DrawFn, lanes: tuple[int, ...]) -> Lanes:
    return {lane: draw(_quarters()) for lane in lanes}


@st.composite
def _quarters(draw: st.DrawFn) -> list[Span]:
    begin = local("08:00")
    starts = draw(st.lists(st.integers(0, 11), max_size=2))
    return [(begin + TICK * n, begin + TICK * (n + draw(st.integers(1, 3)))) for n in starts]


@settings(max_examples=120, deadline=None)
@given(
    wholly=st.fixed_dictionaries({who: _quarters() for who in (THEO, TESS, DANA, MILO, NINA, ASPEN, BIRCH, KIT, QUINN)}),
    dana=_lanes((100, 101)), milo=_lanes((0, 1)), nina=_lanes((0, 1)),
)  # fmt: skip
def test_a_team_is_offered_exactly_when_brute_force_finds_one(
    wholly: dict[uuid.UUID, list[Span]], dana: Lanes, milo: Lanes, nina: Lanes
) -> None:
    """Every way to fill the seats is tried, a quarter of an hour at a time; Nina may be prescriber and monitor."""
    shared = {DANA: dana, MILO: milo, NINA: nina}
    everybody = (THEO, TESS, DANA, MILO, NINA)
    of = Calendar(
        tz=DENVER, opening=every_day("08:00", "11:00"), working={who: every_day("08:00", "11:00") for who in everybody},
        taken=wholly, shared=shared,
    )  # fmt: skip
    choices = ((THEO, TESS), (DANA, NINA), (MILO, NINA), (MILO, NINA))

    def meets(spans: list[Span], start: datetime, end: datetime) -> bool:
        return any(a < end and start < b for a, b in spans)

    def free(who: uuid.UUID, one: Stretch, at: datetime) -> bool:
        start, end = at + one.starts, at + one.ends + one.tail
        lanes = shared.get(who, {})
        if one.load is Load.ON_SITE:
            return any(not meets(lanes.get(100 + n, []), start, end) for n in range(one.most))
        if meets(wholly[who], start, end):
            return False
        if one.load is Load.SHARED:
            return any(not meets(lanes.get(n, []), start, end) for n in range(one.most))
        return not any(meets(spans, start, end) for lane, spans in lanes.items() if lane < 100)

    def together(team: tuple[uuid.UUID, ...]) -> bool:
        for n, m in itertools.combinations(range(4), 2):
            if team[n] == team[m] and any(
                one.starts < other.ends + other.tail and other.starts < one.ends + one.tail
                for one in TEAM.seats[n]
                for other in TEAM.seats[m]
            ):
                return False
        return True

    expected = set()
    for at in (local("08:00") + TICK * n for n in range(8)):
        if meets(wholly[QUINN], at, at + TICK * 4) or not free(KIT, TEAM.devices[0], at):
            continue
        if all(meets(wholly[room], at, at + TICK * 5) for room in (ASPEN, BIRCH)):
            continue
        for team in itertools.product(*choices):
            seated = all(free(who, one, at) for who, seat in zip(team, TEAM.seats, strict=True) for one in seat)
            if seated and together(team):
                expected.add((at, team[0]))
    found = availability.open_slots(
        of, TEAM, clinicians=choices[0], others=choices[1:], devices=[[KIT]], rooms=[ASPEN, BIRCH], patient=QUINN,
        first=DAY, last=DAY, now=LONG_AGO,
    )  # fmt: skip
    assert {(one.starts_at, one.clinician_id) for one in found} == expected
    # A time has a reason exactly when it is not offered, and whoever is named is refused then, in whichever team.
    why = WhyNot(of, TEAM, clinicians=choices[0], others=choices[1:], devices=[[KIT]], rooms=[ASPEN, BIRCH], patient=QUINN,
                 now=LONG_AGO)  # fmt: skip
    for at in (local("08:00") + TICK * n for n in range(8)):
        reasons = why.at(at)
        assert bool(reasons) == (at not in {start for start, _who in expected})
        for reason in reasons:
            if reason.person:
                assert not all(free(reason.person, one, at) for one in TEAM.seats[reason.seat])
            elif reason.obstacle == Obstacle.ROOM_TAKEN:
                assert all(meets(wholly[room], at, at + TICK * 5) for room in (ASPEN, BIRCH))
            elif reason.obstacle == Obstacle.DEVICE_TAKEN:
                assert not free(KIT, TEAM.devices[0], at)
            elif reason.obstacle == Obstacle.PATIENT_TAKEN:
                assert meets(wholly[QUINN], at, at + TICK * 4)
            else:
                assert reason.obstacle == Obstacle.NOBODY_LEFT
    assert bool(why.on(DAY)) or expected
    for one in found:
        assert together((one.clinician_id, *one.others))
        asked: dict[str, Any] = {
            "starts_at": one.starts_at, "clinician": one.clinician_id, "room": one.room_id, "patient": QUINN,
            "others": one.others, "devices": one.devices,
        }  # fmt: skip
        assert availability.hitch(of, TEAM, now=LONG_AGO, **asked) is None


class TestWhyNot:
    """A day without an opening says the strongest reasons; an hour says all that it has."""

    def why(self, of: Calendar, **changes: Any) -> WhyNot:
        values: dict[str, Any] = {
            "clinicians": [DANA, THEO], "rooms": [ASPEN, BIRCH], "patient": QUINN, "now": LONG_AGO
        }  # fmt: skip
        return WhyNot(of, INTAKE, **{**values, **changes})

    @pytest.mark.parametrize(
        ("changes", "search", "expected"),
        [
            ({"opening": []}, {}, [Reason(Obstacle.SHUT)]),
            ({"closures": [span("00:00", "23:00")]}, {}, [Reason(Obstacle.CLOSURE)]),
            ({}, {"now": local("20:00")}, [Reason(Obstacle.SHUT)]),
            (
                {"away": {DANA: [span("00:00", "23:00")]}},
                {},
                [Reason(Obstacle.AWAY, DANA), Reason(Obstacle.NOT_WORKING, THEO)],
            ),
            ({"taken": {DANA: [span("10:00", "11:00")]}}, {"clinicians": [DANA]}, [Reason(Obstacle.CLINICIAN_TAKEN, DANA)]),
            ({"taken": {QUINN: [span("09:00", "11:00")]}}, {"clinicians": [DANA]},
             [Reason(Obstacle.NOT_WORKING, DANA), Reason(Obstacle.PATIENT_TAKEN)]),
            ({}, {"rooms": [], "clinicians": [DANA]}, [Reason(Obstacle.ROOM_TAKEN), Reason(Obstacle.NOT_WORKING, DANA)]),
            ({}, {"may_begin": lambda _moment: False, "clinicians": [DANA]},
             [Reason(Obstacle.DOSE_TOO_NEAR), Reason(Obstacle.NOT_WORKING, DANA)]),
            ({}, {"clinicians": []}, [Reason(Obstacle.NOT_WORKING)]),
        ],
    )  # fmt: skip
    def test_the_strongest_reasons_of_a_day(
        self, changes: dict[str, Any], search: dict[str, Any], expected: list[Reason]
    ) -> None:
        assert list(self.why(calendar(**changes), **search).on(DAY)) == expected

    def test_of_an_hour(self) -> None:
        of = self.why(calendar(taken={DANA: [span("10:00", "11:00")], ASPEN: [span("08:00", "12:00")]}), rooms=[ASPEN])
        assert of.at(local("10:05")) == (Reason(Obstacle.OFF_GRID),)
        assert of.at(local("17:30")) == (Reason(Obstacle.SHUT),)
        assert of.at(local("10:00")) == (
            Reason(Obstacle.CLINICIAN_TAKEN, DANA), Reason(Obstacle.NOT_WORKING, THEO), Reason(Obstacle.ROOM_TAKEN)
        )  # fmt: skip

    def test_a_ratio_that_is_reached_is_told_from_being_taken(self) -> None:
        need = Need(TICK, 15, needs_room=False, seats=((ticks(0, 1, Load.SHARED, 2),),))
        two = calendar(shared={DANA: {0: [span("10:00", "11:00")], 1: [span("10:00", "11:00")]}})
        alone = calendar(taken={DANA: [span("10:00", "11:00")]})
        for of, is_ratio in ((two, True), (alone, False)):
            why = WhyNot(of, need, clinicians=[DANA], rooms=[], patient=QUINN, now=LONG_AGO)
            assert why.at(local("10:00")) == (Reason(Obstacle.CLINICIAN_TAKEN, DANA, 0, is_ratio),)
            assert why.at(local("11:00")) == ()


def test_who_watches_goes_on_where_they_can() -> None:
    everybody = (THEO, DANA, MILO, NINA)
    of = calendar(working={who: every_day("09:00", "12:00") for who in everybody})

    def watchers(of: Calendar) -> set[uuid.UUID]:
        found = availability.open_slots(
            of, TEAM, clinicians=[THEO], others=[[DANA], [NINA, MILO], [MILO, NINA]], devices=[[KIT]], rooms=[ASPEN],
            patient=QUINN, first=DAY, last=DAY, now=local("10:00"),
        )  # fmt: skip
        return {one.others[2] for one in found if one.starts_at == local("10:00")}

    assert watchers(of) == {NINA}
    busy = {NINA: {0: [span("10:45", "11:00")], 1: [span("10:45", "11:00")]}}
    assert watchers(calendar(working=of.working, shared=busy)) == {MILO}
