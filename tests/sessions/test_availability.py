"""Openings as a pure computation: tables of cases, both change days, and a brute force that must agree."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic import localtime
from sessions import availability
from sessions.availability import Calendar, Need, Obstacle, Opening, Span, WeeklyHours

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
