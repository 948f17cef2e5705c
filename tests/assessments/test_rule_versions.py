"""A rule that changed says so: its version is raised with it, so that a flag on record can be read as it was meant.

Run with UPDATE_RULE_VERSIONS=1 after raising the version of what changed; that writes rule_versions.json anew.
"""

import ast
import hashlib
import inspect
import json
import os
import re
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

from assessments import medicines, screening
from assessments.screening import conditions, mind, rules
from assessments.screening import medicines as medicine_rules

PATH = Path(__file__).with_name("rule_versions.json")
# What many rules stand on. A change here changes the set.
SHARED = (
    rules.View, conditions._conditions, medicine_rules._medicines, medicine_rules._on_the_day, medicine_rules._taken_within, medicine_rules._taken,
    conditions._liver, conditions._last_day, screening._standing, screening.screen, medicines.difference, medicines._by_spelling, medicines._Line,
    medicines.recognise,
)  # fmt: skip


def fingerprint(*things: Any) -> str:
    """Return twelve letters that change with what the code does say, and not with its docstrings, comments and line breaks."""
    said = []
    for thing in things:
        if isinstance(thing, partial):
            thing = thing.keywords["row"]
        if isinstance(thing, screening.ConditionRow | screening.MedicineRow):
            said.append(repr(thing))
            continue
        source = inspect.getsource(thing)
        for node in ast.walk(ast.parse(textwrap.dedent(source))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (doc := ast.get_docstring(node, clean=False)):
                source = source.replace(doc, "")
        said.append("".join(re.sub(r"(?m)#.*$", "", source).split()))
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


def now() -> dict[str, list[Any]]:
    # A row that a function names by a constant is part of the rule.
    rows = {
        "PSY-PSYHX": mind.PSYCHOSIS_HISTORY, "SUB-SUD": mind.SUBSTANCE_USE, "HEP-SEV": conditions.SEVERE_LIVER,
        "HEP-MOD": conditions.MODERATE_LIVER, "RESP": conditions.BREATHING,
    }  # fmt: skip
    versions: dict[str, list[Any]] = {
        rule.code: [
            rule.version,
            fingerprint(rule.run, *([rows[rule.code]] if rule.code in rows else [])),
        ]
        for rule in screening.RULES
    }
    return {"the rule set": [screening.RULE_SET_VERSION, fingerprint(*SHARED)], **versions}


def test_a_changed_rule_has_a_new_version() -> None:
    kept: dict[str, list[Any]] = json.loads(PATH.read_text()) if PATH.exists() else {}
    current = now()
    unsaid = [
        code for code, (version, mark) in current.items()
        if code in kept and kept[code][1] != mark and kept[code][0] == version
    ]  # fmt: skip
    assert not unsaid, f"Raise the version of what changed, and RULE_SET_VERSION with it: {unsaid}"
    if os.environ.get("UPDATE_RULE_VERSIONS"):
        PATH.write_text(json.dumps(current, indent=1) + "\n")
        return
    assert kept == current, "Run this test with UPDATE_RULE_VERSIONS=1 and review what it writes."


def test_the_fingerprint_sees_a_change_and_no_comment() -> None:
    def one() -> int:
        """Return one."""
        return 1  # for certain

    def two() -> int:
        return 2

    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(two)
    assert "certain" not in "".join(re.sub(r"(?m)#.*$", "", inspect.getsource(one)).split())
