"""A course of scores as a line small enough to stand beside its number: coordinates for an SVG, made on the server. Pure.

It shows the way a score went and nothing else; what it means stands in words beside it, and its table below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT, MARGIN = 120, 32, 4


@dataclass(frozen=True)
class Sparkline:
    """``lines`` are the stretches between gaps, as points of a polyline; ``dots`` are all points, oldest first."""

    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def last(self) -> tuple[float, float] | None:
        return self.dots[-1] if self.dots else None


def draw(readings: Sequence[tuple[datetime, int | None]], low: int, high: int) -> Sparkline:
    """Return the course of ``readings``, oldest first, between the lowest and the highest the instrument gives.

    Time runs to scale. A reading without a total breaks the line: nothing is drawn between what was never measured.
    """
    if not readings:
        return Sparkline((), ())
    first, last = readings[0][0], readings[-1][0]
    span = (last - first).total_seconds() or 1.0
    reach = (high - low) or 1
    runs: list[list[tuple[float, float]]] = [[]]
    for at, total in readings:
        if total is None:
            runs.append([])
            continue
        along = (at - first).total_seconds() / span if last > first else 1.0
        up = (min(max(total, low), high) - low) / reach
        runs[-1].append(
            (round(MARGIN + along * (WIDTH - 2 * MARGIN), 1), round(HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN), 1))
        )
    dots = tuple(point for run in runs for point in run)
    lines = tuple(" ".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1)
    return Sparkline(lines, dots)
