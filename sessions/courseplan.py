"""A course of doses, each with its talk afterwards, laid into openings. Pure.

The plan with the most doses, and of those the one whose doses come earliest, each as early as those before it allow. Doses keep their
distance; each has a talk within its hours after it, which does not run into the next dose. Source: domain.md 5.3, 6.1, 8.2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sessions.availability import Opening

# A talk after a dose counts within these hours of its end (domain.md 5.3).
TALK_WITHIN = (timedelta(hours=24), timedelta(hours=72))


@dataclass(frozen=True)
class Step:
    """One dose, and the talk after it; None where none is wanted."""

    dose: Opening
    talk: Opening | None


def lay_out(
    doses: Sequence[Opening],
    talks: Sequence[Opening],
    *,
    count: int,
    are_apart: Callable[[datetime, datetime], bool],
    with_talks: bool = True,
) -> tuple[Step, ...]:
    """Return the steps of a course of up to ``count`` doses; fewer when no more fit.

    ``doses`` and ``talks`` are in order of time, one for each start. ``are_apart`` says of two starts whether they are far enough
    from each other, and stays true as the later one gets later.
    """
    choices = [(dose, _talks_after(dose, talks)) for dose in doses]
    if with_talks:
        choices = [(dose, after) for dose, after in choices if after]
    longest = _longest(choices, count, are_apart, with_talks)
    best = max(longest, default=0)
    steps: list[Step] = []
    at: int | None = None
    while len(steps) < min(best, count):
        wanted = min(best, count) - len(steps)
        following = next(
            n
            for n in range(0 if at is None else at + 1, len(choices))
            if longest[n] >= wanted and (at is None or _may_follow(choices[at], choices[n], are_apart, with_talks))
        )
        if at is not None:
            steps[-1] = Step(choices[at][0], _talk_before(choices[at], choices[following][0], with_talks))
        steps.append(Step(choices[following][0], choices[following][1][0] if with_talks else None))
        at = following
    return tuple(steps)


Choice = tuple[Opening, list[Opening]]


def _talks_after(dose: Opening, talks: Sequence[Opening]) -> list[Opening]:
    first, last = dose.ends_at + TALK_WITHIN[0], dose.ends_at + TALK_WITHIN[1]
    return [talk for talk in talks if first <= talk.starts_at <= last]


def _talk_before(choice: Choice, following: Opening, with_talks: bool) -> Opening | None:
    """Return the first talk of a dose that does not run into the dose that follows."""
    if not with_talks:
        return None
    return next(
        (talk for talk in choice[1] if talk.ends_at <= following.starts_at or talk.starts_at >= following.ends_at), None
    )


def _may_follow(
    choice: Choice, following: Choice, are_apart: Callable[[datetime, datetime], bool], with_talks: bool
) -> bool:
    if not are_apart(choice[0].starts_at, following[0].starts_at):
        return False
    return not with_talks or _talk_before(choice, following[0], with_talks) is not None


def _longest(
    choices: Sequence[Choice], count: int, are_apart: Callable[[datetime, datetime], bool], with_talks: bool
) -> list[int]:
    """Return for each dose how many can be given from it on, itself included, ``count`` at most.

    Whatever begins after a dose's last talk can follow it, so only what is near is looked at one by one.
    """
    longest = [0] * len(choices)
    # The most from each place on.
    beyond = [0] * (len(choices) + 1)
    for at in range(len(choices) - 1, -1, -1):
        dose, talks = choices[at]
        clear = max((talk.ends_at for talk in talks), default=dose.ends_at) if with_talks else dose.ends_at
        most, n = 0, at + 1
        while n < len(choices):
            start = choices[n][0].starts_at
            if start >= clear and are_apart(dose.starts_at, start):
                most = max(most, beyond[n])
                break
            if longest[n] > most and _may_follow(choices[at], choices[n], are_apart, with_talks):
                most = longest[n]
            n += 1
        longest[at] = min(count, 1 + most)
        beyond[at] = max(beyond[at + 1], longest[at])
    return longest
