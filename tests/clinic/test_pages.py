"""The escalation engine: who is called, when, how often, by what, and what happens when a part of it stands still."""

import smtplib
import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.urls import reverse

from clinic import channels, ladder, tasks
from clinic.actions import outbox, pages
from clinic.ladder import Reach
from clinic.letters import Rendered
from clinic.models import AuditEvent, Membership, OutboundMessage, Page, PageCall, TimeOff, User, WorkItem
from tests import factories as make

NOON = make.NOON  # Wednesday 09:00 in Denver, when it is open
NIGHT = NOON - timedelta(hours=6, minutes=50)  # 02:10
MIN = timedelta(minutes=1)
A, B, C, D, E = (uuid4() for _ in range(5))
FULL = Reach(first=(A,), second=(B,), treating=(C,), directors=(D,), everybody=(A, B, C, D, E), is_open=True)
RISK = {"red_ack_min": 10, "page_again_min": 10}


def reach(**changes):
    return Reach(**{**FULL.__dict__, **changes})


@pytest.mark.parametrize(
    ("urgency", "who", "steps"),
    [
        ("red", FULL, ((A,), (B,), (D,))),
        ("red", reach(second=()), ((A,), (D,))),
        ("red", reach(first=()), ((B,), (D,))),
        ("red", reach(first=(), second=()), ((A, B, C, D, E),)),
        ("red", reach(directors=()), ((A,), (B,), (A, B, C, D, E))),
        ("orange", FULL, ((C, A), (A, B, C), (D, A, B, C))),
        ("orange", reach(is_open=False), ((A,), (A, B, C), (D, A, B, C))),
        ("orange", reach(treating=(A,), second=()), ((A,), (A,), (D, A))),
        ("orange", reach(first=(), second=()), ((A, B, C, D, E),)),
        ("yellow", FULL, ((C, A), (A, B, C), (D, A, B, C))),
        ("red", Reach(), ()),
    ],
)  # fmt: skip
def test_ladder(urgency, who, steps):
    assert ladder.rungs(urgency, who) == steps


def test_the_ladder_is_climbed_and_then_called_whole_again_and_again():
    steps = ladder.rungs("red", FULL)
    at, seen = (-1, 0), []
    for _ in range(5):
        rung, times_round, who = ladder.next_call(steps, *at)
        seen.append((rung, times_round, who))
        at = (rung, times_round)
    assert seen == [
        (0, 0, (A,)), (1, 0, (B,)), (2, 0, (D,)), (2, 1, (A, B, D)), (2, 2, (A, B, D)),
    ]  # fmt: skip
    risk = {"red_ack_min": 7, "page_again_min": 12}
    assert ladder.wait("red", steps, 0, 0, risk) == timedelta(minutes=7)
    assert ladder.wait("red", steps, 2, 0, risk) == timedelta(minutes=12)
    assert ladder.wait("orange", steps, 0, 0, risk) == timedelta(minutes=12)


@pytest.fixture
def duty(cast):
    """Nina first, Theo second on call for two days; Dana directs."""
    make.make_duty(cast.denver, cast.nina, "first", NIGHT - timedelta(days=1), 72)
    make.make_duty(cast.denver, cast.theo, "second", NIGHT - timedelta(days=1), 72)
    cast.nina.phone = "+13035550155"
    cast.nina.save(update_fields=["phone"])


def open_one(cast, urgency="red", now=NIGHT, **fields):
    return pages.open_page(
        by=cast.sam, location=cast.denver, urgency=urgency, now=now,
        **{"subject_type": "riskalert", "subject_id": cast.pat.pk, "patient_id": cast.pat.pk, **fields},
    )  # fmt: skip


def call(cast, now):
    return pages.call_due(by=cast.sam, now=now)


def called(page, now=None):
    rows = PageCall.objects.filter(page=page).order_by("called_at", "rung", "user__name").select_related("user")
    return [(row.user.short_name, row.rung, row.round) for row in rows if now is None or row.called_at == now]


def deliver(cast, now, send=lambda letter: "id"):
    while outbox.deliver_next(by=cast.sam, now=now, send=send):
        pass


def keeping(sent):
    """Return a way of sending that keeps the letters."""

    def send(letter):
        sent.append(letter)
        return "id"

    return send


def test_red_climbs_on_time_and_never_closes(cast, duty):
    """Scenario 7: nobody acknowledges; 10 minutes, 20 minutes, and on and on."""
    page = open_one(cast)
    for minutes, who in (
        (0, ["Nina"]), (9, []), (10, ["Theo"]), (19, []), (20, ["Dana"]), (30, ["Dana", "Nina", "Theo"]),
        (40, ["Dana", "Nina", "Theo"]), (24 * 60, ["Dana", "Nina", "Theo"]),
    ):  # fmt: skip
        now = NIGHT + minutes * MIN
        call(cast, now)
        assert sorted({name for name, _rung, _round in called(page, now)}) == who, minutes
    page.refresh_from_db()
    assert page.closed_at is None
    assert page.is_ringing


def test_a_call_is_in_the_application_by_mail_and_by_text(cast, duty):
    page = open_one(cast)
    call(cast, NIGHT)
    letters = OutboundMessage.objects.filter(subject_type="pagecall").order_by("channel")
    assert [(row.channel, row.address, row.is_urgent, row.recipient_id) for row in letters] == [
        ("email", cast.nina.email, True, cast.nina.pk), ("sms", "+13035550155", True, cast.nina.pk),
    ]  # fmt: skip
    item = WorkItem.objects.get(kind="page")
    assert (item.owner, item.subject_id, item.due_at) == (cast.nina, page.pk, NIGHT)
    sent: list[Rendered] = []
    deliver(cast, NIGHT, keeping(sent))
    for letter in sent:
        text = letter.text + letter.html + letter.sms
        assert cast.pat.family_name not in text
        assert cast.pat.given_name not in text
        assert cast.pat.mrn not in text
        assert reverse("clinic:page", args=[page.pk]) in text


def test_twice_is_once(cast, duty):
    page = open_one(cast)
    assert open_one(cast).pk == page.pk
    assert call(cast, NIGHT) == 1
    assert call(cast, NIGHT) == 0
    assert called(page) == [("Nina", 0, 0)]
    assert OutboundMessage.objects.filter(subject_type="pagecall").count() == 2


def test_the_beat_calls(cast, duty, now):
    page = open_one(cast, now=now)
    tasks.call_due_pages()
    tasks.call_due_pages()
    assert called(page) == [("Nina", 0, 0)]


@pytest.mark.django_db(transaction=True)
def test_two_workers_call_once(cast):
    make.make_duty(cast.denver, cast.nina, "first", NIGHT - timedelta(hours=1))
    subjects = [uuid4() for _ in range(6)]
    for subject in subjects:
        open_one(cast, subject_id=subject)
    counts = []

    def work():
        try:
            counts.append(call(cast, NIGHT))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == len(subjects)
    assert PageCall.objects.count() == len(subjects)

    # Three answer at once: one has, and the others are told who.
    gate = threading.Barrier(3)
    outcomes: list[Any] = []

    def answer(who):
        try:
            for page in Page.objects.order_by("pk"):
                gate.wait(10)
                try:
                    outcomes.append(pages.acknowledge(by=who, page=page, now=NIGHT).acknowledged_by)
                except pages.AnsweredAlready as refusal:
                    outcomes.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=answer, args=[who]) for who in (cast.nina, cast.theo, cast.dana)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 3 * len(subjects)
    assert sum(isinstance(one, User) for one in outcomes) == len(subjects)
    assert AuditEvent.objects.filter(verb="page.acknowledged").count() == len(subjects)


def test_orange_by_day_and_by_night(cast, duty):
    make.make_care_team_member(cast.quinn, cast.tess, is_lead=True)
    by_day = open_one(cast, "orange", NOON, patient_id=cast.quinn.pk)
    call(cast, NOON)
    assert sorted(called(by_day)) == [("Nina", 0, 0), ("Tess", 0, 0)]
    by_night = open_one(cast, "orange", NIGHT, patient_id=cast.quinn.pk, subject_id=uuid4())
    call(cast, NIGHT)
    assert called(by_night) == [("Nina", 0, 0)]
    call(cast, NIGHT + 10 * MIN)
    assert sorted({name for name, _rung, _round in called(by_night)}) == ["Nina", "Tess", "Theo"]


def test_yellow_rings_only_when_it_is_late(cast, duty):
    page = open_one(cast, "yellow", first_at=NOON)
    assert call(cast, NIGHT) == 0
    assert call(cast, NOON) == 1
    assert called(page)


def test_nobody_on_call_is_everybody_called(cast):
    """A gap in the rota is never silence: clinicians, director and managers at once, and a manager's work."""
    page = open_one(cast)
    call(cast, NIGHT)
    assert {name for name, *_ in called(page)} == {"Dana", "Theo", "Tess", "Nina", "Nils", "Ada"}
    item = WorkItem.objects.get(kind="rota_gap")
    assert (item.owner_role, item.location) == ("manager", cast.denver)


def make_ill(cast):
    TimeOff.objects.create(
        user=cast.nina,
        during=(NIGHT - 60 * MIN, NIGHT + 600 * MIN),
        reason="illness",
        entered_by=cast.ada,
        entered_at=NIGHT,
    )


def test_whoever_may_not_act_fills_no_gap(cast, duty):
    """Nina stands on the rota, and has left, is in training, holds no role here any more, or fell ill."""
    role, ill = Membership.objects.filter(user=cast.nina), TimeOff.objects.filter(user=cast.nina)
    for spoil, mend in (
        (lambda: User.objects.filter(pk=cast.nina.pk).update(is_active=False),
         lambda: User.objects.filter(pk=cast.nina.pk).update(is_active=True)),
        (lambda: role.update(is_trainee=True, supervisor=cast.theo), lambda: role.update(is_trainee=False, supervisor=None)),
        (lambda: role.update(ended_at=NIGHT), lambda: role.update(ended_at=None)),
        (lambda: make_ill(cast), lambda: ill.update(cancelled_at=NIGHT)),
    ):  # fmt: skip
        spoil()
        page = open_one(cast, subject_id=uuid4())
        call(cast, NIGHT)
        assert called(page) == [("Theo", 0, 0)]
        mend()
    assert WorkItem.objects.filter(kind="rota_gap").exists()


def test_a_place_without_anybody_is_told_to_the_managers(cast):
    empty = make.make_location("Boulder")
    page = pages.open_page(
        by=cast.sam, location=empty, urgency=Page.Urgency.RED, subject_type="riskalert", subject_id=uuid4(), patient_id=None, now=NIGHT
    )  # fmt: skip
    assert call(cast, NIGHT) == 1
    assert WorkItem.objects.get(kind="page_failed").subject_id == page.pk
    page.refresh_from_db()
    assert page.next_at == NIGHT + 10 * MIN


def test_without_limits_in_force_it_still_rings(cast, duty):
    make.make_policy(cast.dana, {"reminders": {}}, number=2)
    page = open_one(cast)
    call(cast, NIGHT)
    assert called(page) == [("Nina", 0, 0)]


def test_one_broken_page_keeps_no_other_from_being_called(cast, duty, monkeypatch):
    broken, whole = open_one(cast, now=NIGHT - MIN), open_one(cast, subject_id=uuid4())
    real = pages._call

    def sometimes(by, page, now):
        if page.pk == broken.pk:
            raise RuntimeError("broken")
        real(by, page, now)

    monkeypatch.setattr(pages, "_call", sometimes)
    assert call(cast, NIGHT) == 1
    assert called(whole)
    assert not called(broken)
    monkeypatch.setattr(pages, "_call", real)
    assert call(cast, NIGHT) == 1


class TestLettersThatFail:
    def test_every_letter_of_a_step_fails_and_the_next_is_called_at_once(self, cast, duty):
        """Texts are not set up and the mail provider refuses the address: nobody waits ten minutes for nothing."""
        page = open_one(cast)
        call(cast, NIGHT)

        def refuse(letter):
            if letter.channel == "sms":
                raise channels.Permanent(channels.Reason.CHANNEL_NOT_SET_UP)
            raise channels.Permanent(channels.Reason.ADDRESS_REFUSED)

        deliver(cast, NIGHT, refuse)
        assert call(cast, NIGHT + MIN) == 1
        assert ("Theo", 1, 0) in called(page)
        item = WorkItem.objects.get(kind="page_failed")
        assert (item.owner_role, item.subject_id) == ("manager", page.pk)
        assert not WorkItem.objects.filter(kind="message_failed").exists()

    def test_texts_that_are_not_set_up_are_no_news_while_the_mail_goes(self, cast, duty):
        open_one(cast)
        call(cast, NIGHT)

        def mail_only(letter):
            if letter.channel == "sms":
                raise channels.Permanent(channels.Reason.CHANNEL_NOT_SET_UP)
            return "id"

        deliver(cast, NIGHT, mail_only)
        assert call(cast, NIGHT + MIN) == 0
        assert not WorkItem.objects.filter(kind="page_failed").exists()

    def test_an_unknown_outcome_counts_as_not_reached(self, cast, duty):
        page = open_one(cast)
        call(cast, NIGHT)

        def lost(letter):
            raise channels.OutcomeUnknown(channels.Reason.NO_ANSWER)

        deliver(cast, NIGHT, lost)
        assert call(cast, NIGHT) == 1
        assert ("Theo", 1, 0) in called(page)
        assert WorkItem.objects.filter(kind="page_failed").count() == 1

    def test_a_post_that_is_down_is_not_hammered(self, cast, duty):
        page = open_one(cast)
        for minutes in (0, 10, 20, 30):
            call(cast, NIGHT + minutes * MIN)
        before = len(called(page))

        def refuse(letter):
            raise channels.Permanent(channels.Reason.SENDER_REFUSED)

        deliver(cast, NIGHT + 30 * MIN, refuse)
        assert call(cast, NIGHT + 31 * MIN) == 0
        assert len(called(page)) == before

    def test_a_mail_server_that_is_away_is_tried_again(self, cast, duty):
        """SMTP refuses for half an hour: the calls wait as rows, higher steps are called meanwhile, and then they leave."""
        open_one(cast)
        call(cast, NIGHT)

        def away(letter):
            raise channels.Transient(channels.Reason.POST_UNREACHABLE, str(smtplib.SMTPConnectError(421, "no")))

        deliver(cast, NIGHT, away)
        assert OutboundMessage.objects.filter(status="queued").count() == 2
        call(cast, NIGHT + 10 * MIN)
        sent: list[Rendered] = []
        deliver(cast, NIGHT + 12 * MIN, keeping(sent))
        assert {letter.address for letter in sent} == {cast.nina.email, "+13035550155", cast.theo.email}

    def test_a_letter_nobody_needs_any_more_stays_here(self, cast, duty):
        page = open_one(cast)
        call(cast, NIGHT)
        pages.acknowledge(by=cast.nina, page=page, now=NIGHT + MIN)
        deliver(cast, NIGHT + MIN, pytest.fail)
        assert set(OutboundMessage.objects.values_list("status", "reason")) == {("skipped", pages.ANSWERED)}
        assert not WorkItem.objects.filter(kind="page_failed").exists()


class TestAnswering:
    @pytest.fixture
    def page(self, cast, duty):
        page = open_one(cast)
        call(cast, NIGHT)
        return page

    def test_it_stops_the_ringing_and_stays_open(self, cast, page):
        pages.acknowledge(by=cast.nina, page=page, now=NIGHT + MIN)
        pages.acknowledge(by=cast.nina, page=page, now=NIGHT + 2 * MIN)
        page.refresh_from_db()
        assert (page.acknowledged_by, page.acknowledged_at, page.closed_at) == (cast.nina, NIGHT + MIN, None)
        assert call(cast, NIGHT + 60 * MIN) == 0
        assert not WorkItem.objects.open().filter(kind="page").exists()
        assert AuditEvent.objects.filter(verb="page.acknowledged").count() == 1

    def test_only_licensed_clinicians_of_the_location(self, cast, page):
        for who in (cast.frida, cast.milo, cast.tara, cast.ada, cast.petra, cast.omar, cast.sam):
            with pytest.raises(pages.OnlyClinicians):
                pages.acknowledge(by=who, page=page, now=NIGHT)
        page.refresh_from_db()
        assert page.is_ringing

    def test_the_second_is_told_who_was_first(self, cast, page):
        pages.acknowledge(by=cast.nina, page=page, now=NIGHT)
        with pytest.raises(pages.AnsweredAlready, match="Nina Novak has answered"):
            pages.acknowledge(by=cast.theo, page=page, now=NIGHT)

    def test_not_after_it_was_closed(self, cast, page):
        pages.close_about(by=cast.dana, subject_type="riskalert", subject_id=cast.pat.pk, now=NIGHT)
        with pytest.raises(pages.NoLongerOpen):
            pages.acknowledge(by=cast.nina, page=page, now=NIGHT)
        assert call(cast, NIGHT + 60 * MIN) == 0

    def test_ringing_again_is_a_new_page_from_the_foot_of_the_ladder(self, cast, page):
        pages.acknowledge(by=cast.nina, page=page, now=NIGHT)
        page.refresh_from_db()
        again = pages.ring_again(by=cast.sam, page=page, now=NIGHT + 30 * MIN)
        page.refresh_from_db()
        assert page.acknowledged_by == cast.nina
        assert page.closed_at == NIGHT + 30 * MIN
        call(cast, NIGHT + 30 * MIN)
        assert called(again) == [("Nina", 0, 0)]

    def test_a_more_urgent_opening_rings_again(self, cast, page):
        page.urgency = "orange"
        page.save(update_fields=["urgency"])
        pages.acknowledge(by=cast.nina, page=page, now=NIGHT)
        again = open_one(cast, "red", NIGHT + MIN)
        assert again.pk != page.pk
        assert again.is_ringing

    def test_a_quieter_opening_changes_nothing(self, cast, page):
        assert open_one(cast, "yellow", NIGHT + MIN, first_at=NIGHT + 600 * MIN).urgency == "red"
        page.refresh_from_db()
        assert page.next_at == NIGHT + 10 * MIN


class TestThePageInTheApplication:
    @pytest.fixture
    def page(self, cast, duty, now):
        page = open_one(cast, now=now)
        call(cast, now)
        return page

    def test_a_clinician_answers(self, cast, signed_in, page):
        client = signed_in(cast.nina)
        url = reverse("clinic:page", args=[page.pk])
        shown = client.get(url)
        assert b"I answer this" in shown.content
        assert cast.pat.family_name.encode() not in shown.content
        assert client.get(reverse("clinic:acknowledge_page", args=[page.pk])).status_code == 405
        assert client.post(reverse("clinic:acknowledge_page", args=[page.pk])).status_code == 302
        page.refresh_from_db()
        assert page.acknowledged_by == cast.nina
        assert b"Nina Novak answered" in client.get(url).content

    def test_a_manager_finds_whom_to_ring_up(self, cast, signed_in, page):
        client = signed_in(cast.ada)
        shown = client.get(reverse("clinic:page", args=[page.pk])).content.decode()
        assert "Ring one of these up now" in shown
        assert "+13035550155" in shown
        assert "I answer this" not in shown
        told = client.post(reverse("clinic:acknowledge_page", args=[page.pk]), follow=True).content.decode()
        assert "Only a licensed clinician" in told
        page.refresh_from_db()
        assert page.is_ringing

    def test_strangers(self, cast, signed_in, page):
        for who in (cast.frida, cast.milo, cast.petra, cast.omar, cast.olga, cast.iris):
            client = signed_in(who)
            assert client.get(reverse("clinic:page", args=[page.pk])).status_code == 404
            assert client.post(reverse("clinic:acknowledge_page", args=[page.pk])).status_code == 404

    def test_a_trainee_reads_and_cannot_answer(self, cast, signed_in, page):
        client = signed_in(cast.tara)
        assert "I answer this" not in client.get(reverse("clinic:page", args=[page.pk])).content.decode()
        client.post(reverse("clinic:acknowledge_page", args=[page.pk]))
        page.refresh_from_db()
        assert page.is_ringing

    def test_a_whole_night_of_calls_costs_the_same(
        self, cast, signed_in, page, django_assert_num_queries, django_assert_max_num_queries
    ):
        client = signed_in(cast.nina)
        url = reverse("clinic:page", args=[page.pk])
        client.get(url)
        with django_assert_max_num_queries(25) as few:
            client.get(url)
        for round_ in range(1, 20):
            for user in (cast.nina, cast.theo):
                PageCall.objects.create(page=page, user=user, rung=2, round=round_, called_at=NOON + round_ * MIN)
        with django_assert_num_queries(len(few)):
            shown = client.get(url).content.decode()
        assert "Earlier calls are left out" in shown


def test_healthz_says_when_nobody_answers(client, cast, duty, now):
    def alarms():
        body = client.get(reverse("clinic:healthz")).json()
        return body["pages_called"], body["pages_answered"], body["pages_delivered"]

    assert alarms() == (True, True, True)
    page = open_one(cast, now=now - 5 * MIN)
    assert alarms() == (False, True, True)
    for minutes in (0, 10, 20, 30):
        call(cast, now - 40 * MIN + minutes * MIN) if minutes else Page.objects.update(next_at=now - 40 * MIN)
        call(cast, now - 40 * MIN + minutes * MIN)
    OutboundMessage.objects.update(status="failed", reason="address_refused", settled_at=now)
    assert alarms()[1:] == (False, False)
    OutboundMessage.objects.filter(subject_type="pagecall").update(status="sent", reason="", settled_at=now)
    assert alarms()[1:] == (False, True)
    pages.acknowledge(by=cast.nina, page=page, now=now)
    assert alarms() == (True, True, True)


def test_a_page_of_elsewhere_calls_nobody_here(cast, duty):
    make.make_duty(cast.phoenix, cast.iris, "first", NIGHT - timedelta(hours=1))
    page = pages.open_page(
        by=cast.sam, location=cast.phoenix, urgency=Page.Urgency.RED, subject_type="riskalert",
        subject_id=uuid4(), patient_id=cast.sol.pk, now=NIGHT,
    )  # fmt: skip
    call(cast, NIGHT)
    assert called(page) == [("Iris", 0, 0)]
