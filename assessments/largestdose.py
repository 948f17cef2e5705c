"""The largest dose that a clearance may name, by route: from the policy's limits and, where those are in mg/kg, the weight. Pure.

Source: domain.md 3.4 (numbers are the policy's) and 1.1: a dose in mg/kg is refused when the weight is too old.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from assessments.facts import Fact, Route, Weight, that_stand

# Where a policy keeps the most of a route: in mg, or in mg for each kilogram.
IN_MG: dict[Route, tuple[str, str]] = {Route.SL: ("dose_mg_sl", "hard"), Route.IN: ("dose_mg_in", "hard")}
IN_MG_PER_KG: dict[Route, tuple[str, str]] = {
    Route.ORAL: ("dose_mg_kg", "oral"), Route.IM: ("dose_mg_kg", "im"), Route.IV: ("dose_mg_kg", "iv"),
}  # fmt: skip


@dataclass(frozen=True)
class Most:
    """The most of one route. ``mg`` is None when it cannot be said: no limit is set, or it takes a weight that is not there."""

    route: Route
    mg: int | None
    mg_per_kg: Decimal | None = None

    @property
    def is_set(self) -> bool:
        return self.mg is not None or self.mg_per_kg is not None


def most_of(values: Mapping[str, Any], route: Route, kilograms: Decimal | None) -> Most:
    """Return the most of a route by a policy's values; whole milligrams, rounded down. A limit that is not set is no limit at all."""
    if route in IN_MG:
        found = _number(values, *IN_MG[route])
        return Most(route, None if found is None else int(found))
    per_kg = _number(values, *IN_MG_PER_KG[route])
    if per_kg is None or kilograms is None:
        return Most(route, None, per_kg)
    return Most(route, int((per_kg * kilograms).to_integral_value(ROUND_DOWN)), per_kg)


def _number(values: Mapping[str, Any], section: str, name: str) -> Decimal | None:
    inner = values.get(section)
    value = inner.get(name) if isinstance(inner, Mapping) else None
    return Decimal(str(value)) if type(value) in {int, float} else None


def fresh_weight(known: Iterable[Fact], *, today: date, tz: ZoneInfo, max_age_days: int) -> Decimal | None:
    """Return the newest weight in kg that stands, or None when there is none of the last ``max_age_days`` days."""
    weights = [fact for fact in that_stand(known) if isinstance(fact, Weight)]
    newest = max(weights, key=lambda fact: (fact.at, fact.id), default=None)
    if newest is None or (today - newest.at.astimezone(tz).date()).days > max_age_days:
        return None
    return newest.kilograms
