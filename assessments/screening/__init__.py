"""What speaks against a dose: facts and limits in, flags out. Pure, deterministic, and every rule under its own name.

Here are the rules of domain.md 1.2 (who may be treated), 1.3 (contraindications and cautions) and 1.4 (medicines), as rows where a row
says it all and as small functions where it does not. What a rule and a flag are is in ``rules.py``; the rules are in ``eligible.py``,
``conditions.py``, ``mind.py`` and ``medicines.py``; whoever asks asks here. Not here: the facts (assessments/facts.py), how a medicine's name is read
(assessments/medicines.py), how long a decision holds (eligibility.py), and the decisions themselves, which are a prescriber's.

Four habits of every rule:

- What nobody asked is a flag of its own, never a pass.
- Of two facts that contradict each other the more severe one counts, and the flag names the other.
- A BLOCK goes only by what its flag says lifts it: a correction that a prescriber made or confirmed, unless the rule says that
  anybody may (an escort is found, a test is done). A correction by anybody else is kept in sight until a prescriber looks at it.
- No number is written in a rule: all come from the policy in force, through ``ScreeningLimits``.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from assessments.facts import Fact, Facts
from assessments.screening import eligible, mind  # noqa: F401 - their rules enter themselves in rules.py when they are read
from assessments.screening.conditions import CONDITION_ROWS, ConditionRow, _row_rule
from assessments.screening.medicines import MEDICINE_ROWS, WITHOUT_RULE, MedicineRow, _medicine_rule
from assessments.screening.rules import (
    BLOCK,
    Binds,
    Finding,
    Flag,
    Rule,
    ScreeningLimits,
    Severity,
    View,
    _rules,
)

# Raised with any change of any rule; each rule has its own version beside its code.
RULE_SET_VERSION = "3"

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (*(_row_rule(row) for row in CONDITION_ROWS), *(_medicine_rule(row) for row in MEDICINE_ROWS), *_rules),
        key=lambda rule: rule.code,
    )
)


def _standing(facts: tuple[Fact, ...], *, prescribers_only: bool) -> list[Fact]:
    """Return the facts that no other fact corrects, directly or through a chain of corrections. With ``prescribers_only`` a chain
    counts only from a prescriber's fact downwards. A fact corrects only what was written before it, so no circle can hide facts.
    """
    by_id = {fact.id: fact for fact in facts}
    gone: set[str] = set()
    for fact in facts:
        if prescribers_only and not fact.by_prescriber:
            continue
        above = fact
        while (below := by_id.get(above.corrects or "")) and (below.written_at, below.id) < (
            above.written_at,
            above.id,
        ):
            gone.add(below.id)
            above = below
    return [fact for fact in facts if fact.id not in gone]


def _order(flag: Flag) -> tuple[Any, ...]:
    return (flag.severity.rank, flag.code, flag.finding, flag.trigger or "", flag.says, repr(flag.details))


def screen(facts: Facts, limits: ScreeningLimits, now: datetime) -> tuple[Flag, ...]:
    """Return every flag that the facts raise at ``now``, most severe first, then by code. The order of the facts does not matter.

    ``now`` carries the clinic's zone, whose days count. The rules of the day are asked when ``facts.dosing_at`` is set. A BLOCK whose fact
    was corrected by somebody other than a prescriber stays, marked as awaiting one. Source: domain.md 1.2 to 1.4.
    """
    if now.tzinfo is None:
        raise ValueError("The moment names its zone.")
    view = View(facts, _standing(facts.known, prescribers_only=False), limits, now)
    strict = View(facts, _standing(facts.known, prescribers_only=True), limits, now)
    flags: list[Flag] = []
    for rule in RULES:
        raised = list(rule.run(rule, view))
        flags += raised
        if not rule.anyone_lifts and len(strict.standing) != len(view.standing):
            blocked = {flag.trigger for flag in raised if flag.severity is BLOCK and not flag.is_question}
            flags += (
                replace(flag, awaits_prescriber=True)
                for flag in rule.run(rule, strict)
                if flag.severity is BLOCK and not flag.is_question and flag.trigger not in blocked
            )
    return tuple(sorted(dict.fromkeys(flags), key=_order))


__all__ = [
    "CONDITION_ROWS", "MEDICINE_ROWS", "RULES", "RULE_SET_VERSION", "WITHOUT_RULE", "Binds", "ConditionRow", "Finding", "Flag",
    "MedicineRow", "Rule", "ScreeningLimits", "Severity", "View", "screen",
]  # fmt: skip
