"""Pages for patients and strangers bear the neutral name that letters bear, and never the product's."""

import re
from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from clinic import homelocation
from clinic.models import Location
from tests.cast import Cast
from tests.conftest import SignedIn

PUBLIC = [
    "patients:welcome", "patients:enquire", "patients:enquiry_sent", "clinic:help_now", "account_login",
    "account_request_login_code", "account_reset_password", "account_signup",
]  # fmt: skip
PORTAL = ["sessions:portal_home", "sessions:portal_visits", "patients:portal_me", "mfa_index", "clinic:my_sessions"]


@pytest.fixture
def renamed(cast: Cast) -> Cast:
    for place, alias in ((cast.denver, "Juniper Street"), (cast.phoenix, "Saguaro Way")):
        place.alias = alias
        place.save(update_fields=["alias"])
    return cast


def names_on(page: str) -> list[str]:
    """Return the name in the title, the one in the header and the one in the footer, where there is one."""
    found = re.search(r"<title>.*?</title>", page, re.S)
    assert found
    title = found[0].removesuffix("</title>").rpartition(" · ")[2] if " · " in found[0] else found[0]
    header = re.search(r'class="brand".*?<span>(.*?)</span>', page, re.S)
    footer = re.search(r'class="footer-name">(.*?)</p>', page)
    assert header
    return [title, header[1], *([footer[1]] if footer else [])]


@pytest.mark.parametrize("name", PORTAL)
@pytest.mark.parametrize(("who", "alias"), [("pat_user", "Juniper Street"), ("sol_user", "Saguaro Way")])
def test_a_patient_reads_the_name_of_their_own_location(
    renamed: Cast, signed_in: SignedIn, now: datetime, name: str, who: str, alias: str
) -> None:
    page = signed_in(getattr(renamed, who)).get(reverse(name)).content.decode()
    assert set(names_on(page)) == {alias}
    assert "Stillwater" not in page


@pytest.mark.parametrize("name", PUBLIC)
def test_a_stranger_reads_the_one_name_that_all_share(cast: Cast, name: str) -> None:
    page = Client().get(reverse(name)).content.decode()
    assert names_on(page) == ["Juniper Street"] * 3
    assert "Stillwater" not in page


def test_a_stranger_reads_every_name_where_they_differ(renamed: Cast) -> None:
    page = Client().get(reverse("account_login")).content.decode()
    assert "Juniper Street · Saguaro Way</title>" in page
    assert names_on(page)[1:] == ["Juniper Street · Saguaro Way"] * 2


def test_a_place_that_closed_is_not_named(renamed: Cast, now: datetime) -> None:
    renamed.phoenix.closed_on = now.date()
    renamed.phoenix.save(update_fields=["closed_on"])
    assert homelocation.public_name() == "Juniper Street"


def test_the_name_is_kept_and_can_be_forgotten(renamed: Cast) -> None:
    before = homelocation.public_name()
    Location.objects.update(alias="Elm Row")
    assert homelocation.public_name() == before
    homelocation.forget()
    assert homelocation.public_name() == "Elm Row"


def test_before_there_is_a_location_pages_have_a_name(db: None) -> None:
    assert homelocation.public_name() == "Stillwater"


def test_a_patient_whose_portal_was_closed_still_gets_a_page(renamed: Cast, signed_in: SignedIn) -> None:
    renamed.pat.portal_user = renamed.pat.portal_since = None
    renamed.pat.save(update_fields=["portal_user", "portal_since"])
    page = signed_in(renamed.pat_user).get(reverse("clinic:help_now")).content.decode()
    assert names_on(page)[1] == "Juniper Street · Saguaro Way"


def test_staff_read_where_they_work(renamed: Cast, signed_in: SignedIn, now: datetime) -> None:
    page = signed_in(renamed.omar).get(reverse("sessions:today")).content.decode()
    assert '<span class="rail-word">Saguaro Way</span>' in page


def test_a_name_is_text_and_not_markup(cast: Cast, signed_in: SignedIn) -> None:
    Location.objects.update(alias="<b>Elm & Row</b>")
    assert "&lt;b&gt;Elm &amp; Row&lt;/b&gt;" in Client().get(reverse("account_login")).content.decode()
    page = signed_in(cast.pat_user).get(reverse("patients:portal_me")).content.decode()
    assert "&lt;b&gt;Elm &amp; Row&lt;/b&gt;" in page
    assert "<b>Elm" not in page
