"""Scenarios 6, 7 and 8: somebody answers the question about death at ten past two at night.

The answer goes in by the portal, the calls by the real outbox and a real mail server; only the clock is ours. Then the same
night with one part broken each time: the alert exists or the answer is not stored, the patient saw the numbers, and
somebody is called when the part is back.
"""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache.backends.redis import RedisCacheClient
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisAway

from assessments import scoring, tasks
from assessments.actions import alerts, responses
from assessments.models import AssessmentRequest, AssessmentResponse, RiskAlert, Score
from clinic import tasks as ground
from clinic.models import OutboundMessage, Page, PageCall, WorkItem
from tests import factories as make
from tests.mailserver import mail_server, nobody_listens

# Wednesday 13 January 2027 in Denver.
NIGHT = datetime(2027, 1, 13, 9, 10, tzinfo=UTC)
MIN = timedelta(minutes=1)
NUMBERS = ('href="tel:988"', 'href="sms:988"', 'href="tel:911"', "not watched around the clock")


@pytest.fixture
def asked(cast):
    """Pat is asked the PHQ-9. Nina is first on call, Tess second, Dana directs, Theo leads Pat's care team."""
    make.make_duty(cast.denver, cast.nina, "first", NIGHT - timedelta(hours=8), 48)
    make.make_duty(cast.denver, cast.tess, "second", NIGHT - timedelta(hours=8), 48)
    return make.make_request(
        cast.pat, "phq-9", opens_at=NIGHT - timedelta(hours=2), due_at=NIGHT + timedelta(days=2),
        expires_at=NIGHT + timedelta(days=5),
    )  # fmt: skip


@pytest.fixture
def post(settings):
    with mail_server(settings) as server:
        yield server


class Night:
    """Runs the beat at given minutes after the answer."""

    def at(self, minutes):
        with time_machine.travel(NIGHT + minutes * MIN, tick=False):
            tasks.ring_again()
            ground.call_due_pages()
            ground.deliver_messages()


def found(pattern, text):
    """Return what the pattern's first group is in the text."""
    match = re.search(pattern, text)
    assert match
    return match.group(1)


def hand_in(signed_in, cast, asked, last):
    """Answer every question with 1 and the ninth with ``last`` (None: leave it out), look through it, and hand it in."""
    with time_machine.travel(NIGHT, tick=False):
        client = signed_in(cast.pat_user)
        url = reverse("assessments:answer_questionnaire", args=[asked.pk])
        before = client.get(url + "?show=all").content.decode()
        given = {f"answer-q{n}": "1" for n in range(1, 9)} | ({} if last is None else {"answer-q9": str(last)})
        client.post(url + "?show=all", given | {"next": "check"})
        check = client.get(url + "?show=check").content.decode()
        revision = found(r'name="revision" value="(\d+)"', check)
        client.raise_request_exception = False
        answer = client.post(url, {"hand_in": "on", "revision": revision}, follow=True)
        return before, answer.content.decode()


def called():
    rows = PageCall.objects.order_by("called_at", "user__name").values_list("user__name", "called_at")
    return [(name.split()[0], int((at - NIGHT) / MIN)) for name, at in rows]


def test_item_9_is_2_at_ten_past_two(cast, signed_in, asked, post):
    """Scenario 6."""
    before, after = hand_in(signed_in, cast, asked, 2)
    for words in NUMBERS:
        assert words in before
        assert words in after
    alert = RiskAlert.objects.get()
    assert (alert.tier, alert.raised_at, alert.contact_by) == ("orange", NIGHT, NIGHT + 60 * MIN)
    # Stored before anything left.
    assert not post.letters
    assert WorkItem.objects.get(kind="risk_alert").owner == cast.theo
    night = Night()
    night.at(0)
    assert called() == [("Nina", 0)]
    reader, mail = post.letters[0]
    assert reader == cast.nina.email
    text = mail.get_body(("plain",)).get_content()
    for told in ("Pat", "Moreau", "PHQ", "suicid", "orange"):
        assert told not in text + mail["Subject"]
    with time_machine.travel(NIGHT + 4 * MIN, tick=False):
        nina = signed_in(cast.nina)
        path = found(r"http://localhost:8000(/pages/[0-9a-f-]+/)", text)
        assert "alarm-banner" in nina.get(path).content.decode()
        shown = nina.post(path + "acknowledge/", follow=True).content.decode()
        assert "Pat Moreau" in shown
        assert "More than half the days" in shown
        assert signed_in(cast.frida).get(reverse("assessments:alert", args=[alert.pk])).status_code == 403
    for minutes in (10, 30, 59):
        night.at(minutes)
    assert called() == [("Nina", 0)]
    # Nobody wrote down that they had reached Pat: it rings again.
    night.at(61)
    assert ("Nina", 61) in called()


def test_item_9_is_3_and_nobody_acknowledges(cast, signed_in, asked, post):
    """Scenario 7."""
    hand_in(signed_in, cast, asked, 3)
    night = Night()
    for minutes in range(0, 65, 5):
        night.at(minutes)
    assert called()[:3] == [("Nina", 0), ("Tess", 10), ("Dana", 20)]
    for minutes in (30, 40, 50, 60):
        assert [name for name, at in called() if at == minutes] == ["Dana", "Nina", "Tess"]
    night.at(24 * 60)
    assert Page.objects.ringing().count() == 1
    assert RiskAlert.objects.open().exists()
    assert len(post.letters) == PageCall.objects.count()


def test_item_9_left_out(cast, signed_in, asked, post):
    """Scenario 8: unknown, and nobody reads it as a no; no phone rings at night, and in the morning it does if need be."""
    _before, after = hand_in(signed_in, cast, asked, None)
    assert NUMBERS[0] in after
    alert = RiskAlert.objects.get()
    assert (alert.tier, alert.signals[0]["value"]) == ("yellow", None)
    assert Score.objects.get().total is None
    night = Night()
    night.at(0)
    assert not post.letters
    assert alert.contact_by == NIGHT.replace(hour=17, minute=0)
    night.at(7 * 60 + 50)
    assert post.letters


class TestWithAPartBroken:
    def test_the_scorer(self, cast, signed_in, asked, post, monkeypatch):
        def broken(*_args, **_kwargs):
            raise ZeroDivisionError

        monkeypatch.setattr(scoring, "score", broken)
        _before, after = hand_in(signed_in, cast, asked, 0)
        assert NUMBERS[0] in after
        assert RiskAlert.objects.get().tier == "orange"
        assert Score.objects.get().failure == "ZeroDivisionError"
        Night().at(0)
        assert called() == [("Nina", 0)]

    def test_what_makes_the_alert(self, cast, signed_in, asked, post, monkeypatch):
        """The answers stand, and those who know Pat are called to look, by the older way."""

        def broken(**_given):
            raise RuntimeError

        monkeypatch.setattr(alerts, "raise_from", broken)
        _before, after = hand_in(signed_in, cast, asked, 3)
        assert NUMBERS[0] in after
        assert AssessmentResponse.objects.exists()
        Night().at(0)
        assert cast.theo.email in {reader for reader, _mail in post.letters}

    def test_half_way_through_the_transaction(self, cast, signed_in, asked, post, monkeypatch):
        """Neither the answer nor the alert is stored, the draft is; the numbers are seen, and people are asked to look."""

        def broken(*_args, **_given):
            raise RuntimeError

        monkeypatch.setattr(responses, "_verb", broken)
        _before, after = hand_in(signed_in, cast, asked, 3)
        for words in NUMBERS[:3]:
            assert words in after
        assert not [model for model in (AssessmentResponse, RiskAlert) if model.objects.exists()]
        assert AssessmentRequest.objects.get(pk=asked.pk).is_open
        Night().at(0)
        assert cast.theo.email in {reader for reader, _mail in post.letters}

    def test_redis(self, cast, signed_in, asked, post, monkeypatch):
        """Sessions, locks and memories are away while Pat answers: the rows are the queue."""
        with time_machine.travel(NIGHT, tick=False):
            client = signed_in(cast.pat_user)

        def away(*_args, **_kwargs):
            raise RedisAway("away")

        monkeypatch.setattr(RedisCacheClient, "get_client", away)
        _before, after = hand_in(lambda _user: client, cast, asked, 3)
        assert NUMBERS[0] in after
        assert RiskAlert.objects.get().tier == "red"
        Night().at(0)
        assert called() == [("Nina", 0)]
        assert [reader for reader, _mail in post.letters] == [cast.nina.email]

    def test_the_worker(self, cast, signed_in, asked, post):
        """Beat and worker stand still for three hours; the first round after that calls."""
        hand_in(signed_in, cast, asked, 3)
        Night().at(180)
        assert called() == [("Nina", 180)]
        assert [reader for reader, _mail in post.letters] == [cast.nina.email]

    def test_the_mail_server(self, cast, signed_in, asked, post, settings):
        """Nobody listens for half an hour, while the ladder is climbed; then the letters leave, to everybody who was called."""
        hand_in(signed_in, cast, asked, 3)
        host, port = settings.EMAIL_HOST, settings.EMAIL_PORT
        nobody_listens(settings)
        for minutes in (0, 10, 20):
            Night().at(minutes)
        assert not post.letters
        settings.EMAIL_HOST, settings.EMAIL_PORT = host, port
        for minutes in (30, 45, 60):
            Night().at(minutes)
        assert {reader for reader, _mail in post.letters} == {cast.nina.email, cast.tess.email, cast.dana.email}

    def test_an_address_that_is_refused(self, cast, signed_in, asked, post):
        """The provider refuses the first on call for good: the second is called in the same minute, and a manager is told."""
        hand_in(signed_in, cast, asked, 3)
        post.at_rcpt = "550 no such mailbox"
        Night().at(0)
        post.at_rcpt = ""
        Night().at(1)
        assert called() == [("Nina", 0), ("Tess", 1)]
        assert [reader for reader, _mail in post.letters] == [cast.tess.email]
        assert WorkItem.objects.get(kind="page_failed").owner_role == "manager"

    def test_a_verdict_that_never_comes(self, cast, signed_in, asked, post):
        """The server takes the letter and falls silent: nobody knows, so it counts as not reached. Nothing goes twice."""
        hand_in(signed_in, cast, asked, 3)
        post.at_data = "drop"
        Night().at(0)
        post.at_data = ""
        assert OutboundMessage.objects.get(subject_type="pagecall").status == "unknown"
        Night().at(1)
        assert called() == [("Nina", 0), ("Tess", 1)]
        assert [reader for reader, _mail in post.letters] == [cast.tess.email]
