"""The documents that must agree with the code: the access table, the glossary, the hazards, the decisions."""

import os
import re
from pathlib import Path

from django.conf import settings

from clinic.access import CARE_TEAM_PERMISSIONS, ROLE_PERMISSIONS, Permission
from clinic.models import Role

ROOT = Path(settings.BASE_DIR)
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def access_table() -> str:
    """Return the role table as Markdown, the way docs/access.md shows it."""
    head = "| permission | " + " | ".join(str(role.label) for role in Role) + " |"
    rule = "| --- |" + " --- |" * len(Role)
    rows = []
    for permission in Permission:
        mark = " (care team)" if permission in CARE_TEAM_PERMISSIONS else ""
        cells = ["yes" if permission in ROLE_PERMISSIONS[role] else "" for role in Role]
        rows.append(f"| `{permission}`{mark} | " + " | ".join(cells) + " |")
    return "\n".join([head, rule, *rows])


def test_access_table_is_the_codes() -> None:
    """Run with UPDATE_ACCESS_TABLE=1 to print the table anew after a change of roles that somebody reviewed."""
    path = ROOT / "docs" / "access.md"
    text = path.read_text()
    before, rest = text.split(BEGIN)
    shown, after = rest.split(END)
    if os.environ.get("UPDATE_ACCESS_TABLE"):
        path.write_text(f"{before}{BEGIN}\n{access_table()}\n{END}{after}")
        return
    assert shown.strip() == access_table()


def test_permissions_are_in_alphabetical_order() -> None:
    names = [permission.name for permission in Permission]
    assert names == sorted(names)


def test_every_hazard_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "hazards.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) == text.count("`tests/"), "each as `tests/file.py::test_name`, without its class"
    missing = [f"{path}::{test}" for path, test in named if not re.search(rf"def {test}\b", (ROOT / path).read_text())]
    assert not missing


def test_every_direct_library_has_a_decision() -> None:
    """A library that nobody can say why we have is one we cannot leave."""
    project = (ROOT / "pyproject.toml").read_text()
    direct = set(re.findall(r'^  "([a-z0-9-]+)', project.split("[dependency-groups]")[0], re.M))
    assert len(direct) > 15
    said = " ".join(path.read_text().lower() for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert not {name for name in direct if name not in said}


def test_links_between_documents_lead_somewhere() -> None:
    wrong = []
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text()):
            if not (path.parent / target).exists():
                wrong.append(f"{path.relative_to(ROOT)} -> {target}")
    assert not wrong
