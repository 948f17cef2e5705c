"""How late a day runs: only from what is known, never from who is not here, and never for ever."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from sessions.lateness import Delay, Stage, Visit, Why, delays, without_a_room

from .booking import at, clock

THEO, TESS, ASPEN, BIRCH = (uuid.UUID(int=n) for n in range(1, 5))
E, H, R, DONE = Stage.EXPECTED, Stage.HERE, Stage.IN_ROOM, Stage.OVER


def key(starts: str) -> uuid.UUID:
    return uuid.UUID(int=int(starts.replace(":", "")) + 100)


def visit(starts: str, ends: str, stage: Stage, began: str = "", **more: Any) -> Visit:
    values: dict[str, Any] = {"clinician": THEO, "room": ASPEN, **more}
    return Visit(
        key=key(starts), starts_at=at(starts), ends_at=at(ends), stage=stage,
        began_at=at(began) if began else None, **values,
    )  # fmt: skip


def told(now: str, *visits: Visit) -> dict[str, tuple[int, str, str]]:
    """Return for each visit that runs late: by how much, because of which, and why."""
    words = {one.key: clock(one.starts_at) for one in visits}
    return {words[one]: (late.minutes, words[late.cause], late.why) for one, late in delays(visits, at(now)).items()}


NINE = ("09:00", "10:00")
TEN = ("10:00", "11:00")
ELEVEN = ("11:00", "12:00")
LATER = ("12:30", "13:30")


@pytest.mark.parametrize(
    ("now", "visits", "expected"),
    [
        ("09:50", [visit(*NINE, R, "09:00"), visit(*TEN, E)], {}),
        ("10:08", [visit(*NINE, R, "09:00"), visit(*TEN, H)], {}),
        ("10:20", [visit(*NINE, R, "09:00"), visit(*TEN, H)], {"10:00": (20, "09:00", "past_its_end")}),
        # A gap swallows what it can, and the reason stays the first one.
        ("10:22", [visit(*NINE, R, "09:00"), visit(*TEN, H), visit(*ELEVEN, E), visit(*LATER, E)],
         {"10:00": (20, "09:00", "past_its_end"), "11:00": (20, "09:00", "past_its_end")}),
        # Begun late, it takes its length.
        ("09:30", [visit(*NINE, R, "09:25"), visit(*TEN, E)], {"10:00": (25, "09:00", "began_late")}),
        # Early and long is late only once it is past its end.
        ("09:58", [visit(*NINE, R, "08:50"), visit(*TEN, E)], {}),
        # Somebody waits and was not called: theirs is not told late, those behind them are.
        ("09:20", [visit(*NINE, H), visit(*TEN, E)], {"10:00": (20, "09:00", "not_begun")}),
        # Nobody came: it is not known that they will.
        ("09:20", [visit(*NINE, E), visit(*TEN, E)], {}),
        # Over is over.
        ("10:30", [visit(*NINE, DONE, "09:00"), visit(*TEN, H), visit(*ELEVEN, E)], {"11:00": (30, "10:00", "not_begun")}),
        # The next is in the room already: nobody pressed "Done".
        ("10:30", [visit(*NINE, R, "09:00"), visit(*TEN, R, "10:05"), visit(*ELEVEN, E)], {}),
        # Nor does anybody run two hours late because of one button.
        ("12:00", [visit(*NINE, R, "09:00"), visit(*LATER, E)], {}),
        ("11:00", [visit(*NINE, H), visit(*ELEVEN, E)], {}),
        # Another clinician in the same room, and after its turnover; another room and person, never.
        ("10:20", [visit(*NINE, R, "09:00", turnover=timedelta(minutes=15)), visit(*TEN, H, clinician=TESS)],
         {"10:00": (35, "09:00", "past_its_end")}),
        ("10:20", [visit(*NINE, R, "09:00"), visit(*TEN, H, clinician=TESS, room=BIRCH)], {}),
        ("10:20", [visit(*NINE, R, "09:00", room=None), visit(*TEN, H, clinician=TESS, room=None)], {}),
        # By video the clinician alone counts.
        ("10:20", [visit(*NINE, R, "09:00"), visit(*TEN, E, room=None)], {"10:00": (20, "09:00", "past_its_end")}),
        # Who was taken in before their turn ends as planned; the card of who waits says since when.
        ("10:10", [visit("09:30", "10:00", H), visit(*TEN, R, "09:55")], {}),
    ],
)  # fmt: skip
def test_told(now: str, visits: list[Visit], expected: dict[str, Any]) -> None:
    assert told(now, *visits) == expected


def test_order_does_not_matter_and_nothing_is_moved() -> None:
    day = [visit(*NINE, R, "09:10"), visit(*TEN, H), visit(*ELEVEN, E), visit(*LATER, E)]
    first: dict[uuid.UUID, Delay] = delays(day, at("10:25"))
    assert first == delays(reversed(day), at("10:25"))
    assert first[key("10:00")] == Delay(25, key("09:00"), Why.PAST_ITS_END)
    assert day[1].starts_at == at("10:00")


# 150 minutes from 09:00, half an hour for an overrun, a quarter to see to the room.
DOSE = ("09:00", "11:30")
NEXT = ("12:15", "13:15")
TURN = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("now", "visits", "expected"),
    [
        # A quarter of an hour before, and not earlier.
        ("11:59", [visit(*DOSE, R, "09:00", turnover=TURN), visit(*NEXT, E)], {}),
        ("12:00", [visit(*DOSE, R, "09:00", turnover=TURN), visit(*NEXT, E)], {"12:15": ("09:00", "past_its_end")}),
        ("12:20", [visit(*DOSE, R, "09:00", turnover=TURN), visit(*NEXT, H)], {"12:15": ("09:00", "past_its_end")}),
        # Nothing has to be seen to: a minute is nothing, five are not known to end.
        ("10:04", [visit(*NINE, R, "09:00"), visit("10:15", "11:00", E)], {}),
        ("10:05", [visit(*NINE, R, "09:00"), visit("10:15", "11:00", E)], {"10:15": ("09:00", "past_its_end")}),
        ("10:00", [visit(*NINE, R, "09:00"), visit(*TEN, E)], {}),
        # The visit after the next may yet find the room free.
        (
            "12:00",
            [visit(*DOSE, R, "09:00", turnover=TURN), visit(*NEXT, E), visit("13:30", "14:30", E)],
            {"12:15": ("09:00", "past_its_end")},
        ),
        # Another room, or over, or in the next one's hands already.
        ("12:10", [visit(*DOSE, R, "09:00", turnover=TURN), visit(*NEXT, E, room=BIRCH)], {}),
        ("12:10", [visit(*DOSE, DONE, "09:00", turnover=TURN), visit(*NEXT, E)], {}),
        ("12:20", [visit(*DOSE, R, "09:00", turnover=TURN), visit(*NEXT, R, "12:16")], {}),
        # A few minutes behind may catch up; ten will not.
        ("09:50", [visit(*NINE, R, "09:05"), visit(*TEN, E)], {}),
        ("09:50", [visit(*NINE, R, "09:10"), visit(*TEN, E)], {"10:00": ("09:00", "began_late")}),
        # Somebody forgot to press "Done" in the morning.
        ("13:10", [visit(*DOSE, R, "09:00", turnover=TURN), visit(*NEXT, E)], {}),
    ],
)
def test_the_room_that_is_not_free(now: str, visits: list[Visit], expected: dict[str, tuple[str, str]]) -> None:
    words = {one.key: clock(one.starts_at) for one in visits}
    found = without_a_room(visits, at(now))
    assert {words[pk]: (words[holding], str(why)) for pk, (holding, why) in found.items()} == expected
