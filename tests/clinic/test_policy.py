"""The policy page: every limit in force by name, with its unit and source, and who answers for it."""

import copy
from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from clinic import policy
from clinic.policy_words import BY_PATH, leaves, shown
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

pytestmark = pytest.mark.django_db


def test_every_limit_has_words_and_every_word_a_limit() -> None:
    assert set(BY_PATH) == {path for path, _value in leaves(policy.FIRST_LIMITS)}


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("bp", "pre_red"), [160, 100], "160/100 mmHg"),
        (("vitals", "hr"), [50, 110], "50 to 110 per minute"),
        (("reminders", "offsets_h"), [168, 72, 24, 2], "168, 72, 24 and 2 hours before"),
        (("reminders", "offsets_h"), [24], "24 hours before"),
        (("sedation", "scale"), "MOAAS", "MOAAS"),
        (("vitals", "temp_max_c"), 38.0, "38.0 °C"),
        (("something", "new"), 7, "7"),
    ],
)
def test_a_value_is_read_with_its_unit(path: tuple[str, ...], value: object, text: str) -> None:
    assert shown(path, value) == text


def test_what_is_in_force_and_who_answers_for_it(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    page = signed_in(cast.ada).get(reverse("clinic:policy"))
    text = page.content.decode()
    assert "Policy in force: version 1" in text
    assert "Approved by Dana Deng" in text
    shown_limits = [limit for section in page.context["sections"] for limit in section["limits"]]
    assert len(shown_limits) == len(BY_PATH)
    assert all(str(limit["source"]).startswith("domain") for limit in shown_limits)


def test_a_limit_without_words_is_never_hidden(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    values = {**copy.deepcopy(policy.FIRST_LIMITS), "brand_new": {"limit": 3}}
    make.make_policy(cast.dana, values, number=2)
    assert "brand_new.limit" in signed_in(cast.ada).get(reverse("clinic:policy")).content.decode()


def test_the_history_says_what_changed(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    values = copy.deepcopy(policy.FIRST_LIMITS)
    values["bp"]["pre_red"] = [155, 95]
    make.make_policy(cast.dana, values, number=2, effective_at=make.NOON + timedelta(days=1))
    page = signed_in(cast.ada).get(reverse("clinic:policy"))
    newest, oldest = page.context["versions"]
    assert (newest["state"], oldest["state"]) == ("Approved, not in force yet", "In force")
    (change,) = newest["changes"]
    assert (change["label"], change["was"], change["is"]) == (
        "Before a dose: no dose from",
        "160/100 mmHg",
        "155/95 mmHg",
    )
    assert oldest["changes"] == []


def test_who_may(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    for who, status in ((cast.dana, 200), (cast.nina, 200), (cast.frida, 403), (cast.milo, 403), (cast.pat_user, 403)):
        assert signed_in(who).get(reverse("clinic:policy")).status_code == status


def test_it_asks_as_much_for_thirty_versions(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    client, path = signed_in(cast.ada), reverse("clinic:policy")
    few = len(queries(client, path))
    for number in range(2, 32):
        make.make_policy(cast.dana, number=number)
    assert len(queries(client, path)) == few
