"""Enter in a field presses a form's first button. It must be the one that does what the form says, and nothing rarer."""

from datetime import datetime
from html.parser import HTMLParser
from typing import Any

from django.urls import reverse

from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.sessions.booking import TEN, book


class _Forms(HTMLParser):
    """The first submit button of each form, with what it would send."""

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, dict[str, str | None]] = {}
        self._form = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self._form = values.get("id") or ""
        elif tag == "button" and self._form and values.get("type", "submit") == "submit":
            self.first.setdefault(self._form, values)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = ""


def default_button(response: Any, form: str) -> dict[str, str | None]:
    parser = _Forms()
    parser.feed(response.content.decode())
    return parser.first[form]


def test_registering_never_links_to_somebody_else_by_enter(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    cast.rosa.status, cast.rosa.accepted_at = "accepted", now
    cast.rosa.save()
    make.make_patient(cast.denver, "Rosa", "Vega", email="rosa@post.example")
    response = signed_in(cast.frida).post(
        reverse("patients:register_patient"),
        {
            "given_name": "Rosa", "family_name": "Vega", "birth_date": "1990-01-01", "email": "rosa@post.example",
            "home_location": cast.denver.pk, "referral": cast.rosa.pk,
        },
    )  # fmt: skip
    assert "It is this person" in response.content.decode()
    button = default_button(response, "register")
    assert "formaction" not in button
    assert "name" not in button, "not “register anyway” either"


def test_booking_never_takes_an_alternative_by_enter(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    book(cast, cast.pat)
    slot = f"{TEN:%Y-%m-%dT%H:%MZ}~{cast.dana.pk}~{cast.room.pk}"
    url = reverse("sessions:book_intake") + f"?patient={cast.quinn.pk}"
    response = signed_in(cast.frida).post(url, {"slot": slot})
    assert response.context["alternatives"]
    assert "name" not in default_button(response, "book")
