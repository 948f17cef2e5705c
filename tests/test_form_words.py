"""Every form of every page says what is wrong in our own words (clinic/forms/words.py)."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser

import pytest
from django import forms
from django.core import validators
from django.test import Client
from django.utils.html import escape

from clinic.checks import policy_of
from clinic.forms import words
from tests import matrix_records
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.pages import LOOKS, get_urls, more_records, paths_of, person

# What a careless or hostile hand sends in every field at once.
TYPED = ("", "zzz", "\x00", "9" * 5000, "0001-01-01", "@")


def _kinds(module: object, base: type) -> Iterator[type]:
    for _name, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, base):
            yield kind


def _librarys_sentences() -> list[str]:
    """Return the fixed beginnings of what Django says by its fields and validators, as a page shows them."""
    said = {
        str(sentence)
        for kind in _kinds(forms.fields, forms.Field)
        for sentence in kind.__dict__.get("default_error_messages", {}).values()
    }
    said |= {
        "Ensure this value",
        "Ensure this value has at",
        "Enter a valid email address.",
        str(validators.EmailValidator.message),
    }
    return sorted({escape(str(sentence).partition("%(")[0].strip()) for sentence in said} - {""})


LIBRARYS = [sentence for sentence in _librarys_sentences() if len(sentence) > 12]


class Controls(HTMLParser):
    """The names of the controls of the forms that a page sends by POST."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.posts = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "form":
            self.posts = (told.get("method") or "").lower() == "post"
        elif self.posts and tag in {"input", "select", "textarea"} and told.get("name"):
            self.names.add(str(told["name"]))


def _our_forms() -> Iterator[type[forms.BaseForm]]:
    for app in ("clinic", "patients", "sessions"):
        package = importlib.import_module(f"{app}.forms")
        for module in pkgutil.iter_modules(package.__path__):
            found = importlib.import_module(f"{app}.forms.{module.name}")
            yield from (kind for kind in _kinds(found, forms.BaseForm) if kind.__module__ == found.__name__)


def test_every_form_of_ours_is_of_the_house() -> None:
    """allauth's are reworded where their views are wrapped (clinic/views/accounts.py)."""
    wrong = [
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in _our_forms()
        if not issubclass(kind, words.Form) and not any(base.__module__.startswith("allauth.") for base in kind.__mro__)
    ]
    assert not wrong, f"Inherit words.Form instead of forms.Form: {wrong}"


def test_what_the_library_says_is_known() -> None:
    assert "This field is required." in LIBRARYS
    assert len(LIBRARYS) > 10


@pytest.mark.django_db
@pytest.mark.long
def test_no_page_says_it_in_the_librarys_words(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    records = more_records(cast, matrix_records.make_all(cast))
    wrong, seen = set(), 0
    takes = [key for key, pattern in get_urls().items() if "POST" in getattr(policy_of(pattern), "methods", ())]
    for key in takes:
        # What is not listed yet is told by tests/test_query_counts.py; what has a way in of its own, by its own tests.
        if key not in LOOKS or LOOKS[key].way_in:
            continue
        who = person(cast, LOOKS[key])
        path = paths_of(key, records)[0]
        names = Controls((signed_in(who) if who else Client()).get(path).content.decode()).names - {
            "csrfmiddlewaretoken"
        }
        for typed in TYPED:
            client = signed_in(who) if who else Client()
            response = client.post(path, {name: typed for name in names if name not in {"next", "entry_key"}})
            if response.status_code != 422:
                continue
            seen += 1
            page = response.content.decode()
            wrong |= {f"{key} with {typed[:5]!r}: {said}" for said in LIBRARYS if said in page}
    assert seen > 60, "the walk has lost its way"
    assert not wrong, "\n".join(sorted(wrong))


class Everything(words.Form):
    name = forms.CharField(max_length=5)
    email = forms.EmailField(required=False)
    number = forms.IntegerField(required=False, min_value=2, max_value=9)
    day = forms.DateField(required=False)
    kind = forms.ChoiceField(required=False, choices=[("a", "A")])
    agreed = forms.BooleanField()
    own = forms.CharField(error_messages={"required": "Write the own."})


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({}, "name", "Please fill this in."),
        ({}, "agreed", "Tick this to go on."),
        ({}, "own", "Write the own."),
        ({"name": "x" * 7}, "name", "This is too long: it has 7 characters, and there is room for 5."),
        ({"name": "\x00"}, "name", "There is a character in this that cannot be kept. Write it again."),
        ({"email": "x"}, "email", "Enter an e-mail address like name@example.com."),
        ({"number": "x"}, "number", "Write a whole number."),
        ({"number": "1"}, "number", "This has to be 2 at least."),
        ({"number": "10"}, "number", "This can be 9 at most."),
        ({"day": "x"}, "day", "Write a day like 2027-01-31."),
        ({"kind": "b"}, "kind", "Choose one of those offered."),
    ],
)
def test_sentences(typed: dict[str, str], field: str, sentence: str) -> None:
    assert Everything(typed).errors[field] == [sentence]


def test_a_form_nobody_sent_has_no_errors() -> None:
    assert Everything().errors == {}
