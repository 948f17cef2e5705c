"""The letters page: what is in trouble comes first, and a person says what became of it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic import channels, keyset
from clinic.actions import outbox
from clinic.models import AuditEvent, OutboundMessage, WorkItem
from tests import factories as make

NOON = make.NOON
Reason = outbox.Reason
UNKNOWN = channels.OutcomeUnknown(Reason.NO_ANSWER, "the line went dead")
REFUSED = channels.Permanent(Reason.ADDRESS_REFUSED, "550 5.1.1 no such user")


@pytest.fixture
def queue(cast):
    def make_one(patient=None, location=None, **fields):
        patient = patient or cast.pat
        to = outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT,
            id=patient.pk,
            address=patient.email,
            tz=ZoneInfo("America/Denver"),
        )
        version = OutboundMessage.objects.count() + 1
        values = {
            "schedule_version": version,
            "subject_type": "patient",
            "subject_id": patient.pk,
            "location_id": (location or cast.denver).pk,
        }
        return outbox.queue(by=cast.frida, kind="address_changed", to=to, now=NOON, **{**values, **fields})  # fmt: skip

    return make_one


def settle_as(cast, error=None, *, now=NOON):
    def send(letter):
        if error is not None:
            raise error
        return "id"

    return outbox.deliver_next(by=cast.sam, now=now, send=send)


@pytest.fixture
def page(now, cast, signed_in):
    def get(who=cast.frida, show="", **more):
        return signed_in(who).get(reverse("clinic:messages"), {"show": show, **more} if show or more else {})

    return get


def in_trouble(cast, queue, error=UNKNOWN):
    message = queue(subject_id=cast.pat.pk)
    settle_as(cast, error)
    message.refresh_from_db()
    return message


def test_trouble_first(cast, queue, page):
    in_trouble(cast, queue)
    body = page().content.decode()
    for words in (
        "Pat Moreau", "pat@post.example", "outcome unknown", "The provider took the letter and did not answer.",
        "the line went dead", "It arrived", "It did not arrive", "Told another way", "status-unknown",
    ):  # fmt: skip
        assert words in body, words
    assert reverse("patients:patient", args=[cast.pat.pk]) in body


@pytest.mark.parametrize(
    ("show", "words"),
    [
        ("", "wait here for a decision"),
        ("waiting", "queue here until their time comes"),
        ("sent", "Letters that left are listed here"),
        ("not_sent", "listed here with the reason"),
        ("made-up", "wait here for a decision"),
    ],
)
def test_empty_lists_teach(page, show, words):
    assert words in page(show=show).content.decode()


def test_each_letter_in_its_list(cast, queue, page):
    sent = queue()
    settle_as(cast)
    failed = in_trouble(cast, queue, REFUSED)
    void = queue(subject_id=cast.quinn.pk)
    outbox.void(subject_type="patient", subject_id=cast.quinn.pk, reason="visit_moved", now=NOON)
    waiting = queue(subject_id=cast.sol.pk, not_before=NOON + timedelta(hours=5))

    def shown(show):
        return [entry.id for entry in page(show=show).context["entries"]]

    assert shown("") == [failed.pk]
    assert shown("waiting") == [waiting.pk]
    assert shown("sent") == [sent.pk]
    assert set(shown("not_sent")) == {failed.pk, void.pk}
    body = page(show="waiting").content.decode()
    assert "from Wed 13 Jan 2027 14:00 MST" in body


def test_it_arrived(cast, queue, page, signed_in):
    message = in_trouble(cast, queue)
    client = signed_in(cast.frida)
    response = client.post(reverse("clinic:settle_message", args=[message.pk]), {"outcome": "arrived"}, follow=True)
    assert "Noted: the letter arrived." in response.content.decode()
    message.refresh_from_db()
    assert (message.status, message.settled_by_id) == ("sent", cast.frida.pk)
    assert not WorkItem.objects.open().exists()


def test_it_did_not_arrive_and_then_was_told(cast, queue, page, signed_in):
    message = in_trouble(cast, queue)
    client, url = signed_in(cast.frida), reverse("clinic:settle_message", args=[message.pk])
    body = client.post(url, {"outcome": "not_arrived"}, follow=True).content.decode()
    assert "Somebody here found out that it did not arrive." in body
    assert "Told another way" in body
    assert "It arrived" not in body
    body = client.post(url, {"outcome": "handled"}, follow=True).content.decode()
    assert "was told another way" in body
    assert "wait here for a decision" in body


def test_twice_is_refused_with_a_sentence(cast, queue, now, signed_in):
    message = in_trouble(cast, queue)
    client, url = signed_in(cast.frida), reverse("clinic:settle_message", args=[message.pk])
    client.post(url, {"outcome": "arrived"})
    response = client.post(url, {"outcome": "arrived"})
    assert response.status_code == 422
    assert "Nobody needs to decide about this letter any more." in response.content.decode()


@pytest.mark.parametrize("outcome", ["", "maybe", "sent"])
def test_a_made_up_outcome(cast, queue, now, signed_in, outcome):
    message = in_trouble(cast, queue)
    response = signed_in(cast.frida).post(reverse("clinic:settle_message", args=[message.pk]), {"outcome": outcome})
    assert response.status_code == 422
    message.refresh_from_db()
    assert message.status == "unknown"


def test_by_htmx_only_the_list_comes(cast, queue, now, signed_in):
    message = in_trouble(cast, queue)
    client = signed_in(cast.frida)
    url = reverse("clinic:settle_message", args=[message.pk])
    refused = client.post(url, {"outcome": "maybe"}, headers={"HX-Request": "true"})
    assert refused.status_code == 422
    assert refused.content.decode().lstrip().startswith('<section id="letters"')
    assert client.post(url, {"outcome": "arrived"}, headers={"HX-Request": "true"})["HX-Redirect"]


@pytest.mark.parametrize("who", ["olga", "omar", "ada"])
def test_strangers(cast, queue, now, signed_in, who):
    """Phoenix sees none of Denver's; Ada, who manages Denver, may."""
    message = in_trouble(cast, queue)
    client = signed_in(getattr(cast, who))
    got = client.post(reverse("clinic:settle_message", args=[message.pk]), {"outcome": "arrived"}).status_code
    assert got == {"olga": 404, "omar": 403, "ada": 302}[who]
    if who != "ada":
        assert "pat@post.example" not in client.get(reverse("clinic:messages")).content.decode()


@pytest.mark.parametrize(("who", "status"), [("frida", 200), ("theo", 200), ("milo", 403), ("petra", 403)])
def test_who_may_look(cast, page, who, status):
    assert page(getattr(cast, who)).status_code == status


def test_whoever_may_only_look_gets_no_buttons(cast, queue, page):
    in_trouble(cast, queue)
    assert "It arrived" not in page(cast.theo).content.decode()


def test_looking_leaves_a_row(cast, queue, page):
    in_trouble(cast, queue)
    page()
    event = AuditEvent.objects.get(verb="list.read")
    assert event.details == {"list": "messages", "patients": [str(cast.pat.pk)]}


def many(cast, queue, count, error):
    for _ in range(count):
        queue(make.make_patient(cast.denver))
        settle_as(cast, error)


@pytest.mark.parametrize(("show", "error"), [("", UNKNOWN), ("", REFUSED), ("sent", None)])
def test_as_many_questions_for_thirty_as_for_one(cast, queue, page, show, error):
    from django.core.cache import cache
    from django.db import connection

    def questions():
        # What the process keeps, such as the policy's limits, is asked for once and not by every page.
        page(show=show)
        cache.clear()
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert page(show=show).status_code == 200
        return len(asked)

    many(cast, queue, 1, error)
    one = questions()
    many(cast, queue, 29, error)
    assert questions() == one


def test_pages_by_keyset(cast, queue, page):
    many(cast, queue, keyset.PER_PAGE + 3, None)
    first = page(show="sent")
    assert len(first.context["entries"]) == keyset.PER_PAGE
    after = first.context["older_url"].partition("after=")[2]
    from urllib.parse import unquote

    second = page(show="sent", after=unquote(after))
    seen = [entry.id for entry in [*first.context["entries"], *second.context["entries"]]]
    assert len(seen) == len(set(seen)) == keyset.PER_PAGE + 3
    assert second.context["older_url"] == ""
    assert second.context["newer_url"]


@pytest.mark.parametrize(
    "after", ["", "x", "2027-01-13~", "2027-01-13T10:00:00~1", "~", "2027-01-13T10:00:00+00:00~zz"]
)
def test_a_made_up_place_is_the_first_page(page, after):
    assert page(show="sent", after=after).status_code == 200
