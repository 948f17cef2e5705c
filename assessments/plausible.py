"""What a human body can have, as numbers: pure limits that catch a slip of the finger, not an illness.

They are wide on purpose. A value outside is refused with what was probably meant; whether a value inside is healthy is screening's
question. The units are fixed: mmHg, beats a minute, per cent, kg, cm, multiples of the laboratory's upper limit of normal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

KG_A_POUND = Decimal("0.45359237")
CM_AN_INCH = Decimal("2.54")
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Range:
    """From the lowest to the highest value that is taken for one of a living adult or child, both included."""

    low: Decimal
    high: Decimal
    says: object

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Decimal) and self.low <= value <= self.high


def _range(low: int | str, high: int | str, says: object) -> Range:
    return Range(Decimal(low), Decimal(high), says)


# By kind of measurement: the first number and the second.
RANGES: Mapping[str, tuple[Range, Range | None]] = {
    "blood_pressure": (
        _range(50, 300, _("A systolic pressure lies between 50 and 300 mmHg. Check the upper number.")),
        _range(20, 200, _("A diastolic pressure lies between 20 and 200 mmHg. Check the lower number.")),
    ),
    "heart_rate": (_range(20, 250, _("A heart rate lies between 20 and 250 beats a minute. Check the number.")), None),
    "oxygen_saturation": (
        _range(50, 100, _("An oxygen saturation lies between 50 and 100 per cent. Check the number.")), None,
    ),
    "weight": (_range(20, 400, _("A weight lies between 20 and 400 kg (44 and 881 lb). Check the number and the unit.")), None),
    "height": (_range(90, 250, _("A height lies between 90 and 250 cm (35 and 98 in). Check the number and the unit.")), None),
    "liver_test": (
        _range("0.01", 300, _("ALT lies between 0.01 and 300 times the upper limit of normal. Check both numbers.")),
        _range("0.01", 300, _("AST lies between 0.01 and 300 times the upper limit of normal. Check both numbers.")),
    ),
}  # fmt: skip
WHOLE = frozenset({"blood_pressure", "heart_rate", "oxygen_saturation"})


def problem_of(kind: str, first: Decimal | None, second: Decimal | None) -> str:
    """Return what is wrong with the numbers of a measurement, as a sentence; "" when a body can have them, or none were given."""
    ranges = RANGES.get(kind)
    if ranges is None:
        return ""
    for value, limits in zip((first, second), ranges, strict=True):
        if value is not None and limits is not None and value not in limits:
            return str(limits.says)
    if kind in WHOLE and any(value is not None and value != value.to_integral_value() for value in (first, second)):
        return gettext("This is read in whole numbers. Leave out what stands behind the point.")
    if kind == "blood_pressure" and first is not None and second is not None and first <= second:
        return gettext("The systolic pressure is above the diastolic one. Check that the numbers are in their places.")
    return ""


# By how much of itself a weight may differ from the one before without a second look: pounds typed as kilograms are 2.2 times as much.
WEIGHT_SLIP = Decimal("0.2")


def is_far_from_last(kg: Decimal, last_kg: Decimal) -> bool:
    """Return whether a weight is so far from the one before that somebody looks at number and unit again."""
    return abs(kg - last_kg) > last_kg * WEIGHT_SLIP


def kilograms(pounds: Decimal) -> Decimal:
    """Return pounds as kg, to a hundredth, halves upwards."""
    return (pounds * KG_A_POUND).quantize(_CENT, ROUND_HALF_UP)


def pounds(kg: Decimal) -> Decimal:
    """Return kg as pounds, to a tenth, for reading."""
    return (kg / KG_A_POUND).quantize(Decimal("0.1"), ROUND_HALF_UP)


def centimetres(inches: Decimal) -> Decimal:
    """Return inches as cm, to a hundredth, halves upwards."""
    return (inches * CM_AN_INCH).quantize(_CENT, ROUND_HALF_UP)


def times_uln(value: Decimal, upper_limit: Decimal) -> Decimal:
    """Return a result as a multiple of the laboratory's upper limit of normal, to a hundredth and never rounded down:
    three times and a hair is above three times. Refuses (ZeroDivisionError) a limit of nought.
    """
    return (value / upper_limit).quantize(_CENT, ROUND_CEILING)
