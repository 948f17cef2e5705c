"""The office: what is set up at a location and what is missing."""

from datetime import datetime

import pytest
from django.urls import reverse

from clinic.models import OpeningHours, Role, Room
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

pytestmark = pytest.mark.django_db


def test_a_manager_begins_there(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    assert reverse("clinic:office") == "/office/"
    page = signed_in(cast.ada).get(reverse("clinic:office"))
    assert page.status_code == 200
    assert page.context["missing"] == []
    assert "12 Juniper Street" in page.content.decode()


@pytest.mark.parametrize(
    ("model", "sentence"),
    [(Room, "There is no room yet"), (OpeningHours, "counts as closed")],
)
def test_what_is_missing_comes_first_and_teaches(
    cast: Cast, signed_in: SignedIn, now: datetime, model: type[Room], sentence: str
) -> None:
    client = signed_in(cast.ada)
    model.objects.all().delete()
    page = client.get(reverse("clinic:office"))
    assert len(page.context["missing"]) == 1
    assert sentence in page.context["missing"][0]["missing"]


def test_at_a_location_of_somebody_else_it_says_so(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    """Ada is front desk in Phoenix: nothing of its office is shown, and the way back to hers is."""
    client = signed_in(cast.ada)
    client.post(reverse("clinic:switch_location"), {"location_id": str(cast.phoenix.pk)})
    page = client.get(reverse("clinic:office"))
    assert page.context["here"] is None
    assert "cards" not in page.context
    assert "You do not manage the location you are working at" in page.content.decode()
    assert f'value="{cast.denver.pk}"' in page.content.decode()


def test_who_may_not(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    for who in (cast.frida, cast.dana, cast.petra, cast.omar, cast.pat_user):
        assert signed_in(who).get(reverse("clinic:office")).status_code == 403


def test_it_asks_as_much_for_thirty_of_everything(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    client = signed_in(cast.ada)
    few = len(queries(client, reverse("clinic:office")))
    for _ in range(30):
        make.make_room(cast.denver)
        make.make_member(make.make_user(), cast.denver, Role.THERAPIST)
        make.make_member(cast.ada, make.make_location(f"Site {_}"), Role.MANAGER)
    assert len(queries(client, reverse("clinic:office"))) == few


def test_one_page_of_the_rail_is_current(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    shell = signed_in(cast.ada).get(reverse("clinic:policy")).context["shell"]
    assert [entry["label"] for entry in shell["nav"] if entry["is_current"]] == ["Policy in force"]
