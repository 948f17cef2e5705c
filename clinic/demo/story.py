"""(Roof) How the demo is told: moments in order, and what the places and people of it are called."""

import heapq
import itertools
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from clinic.errors import Refused
from clinic.models import Location, Room, User
from sessions.models import VisitType

Done = TypeVar("Done")

BEHIND, AHEAD = timedelta(days=182), timedelta(days=42)
LETTERS_SINCE = timedelta(days=21)


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

    def a_key(self) -> uuid.UUID:
        return uuid.UUID(int=self.dice.getrandbits(128), version=4)


def attempt(act: Callable[..., Done], **arguments: Any) -> Done | None:
    """Return what ``act`` does, None when it is refused: in a made-up clinic too, not everything goes as planned."""
    try:
        return act(**arguments)
    except Refused:
        return None
