"""Who is called about an alarm, in which order, and how long is waited in between (domain.md 6.5). Pure.

RED: the first on call; unanswered, the second; unanswered again, the medical directors. ORANGE and YELLOW: whoever is on
call, in opening hours together with those who treat the patient; then both on call and those who treat; then the medical
directors too. After its end the whole ladder is called again and again. Where nobody is on call everybody is called at
once: an alarm is never met by silence.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

RED = "red"

People = tuple[uuid.UUID, ...]


@dataclass(frozen=True)
class Reach:
    """Who could be called at a moment. ``everybody`` are all who may act, and the managers who find somebody who does."""

    first: People = ()
    second: People = ()
    treating: People = ()
    directors: People = ()
    everybody: People = ()
    is_open: bool = False

    @property
    def has_gap(self) -> bool:
        """Return whether one of the two duties is nobody's."""
        return not self.first or not self.second


def rungs(urgency: str, reach: Reach) -> tuple[People, ...]:
    """Return the ladder: who is called together, step by step. Empty only where nobody works at all."""
    if not reach.first and not reach.second:
        return _without_empty([reach.everybody])
    last = reach.directors or reach.everybody
    if urgency == RED:
        return _without_empty([reach.first, reach.second, last])
    on_call = reach.first or reach.second
    treating = reach.treating if reach.is_open else ()
    return _without_empty(
        [
            _together(treating, on_call),
            _together(reach.first, reach.second, reach.treating),
            _together(last, reach.first, reach.second, reach.treating),
        ]
    )


def next_call(ladder: tuple[People, ...], rung: int, times_round: int) -> tuple[int, int, People]:
    """Return which rung and round is called next, and who: after the last rung everybody on the ladder, a round later.

    ``rung`` is the last one called, -1 before any.
    """
    if times_round == 0 and rung + 1 < len(ladder):
        return rung + 1, 0, ladder[rung + 1]
    return max(len(ladder) - 1, 0), times_round + 1, _together(*ladder)


def wait(urgency: str, ladder: tuple[People, ...], rung: int, times_round: int, risk: Mapping[str, int]) -> timedelta:
    """Return how long the people of a call have to answer. ``risk`` are the policy's limits of that name, in minutes."""
    is_climbing = times_round == 0 and rung + 1 < len(ladder)
    minutes = risk["red_ack_min"] if urgency == RED and is_climbing else risk["page_again_min"]
    # A limit of nothing would call for ever within one moment.
    return timedelta(minutes=max(1, minutes))


def _together(*groups: People) -> People:
    """Return everybody of the groups once, in order."""
    return tuple(dict.fromkeys(person for group in groups for person in group))


def _without_empty(groups: Iterable[People]) -> tuple[People, ...]:
    return tuple(group for group in groups if group)
