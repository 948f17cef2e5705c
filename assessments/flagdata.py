"""A flag as a row keeps it: everything the rule said, as plain JSON, and back again so that its sentence can be told to anybody.

Sentences are kept as the rules wrote them and translated when they are read. What a sentence speaks of (a condition, a day, a
number) is kept with its kind, because a label has to be found anew in the reader's language.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from assessments.facts import ConditionKind
from assessments.screening import Binds, Finding, Flag, Severity

Data = dict[str, Any]
CONDITIONS = frozenset(ConditionKind)


def as_data(flag: Flag) -> Data:
    """Return the whole flag as JSON. Two flags are the same if, and only if, their data are. Refuses (TypeError) a detail of an unknown kind."""
    return {
        "code": flag.code,
        "rule_version": flag.rule_version,
        "severity": flag.severity.value,
        "finding": flag.finding.value,
        "trigger": flag.trigger,
        "says": flag.says,
        "lifts": flag.lifts,
        "details": [[name, _packed(value)] for name, value in flag.details],
        "evidence": list(flag.evidence),
        "contradicted_by": list(flag.contradicted_by),
        "lifted_by": sorted(flag.lifted_by),
        "binds": flag.binds.value,
        "expires_on": flag.expires_on.isoformat() if flag.expires_on else None,
        "override_needs": flag.override_needs,
        "is_soft": flag.is_soft,
        "ask_before_dose": flag.ask_before_dose,
        "awaits_prescriber": flag.awaits_prescriber,
    }


def flag_of(data: Data) -> Flag:
    """Return the flag that ``as_data`` packed. A condition that no list knows any more is told by its code."""
    return Flag(
        code=data["code"],
        rule_version=data["rule_version"],
        severity=Severity(data["severity"]),
        finding=Finding(data["finding"]),
        trigger=data["trigger"],
        says=data["says"],
        lifts=data["lifts"],
        details=tuple((name, _unpacked(value)) for name, value in data["details"]),
        evidence=tuple(data["evidence"]),
        contradicted_by=tuple(data["contradicted_by"]),
        lifted_by=frozenset(data["lifted_by"]),
        binds=Binds(data["binds"]),
        expires_on=date.fromisoformat(data["expires_on"]) if data["expires_on"] else None,
        override_needs=data["override_needs"],
        is_soft=data["is_soft"],
        ask_before_dose=data["ask_before_dose"],
        awaits_prescriber=data["awaits_prescriber"],
    )


def _packed(value: Any) -> Any:
    match value:
        case tuple():
            return [_packed(one) for one in value]
        case ConditionKind():
            return {"condition": value.value}
        case Decimal():
            return {"decimal": str(value)}
        case date():
            return {"day": value.isoformat()}
        case str() | int():
            return value
    raise TypeError(f"A flag speaks of texts, numbers, days and conditions, not of {type(value).__name__}.")


def _unpacked(value: Any) -> Any:
    match value:
        case list():
            return tuple(_unpacked(one) for one in value)
        case {"condition": code}:
            return ConditionKind(code) if code in CONDITIONS else code
        case {"decimal": number}:
            return Decimal(number)
        case {"day": day}:
            return date.fromisoformat(day)
    return value
