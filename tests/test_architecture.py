"""The house's rules as tests, each of which says what to do when it fails (docs/architecture.md)."""

import ast
import functools
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models
from django.urls import URLPattern

from clinic.celery import app as celery_app
from clinic.checks import every_url, every_view_has_a_policy, is_ours, policy_of

ROOT = Path(settings.BASE_DIR)
FLOORS = ["clinic", "patients", "assessments", "clinic_sessions"]
PACKAGES = ["clinic", "patients", "assessments", "sessions"]


def sources(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield (path from the root, syntax tree) of every module of ours, migrations left out."""
    for folder in folders or PACKAGES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if "migrations" not in relative.parts:
                yield relative, _tree_of(path)


@functools.cache
def _tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def our_models() -> list[type[models.Model]]:
    """Return our models without the history tables that a library makes of them."""
    return [
        model
        for label in FLOORS
        for model in apps.get_app_config(label).get_models()
        if not hasattr(model, "pgh_tracked_model")
    ]


def our_urls() -> list[tuple[str, URLPattern]]:
    return [(name, pattern) for name, pattern in every_url() if is_ours(pattern)]


class TestFloors:
    """Rule 2 and 3: look down, point down."""

    @pytest.mark.parametrize(
        ("where", "line", "contract"),
        [
            ("clinic/localtime.py", "import patients.models", "Look down"),
            ("patients/actions/patients.py", "import sessions.models", "Look down"),
            ("clinic/audit.py", "import clinic.demo", "Nobody imports the roof"),
            ("sessions/models/visits.py", "import sessions.actions.visits", "Inside an app"),
            ("patients/forms/patients.py", "import patients.views.patients", "Inside an app"),
            ("clinic/models/people.py", "import clinic.views.people", "Inside clinic"),
            ("sessions/availability.py", "import clinic.models", "Pure modules"),
        ],
    )
    def test_a_planted_bad_import_breaks_its_contract(
        self, tmp_path: Path, where: str, line: str, contract: str
    ) -> None:
        for package in PACKAGES:
            shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        planted = tmp_path / where
        planted.write_text(planted.read_text() + f"\n{line}\n")
        found = subprocess.run(
            [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert found.returncode == 1, found.stdout + found.stderr
        broken = [row for row in found.stdout.splitlines() if " BROKEN" in row]
        assert any(row.startswith(contract) for row in broken), found.stdout

    def test_pure_modules_know_neither_database_nor_request(self) -> None:
        """import-linter cannot name a part of an outside package, so this names it."""
        contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        pure = next(contract for contract in contracts if contract["id"] == "pure")["source_modules"]
        assert len(pure) >= 5
        called = {
            ".".join(path.with_suffix("").parts)
            for path, tree in sources()
            if re.search(r"\b[Pp]ure\b", ast.get_docstring(tree) or "")
        }
        wrong = [name for name in called if not any(name == one or name.startswith(f"{one}.") for one in pure)]
        assert not wrong, f"These call themselves pure, and nothing holds them to it (pyproject.toml): {wrong}"
        for name in pure:
            home = ROOT / name.replace(".", "/")
            rooms = sorted(home.glob("*.py")) if home.is_dir() else [home.with_suffix(".py")]
            for path in rooms:
                assert not re.search(r"^\s*(from|import) django\.(db|http|conf)", path.read_text(), re.M), path

    def test_foreign_keys_point_down_protect_and_hide(self) -> None:
        wrong = []
        for model in our_models():
            for field in model._meta.get_fields():
                if not isinstance(field, models.ForeignKey) or not isinstance(field.remote_field.model, type):
                    continue
                target = field.remote_field.model._meta
                if target.app_label not in FLOORS:
                    wrong.append(f"{model.__name__}.{field.name} points out of the house")
                    continue
                if FLOORS.index(target.app_label) > FLOORS.index(model._meta.app_label):
                    wrong.append(f"{model.__name__}.{field.name} points up")
                if field.remote_field.on_delete is not models.PROTECT:
                    wrong.append(f"{model.__name__}.{field.name} does not PROTECT")
                # Within one noun, a parent may name its children ("plan.items").
                same_noun = target.model.__module__ == model.__module__
                if not field.remote_field.hidden and not same_noun:
                    wrong.append(f'{model.__name__}.{field.name} lacks related_name="+"')
        assert not wrong, "\n".join(wrong)

    def test_no_foreign_key_by_string(self) -> None:
        wrong = [
            f"{path}:{node.lineno}"
            for path, tree in sources()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"ForeignKey", "OneToOneField", "ManyToManyField"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
            # A row that names another of its own kind has no other way to say so.
            and node.args[0].value != "self"
        ]
        assert not wrong, f"Name the model itself, so that the import rules see it: {wrong}"


WRITES = {"create", "bulk_create", "get_or_create", "update_or_create", "bulk_update", "update", "delete", "save"}
# The audit writes its own rows; forms, access and the rest never do.
MAY_WRITE = re.compile(r"/(actions|migrations)/|^clinic/audit\.py$")


def _writes(node: ast.AST) -> bool:
    """Return whether a call writes through the ORM: ``X.objects....create()``, ``row.save(update_fields=...)``, ``Model(...).save()``."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES):
        return False
    receiver = ast.unparse(node.func.value)
    if ".objects" in receiver:
        return True
    if node.func.attr == "save":
        return "session" not in receiver
    return (
        node.func.attr == "delete"
        and "session" not in receiver
        and "cache" not in receiver
        and "client" not in receiver
    )


class TestWriting:
    """Rules 5, 10, 15, 17."""

    def test_only_actions_write(self) -> None:
        wrong = [
            f"{path}:{getattr(node, 'lineno', 0)} {ast.unparse(node)[:80]}"
            for path, tree in sources()
            if not MAY_WRITE.search(path.as_posix())
            for node in ast.walk(tree)
            if _writes(node)
        ]
        assert not wrong, "Move the write into an action of the noun it changes:\n" + "\n".join(wrong)

    def test_the_check_sees_a_planted_write(self) -> None:
        planted = ast.parse(
            "Patient.objects.filter(pk=1).update(name='x')\nrow.save(update_fields=['a'])\nrequest.session.save()"
        )
        assert [_writes(node.value) for node in planted.body if isinstance(node, ast.Expr)] == [True, True, False]

    def test_the_clock_is_passed_in(self) -> None:
        """``clock.now()`` only where a request, a task or a command begins; ``timezone.now`` nowhere."""
        may_ask = re.compile(
            r"/(views|management)/|/tasks\.py$|^clinic/(middleware|clock|accounts|devservices|devmail)\.py$"
        )
        wrong = []
        for path, tree in sources():
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and node.attr == "now":
                    said = ast.unparse(node)
                    if said == "timezone.now" or (said == "clock.now" and not may_ask.search(path.as_posix())):
                        wrong.append(f"{path}:{node.lineno} {said}")
        assert not wrong, f"Take ``now`` as an argument: {wrong}"

    def test_no_magic(self) -> None:
        wrong = []
        for model in our_models():
            if "save" in model.__dict__ or "delete" in model.__dict__:
                wrong.append(f"{model.__name__} overrides save or delete")
            if model._meta.ordering:
                wrong.append(f"{model.__name__} has Meta.ordering")
            if any(isinstance(field, GenericForeignKey) for field in model._meta.private_fields):
                wrong.append(f"{model.__name__} has a generic foreign key")
        for path, tree in sources():
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module in {"django.db.models.signals", "django.dispatch"}:
                    wrong.append(f"{path} uses signals")
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr in {"on_commit", "extra", "raw"}
                    and "objects" in ast.unparse(node)
                ):
                    wrong.append(f"{path}:{node.lineno} {ast.unparse(node)}")
        assert not wrong, "\n".join(wrong)

    def test_actions_never_call_celery(self) -> None:
        wrong = [
            f"{path}:{node.lineno}"
            for path, tree in sources()
            if "actions" in path.parts
            for node in ast.walk(tree)
            if (isinstance(node, ast.Attribute) and node.attr in {"delay", "apply_async"})
            or (isinstance(node, ast.ImportFrom | ast.Import) and "celery" in ast.unparse(node))
        ]
        assert not wrong, f"Write a row; beat finds it: {wrong}"

    def test_public_actions_are_keyword_only_and_typed(self) -> None:
        wrong = []
        for path, tree in sources():
            if "actions" not in path.parts:
                continue
            for node in tree.body:
                if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                    continue
                # What neither acts for somebody nor opens a transaction is a question, and may be asked in any form.
                acts = "by" in [a.arg for a in node.args.kwonlyargs + node.args.args] or any(
                    "atomic" in ast.unparse(decorator) for decorator in node.decorator_list
                )
                if acts and (node.args.args or node.args.posonlyargs):
                    wrong.append(f"{path}:{node.lineno} {node.name} takes positional arguments")
                if node.returns is None or not ast.get_docstring(node):
                    wrong.append(f"{path}:{node.lineno} {node.name} lacks a return type or docstring")
        assert not wrong, "\n".join(wrong)


class TestTimetable:
    def test_every_task_of_the_timetable_exists(self) -> None:
        celery_app.loader.import_default_modules()
        missing = {entry["task"] for entry in celery_app.conf.beat_schedule.values()} - set(celery_app.tasks)
        assert not missing

    def test_nothing_of_celery_uses_pickle(self) -> None:
        assert celery_app.conf.accept_content == ["json"]
        assert celery_app.conf.task_serializer == "json"


class TestViews:
    """Rules 1, 6, 7."""

    def test_every_url_has_a_policy(self) -> None:
        assert every_view_has_a_policy(None) == []

    def test_the_check_sees_a_bare_view(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _name, pattern = our_urls()[0]

        def bare(request: object) -> None:
            """Have no policy."""

        bare.__module__ = "clinic.views.home"
        monkeypatch.setattr(pattern, "callback", bare)
        assert [error.id for error in every_view_has_a_policy(None)] == ["stillwater.E001"]

    def test_view_and_url_share_a_name(self) -> None:
        wrong = [
            f"{name} is served by {p.callback.__name__}"
            for name, p in our_urls()
            if name.split(":")[-1] != p.callback.__name__
        ]
        assert not wrong, "\n".join(wrong)

    def test_every_page_template_is_some_views(self) -> None:
        views = {(p.callback.__module__.split(".")[0], p.callback.__name__) for _name, p in our_urls()}
        wrong = [
            str(path.relative_to(ROOT))
            for package in PACKAGES
            for path in (ROOT / "templates" / package).glob("*.html")
            if not path.name.startswith("_") and (package, path.stem) not in views
        ]
        assert not wrong, f"No view is called that; fragments begin with an underscore: {wrong}"

    def test_views_take_get_or_say_so(self) -> None:
        for name, pattern in our_urls():
            policy = policy_of(pattern)
            assert policy is not None
            assert policy.methods <= {"GET", "HEAD", "POST"}, name

    def test_no_escape_hatches(self) -> None:
        hatch = re.compile(r"\bmark_safe\b|\bcsrf_exempt\b|\bRawSQL\b|shell=True|\bpickle\b|yaml\.load\(")
        wrong = [str(path) for path, _tree in sources() if hatch.search((ROOT / path).read_text())]
        assert not wrong


class TestTemplates:
    """Rules 20 and 21, and the content security policy."""

    # The form library hands its field, and allauth its passkey script, everything by context.
    LIBRARY_CONTEXT = re.compile(r"templates/bootstrap5/|mfa/webauthn/snippets/scripts\.html")

    @staticmethod
    def pages() -> list[Path]:
        return sorted((ROOT / "templates").rglob("*.html"))

    def test_nothing_is_inline(self) -> None:
        inline = re.compile(
            r"""\sstyle\s*=|\son[a-z]+\s*=\s*["']|<style[\s>]|<script(?![^>]*\ssrc=)(?![^>]*type="application/json")|javascript:""",
            re.I,
        )
        wrong = [
            f"{path.relative_to(ROOT)}: {found.group(0)!r}"
            for path in self.pages()
            if "letters" not in path.parts
            for found in inline.finditer(path.read_text())
        ]
        assert not wrong, "The content security policy refuses this:\n" + "\n".join(wrong)

    def test_nothing_is_marked_safe(self) -> None:
        wrong = [
            str(p.relative_to(ROOT)) for p in self.pages() if re.search(r"\|\s*safe\b|autoescape off", p.read_text())
        ]
        assert not wrong

    def test_includes_say_only(self) -> None:
        wrong = [
            f"{path.relative_to(ROOT)}: {tag}"
            for path in self.pages()
            for tag in re.findall(r"{%\s*include\s[^%]*%}", path.read_text())
            if not re.search(r"\bonly\s*%}$", tag) and not self.LIBRARY_CONTEXT.search(path.as_posix() + tag)
        ]
        assert not wrong, "\n".join(wrong)

    def test_templates_do_not_compare_states(self) -> None:
        wrong = [
            f"{path.relative_to(ROOT)}: {tag}"
            for path in self.pages()
            for tag in re.findall(r"{%\s*(?:el)?if\s[^%]*%}", path.read_text())
            if re.search(r"(?:\.|\b)(?:status|life_state)\s*(?:==|!=|in\b)", tag) and "components" not in path.parts
        ]
        assert not wrong, "Ask a property of the model instead:\n" + "\n".join(wrong)

    def test_templates_ask_no_queries(self) -> None:
        wrong = [
            str(p.relative_to(ROOT))
            for p in self.pages()
            if re.search(r"\.objects\b|_set\.all|\.filter\b", p.read_text())
        ]
        assert not wrong


class TestTree:
    def test_every_test_folder_is_a_package(self) -> None:
        """Without ``__init__.py`` tests/sessions would shadow the app."""
        missing = [
            str(p)
            for p in (ROOT / "tests").rglob("*/")
            if p.name != "__pycache__" and any(p.glob("*.py")) and not (p / "__init__.py").exists()
        ]
        assert not missing

    def test_no_forbidden_rooms(self) -> None:
        words = {"utils", "common", "core", "misc", "services", "selectors", "managers", "helpers", "base"}
        wrong = [str(path) for path, _tree in sources() if path.stem in words or words & set(path.parts[:-1])]
        assert not wrong

    def test_every_module_opens_with_a_docstring(self) -> None:
        wrong = [str(path) for path, tree in sources() if tree.body and not ast.get_docstring(tree)]
        assert not wrong, wrong

    def test_what_a_checker_is_told_to_pass_over_has_a_reason(self) -> None:
        told = re.compile(r"# (?:type: ignore|noqa)(?:\[[a-z, -]+\]|: ?[A-Z]+\d+(?:, ?[A-Z]+\d+)*)?(?P<reason>.*)")
        wrong = [
            f"{path}:{number}"
            for folder in (*PACKAGES, "tests")
            for path in sorted((ROOT / folder).rglob("*.py"))
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if (found := told.search(line)) and not re.search(r"\w", found["reason"])
        ]
        assert not wrong, f"Say on the line why it is right all the same: {wrong}"

    def test_every_test_asserts(self) -> None:
        """A test that only calls stays green when the rule is lost. What it calls may assert in its place."""
        asserting = {"raises", "fail", "expect", "wait_for_url", "django_assert_num_queries"}
        functions: list[tuple[str, str, set[str]]] = []
        for path, tree in sources("tests"):
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    parts = list(ast.walk(node))
                    calls = [part.func for part in parts if isinstance(part, ast.Call)]
                    said = {call.id for call in calls if isinstance(call, ast.Name)}
                    said |= {call.attr for call in calls if isinstance(call, ast.Attribute)}
                    if any(isinstance(part, ast.Assert) for part in parts):
                        said.add("raises")
                    functions.append((f"{path}:{node.lineno}", node.name, said))
        while more := {name for _where, name, said in functions if said & asserting} - asserting:
            asserting |= more
        tests = [one for one in functions if one[1].startswith("test_")]
        assert len(tests) > 1000
        wrong = [f"{where} {name}" for where, name, said in tests if not said & asserting]
        assert not wrong, f"These look at nothing: {wrong}"

    def test_the_project_speaks_of_itself_alone(self) -> None:
        """No registry hosts and no machine's paths in what is committed."""
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        names = [name for name in tracked.split("\0") if name and (ROOT / name).is_file()]
        assert len(names) > 100
        hosts = re.compile(
            "|".join(
                [
                    "registry\\.npm" + "js",
                    "files\\.python" + "hosted",
                    "py" + "pi\\.org",
                    re.escape(f"{ROOT}/"),
                ]
            )
        )
        wrong = [
            name
            for name in names
            if not name.endswith((".png", ".ico", ".woff2")) and hosts.search((ROOT / name).read_text(errors="replace"))
        ]
        assert not wrong, wrong
