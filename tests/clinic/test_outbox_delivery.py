"""One letter's way out: every end it can come to, by real SMTP where that matters."""

import dataclasses
import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError

from clinic import channels, letters, tasks
from clinic.actions import outbox, system
from clinic.actions.outbox import Settlement
from clinic.letters import Letter
from clinic.models import AuditEvent, Category, Channel, OutboundMessage, User, WorkItem
from tests import factories as make
from tests.mailserver import mail_server, nobody_listens

NOON = make.NOON
DENVER = ZoneInfo("America/Denver")
Status = OutboundMessage.Status


@pytest.fixture
def wanted(monkeypatch):
    """Declare a letter for tests; the list holds what ``still_wanted`` answers, "" when empty."""
    answers: list[str] = []
    for kind, category in (("test_letter", Category.VISIT), ("test_code", Category.SECURITY)):
        monkeypatch.setitem(
            letters._registry,
            kind,
            Letter(
                kind=kind, label="Test", folder="clinic/letters/security_notice", category=category,
                context=lambda message: {"what": "Something happened."},
                still_wanted=lambda message, now: answers[0] if answers else "",
                reasons={"not_any_more": "Nobody wants it."},
            ),
        )  # fmt: skip
    return answers


@pytest.fixture
def queue(cast, wanted):
    def make_one(kind="test_letter", address="pat@post.example", **fields):
        values = {"subject_type": "patient", "subject_id": uuid.uuid4(), "location_id": cast.denver.pk, "now": NOON}
        to = outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=cast.pat.pk, address=address, tz=fields.pop("tz", DENVER)
        )
        return outbox.queue(by=cast.frida, kind=kind, to=to, **{**values, **fields})

    return make_one


def deliver(cast, now=NOON, send=lambda rendered: "id-1"):
    return outbox.deliver_next(by=cast.sam, now=now, send=send)


def failing(error):
    def send(rendered):
        raise error

    return send


BUSY = channels.Transient(outbox.Reason.POST_BUSY, "451 later")
REFUSED = channels.Permanent(outbox.Reason.ADDRESS_REFUSED, "550 nobody")
UNKNOWN = channels.OutcomeUnknown(outbox.Reason.NO_ANSWER, "timed out")


def test_sent(cast, queue):
    message = queue(secret={"token": "s3cret"})
    sent = []

    def send(rendered):
        sent.append(rendered)
        return "provider-7"

    done = deliver(cast, send=send)
    assert done.pk == message.pk
    message.refresh_from_db()
    assert (message.status, message.provider_id, message.settled_at, message.secret, message.attempts) == (
        Status.SENT, "provider-7", NOON, "", 1,
    )  # fmt: skip
    assert [r.subject for r in sent] == ["A message from Juniper Street"]
    event = AuditEvent.objects.get(verb="message.sent")
    assert (event.actor_id, event.patient_id, event.location_id) == (cast.sam.pk, cast.pat.pk, cast.denver.pk)
    assert deliver(cast) is None


def test_urgent_first_then_the_oldest(cast, queue):
    old, young = queue(not_before=NOON - timedelta(hours=2)), queue(not_before=NOON - timedelta(hours=1))
    urgent = queue("test_code")
    assert [deliver(cast).pk for _ in range(3)] == [urgent.pk, old.pk, young.pk]


def test_what_is_not_due_waits(cast, queue):
    queue(not_before=NOON + timedelta(minutes=1))
    assert deliver(cast) is None
    assert deliver(cast, NOON + timedelta(minutes=1)).status == Status.SENT


def test_no_longer_wanted(cast, queue, wanted):
    message = queue(secret={"token": "x"})
    wanted.append("not_any_more")
    deliver(cast, send=failing(AssertionError("sent all the same")))
    message.refresh_from_db()
    assert (message.status, message.reason, message.secret) == (Status.SKIPPED, "not_any_more", "")
    assert AuditEvent.objects.filter(verb="message.skipped").count() == 1
    assert letters.reason_text(message.kind, message.reason) == "Nobody wants it."


def test_no_longer_useful(cast, queue):
    queue(useful_until=NOON + timedelta(hours=1))
    done = deliver(cast, NOON + timedelta(hours=1))
    assert (done.status, done.reason) == (Status.SKIPPED, "no_longer_useful")


@pytest.mark.parametrize(
    ("kind", "category", "stopped"),
    [
        ("test_letter", Category.VISIT, True),
        ("test_letter", None, True),
        ("test_letter", Category.FOLLOW_UP, False),
        # Nobody can opt out of their own sign-in code by opting out of everything.
        ("test_code", None, False),
        ("test_code", Category.SECURITY, True),
    ],
)
def test_suppressed(cast, queue, kind, category, stopped):
    queue(kind, address="Pat@Post.example")
    row = outbox.suppress(
        by=cast.frida, channel=Channel.EMAIL, address="pat@post.EXAMPLE", reason="asked", category=category, now=NOON
    )
    again = outbox.suppress(
        by=cast.frida, channel=Channel.EMAIL, address="pat@post.example", reason="asked", category=category, now=NOON
    )
    assert again.pk == row.pk
    assert deliver(cast).status == (Status.SKIPPED if stopped else Status.SENT)


def test_a_lifted_suppression_is_none(cast, queue):
    row = outbox.suppress(by=cast.frida, channel=Channel.EMAIL, address="pat@post.example", reason="asked", now=NOON)
    for _ in range(2):
        outbox.lift_suppression(by=cast.frida, suppression=row, now=NOON)
    assert AuditEvent.objects.filter(verb="suppression.changed").count() == 2
    queue()
    assert deliver(cast).status == Status.SENT


def test_the_night_is_kept_again_at_the_door(cast, queue):
    """Queued by day, held up, found at night: it waits for the morning, and no try is counted."""
    message = queue()
    night = datetime(2027, 1, 13, 21, tzinfo=DENVER)
    assert deliver(cast, night).status == Status.QUEUED
    message.refresh_from_db()
    assert (message.status, message.reason, message.attempts, message.claimed_at) == (
        Status.QUEUED,
        "quiet_hours",
        0,
        None,
    )
    assert message.not_before == datetime(2027, 1, 14, 8, 30, tzinfo=DENVER)
    assert deliver(cast, night) is None
    assert deliver(cast, message.not_before).status == Status.SENT


def test_no_half_past_seven_in_phoenix(cast, queue):
    """Scenario 14."""
    message = queue(tz=ZoneInfo("America/Phoenix"), not_before=datetime(2027, 7, 14, tzinfo=UTC))
    OutboundMessage.objects.update(useful_until=datetime(2027, 7, 20, tzinfo=UTC))
    assert deliver(cast, datetime(2027, 7, 14, 8, 30, tzinfo=DENVER)).status == Status.QUEUED
    message.refresh_from_db()
    assert message.not_before == datetime(2027, 7, 14, 9, 30, tzinfo=DENVER)


def test_a_night_too_long_for_the_letter(cast, queue):
    queue(useful_until=datetime(2027, 1, 14, 8, tzinfo=DENVER))
    done = deliver(cast, datetime(2027, 1, 13, 21, tzinfo=DENVER))
    assert (done.status, done.reason) == (Status.SKIPPED, "quiet_hours")


def test_urgent_letters_go_at_night(cast, queue):
    queue("test_code")
    assert deliver(cast, datetime(2027, 1, 14, 3, tzinfo=DENVER)).status == Status.SENT


def test_put_off_five_times_then_a_person_is_asked(cast, queue):
    message = queue()
    now, waits = NOON, []
    for attempt in range(1, outbox.MAX_ATTEMPTS):
        done = deliver(cast, now, failing(BUSY))
        message.refresh_from_db()
        assert (message.status, message.attempts, message.reason) == (Status.QUEUED, attempt, "post_busy")
        assert message.provider_said == "451 later"
        assert deliver(cast, now, failing(BUSY)) is None
        waits.append(message.not_before - now)
        now = message.not_before
    assert waits == list(outbox.BACK_OFF)
    done = deliver(cast, now, failing(BUSY))
    assert (done.status, done.reason, done.attempts) == (Status.FAILED, "post_busy", 5)
    item = WorkItem.objects.open().get()
    assert (item.kind, item.owner_role, item.subject_id) == ("message_failed", "front_desk", message.pk)
    assert (item.location, item.patient_id) == (cast.denver, cast.pat.pk)
    assert deliver(cast, now + timedelta(hours=1)) is None


def test_put_off_then_sent(cast, queue):
    message = queue()
    deliver(cast, send=failing(BUSY))
    assert deliver(cast, NOON + timedelta(minutes=1)).status == Status.SENT
    message.refresh_from_db()
    assert (message.attempts, message.reason, message.provider_said) == (2, "", "")


def test_refused_for_good(cast, queue):
    message = queue(secret={"token": "x"})
    deliver(cast, send=failing(REFUSED))
    message.refresh_from_db()
    assert (message.status, message.reason, message.provider_said, message.secret) == (
        Status.FAILED, "address_refused", "550 nobody", "",
    )  # fmt: skip
    assert WorkItem.objects.open().get().kind == "message_failed"
    assert AuditEvent.objects.filter(verb="message.failed").count() == 1


@pytest.mark.parametrize("error", [UNKNOWN, ZeroDivisionError("a bug in a provider's library")])
def test_nobody_can_say(cast, queue, error):
    message = queue()
    deliver(cast, send=failing(error))
    message.refresh_from_db()
    assert (message.status, message.reason) == (Status.UNKNOWN, "no_answer")
    assert WorkItem.objects.open().get().kind == "message_unknown"
    assert AuditEvent.objects.filter(verb="message.outcome_unknown").count() == 1
    for later in (timedelta(minutes=20), timedelta(days=1)):
        assert deliver(cast, NOON + later) is None


def test_a_letter_to_staff_in_trouble_is_the_managers(cast, queue):
    message = queue()
    OutboundMessage.objects.filter(pk=message.pk).update(recipient_kind="staff", location_id=None)
    deliver(cast, send=failing(REFUSED))
    item = WorkItem.objects.open().get()
    assert (item.owner_role, item.patient_id, item.location) == ("manager", None, cast.denver)


def test_a_broken_letter_fails_alone(cast, queue, monkeypatch, caplog):
    broken, fine = queue(), queue(not_before=NOON + timedelta(seconds=1))
    whole = letters.get("test_letter")

    def context(message):
        if message.pk == broken.pk:
            raise KeyError("pat@post.example")
        return {"what": "x"}

    monkeypatch.setitem(letters._registry, "test_letter", dataclasses.replace(whole, context=context))
    later = NOON + timedelta(minutes=1)
    assert (deliver(cast, later).reason, deliver(cast, later).status) == ("letter_broken", Status.SENT)
    fine.refresh_from_db()
    assert fine.status == Status.SENT
    assert "letter_broken" in caplog.text
    assert "pat@post" not in caplog.text


def test_a_lost_key_is_said(cast, queue, settings):
    message = queue(secret={"token": "x"})
    OutboundMessage.objects.filter(pk=message.pk).update(secret="gAAAAnonsense")
    assert deliver(cast).reason == "secret_lost"


def test_the_letter_follows_its_reader(cast, queue, monkeypatch):
    message = queue()
    whole = letters.get("test_letter")
    monkeypatch.setitem(
        letters._registry, "test_letter", dataclasses.replace(whole, address_now=lambda message: "new@post.example")
    )
    sent = []

    def send(rendered):
        sent.append(rendered.address)
        return ""

    deliver(cast, send=send)
    message.refresh_from_db()
    assert sent == ["new@post.example"] == [message.address]


def test_a_kind_nobody_declares_any_more_is_a_broken_letter(cast, queue, monkeypatch):
    queue()
    monkeypatch.delitem(letters._registry, "test_letter")
    assert deliver(cast).reason == "letter_broken"
    assert letters.label_of("test_letter") == "test_letter"


def claim(message, at=NOON):
    OutboundMessage.objects.filter(pk=message.pk).update(status=Status.SENDING, claimed_at=at)


def test_stuck_letters_are_handed_to_a_person(cast, queue):
    message, fresh = queue(secret={"token": "x"}), queue()
    claim(message)
    claim(fresh, NOON + timedelta(minutes=10))
    assert outbox.flag_stuck(by=cast.sam, now=NOON + timedelta(minutes=15)) == 0
    now = NOON + timedelta(minutes=15, seconds=1)
    assert [outbox.flag_stuck(by=cast.sam, now=now) for _ in range(2)] == [1, 0]
    message.refresh_from_db()
    assert (message.status, message.reason, message.secret) == (Status.UNKNOWN, "worker_lost", "")
    assert WorkItem.objects.open().get().kind == "message_unknown"
    fresh.refresh_from_db()
    assert fresh.status == Status.SENDING


def test_an_outcome_that_comes_late_overwrites_nothing(cast, queue):
    """A worker that slept through the flag finds that a person has been asked, and leaves it at that."""
    message = queue()

    def slow(rendered):
        outbox.flag_stuck(by=cast.sam, now=NOON + timedelta(hours=1))
        return "late"

    assert deliver(cast, send=slow).status == Status.UNKNOWN
    message.refresh_from_db()
    assert (message.status, message.provider_id) == (Status.UNKNOWN, "")


@pytest.mark.parametrize(
    ("outcome", "status", "open_kinds"),
    [
        (Settlement.ARRIVED, Status.SENT, []),
        (Settlement.NOT_ARRIVED, Status.FAILED, ["message_failed"]),
        (Settlement.HANDLED, Status.FAILED, []),
    ],
)
def test_a_person_settles_the_unknown(cast, queue, outcome, status, open_kinds):
    message = queue()
    deliver(cast, send=failing(UNKNOWN))
    done = outbox.settle(by=cast.frida, message=message, outcome=outcome, now=NOON + timedelta(hours=1))
    assert (done.status, done.settled_by_id) == (status, cast.frida.pk)
    assert [item.kind for item in WorkItem.objects.open()] == open_kinds
    assert AuditEvent.objects.get(verb="message.settled").details == {"kind": "test_letter", "outcome": outcome}


def test_a_person_settles_the_failed(cast, queue):
    message = queue()
    deliver(cast, send=failing(REFUSED))
    for wrong in (Settlement.ARRIVED, Settlement.NOT_ARRIVED):
        with pytest.raises(outbox.NotForThisLetter, match="surely did not leave"):
            outbox.settle(by=cast.frida, message=message, outcome=wrong, now=NOON)
    outbox.settle(by=cast.frida, message=message, outcome=Settlement.HANDLED, now=NOON)
    assert not WorkItem.objects.open().exists()
    with pytest.raises(outbox.NothingToSettle, match="Nobody needs to decide"):
        outbox.settle(by=cast.frida, message=message, outcome=Settlement.HANDLED, now=NOON)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SENDING, Status.SENT, Status.SKIPPED])
def test_what_nobody_needs_to_settle(cast, queue, status):
    message = queue()
    final = status in {Status.SENT, Status.SKIPPED}
    OutboundMessage.objects.filter(pk=message.pk).update(
        status=status, claimed_at=NOON, settled_at=NOON if final else None, reason="x"
    )
    with pytest.raises(outbox.NothingToSettle):
        outbox.settle(by=cast.frida, message=message, outcome=Settlement.ARRIVED, now=NOON)


def test_a_claim_in_a_transaction_is_refused(cast, queue):
    """What nobody else can see yet would be sent twice."""
    from django.db import transaction

    queue()
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        deliver(cast)


def test_the_database_refuses_half_a_state(cast, queue):
    message = queue()
    with pytest.raises(IntegrityError, match="message_sending_has_claim"):
        OutboundMessage.objects.filter(pk=message.pk).update(status=Status.SENDING)


def test_by_mail(cast, queue, settings):
    message = queue()
    with mail_server(settings) as server:
        done = outbox.deliver_next(by=cast.sam, now=NOON)
    assert done is not None
    assert done.status == Status.SENT
    assert [(to, got["X-Message-Id"]) for to, got in server.letters] == [("pat@post.example", str(message.pk))]


def test_by_mail_when_nobody_listens(cast, queue, settings):
    nobody_listens(settings)
    message = queue()
    outbox.deliver_next(by=cast.sam, now=NOON)
    message.refresh_from_db()
    assert (message.status, message.reason) == (Status.QUEUED, "post_unreachable")


def test_by_mail_when_the_server_takes_it_and_falls_silent(cast, queue, settings):
    """The worst case: it did arrive, and we cannot know. Nothing is sent again."""
    queue()
    with mail_server(settings, timeout=0.5) as server:
        server.at_data, server.takes_before_failing = "drop", True
        done = outbox.deliver_next(by=cast.sam, now=NOON)
        assert done is not None
        assert done.status == Status.UNKNOWN
        server.at_data = ""
        outbox.flag_stuck(by=cast.sam, now=NOON + timedelta(days=1))
        assert outbox.deliver_next(by=cast.sam, now=NOON + timedelta(days=1)) is None
    assert len(server.letters) == 1


def test_the_tasks(cast, queue, now, mailoutbox):
    first, second = queue(), queue()
    claim(first, now - timedelta(hours=1))
    tasks.deliver_messages()
    assert len(mailoutbox) == 1
    tasks.flag_stuck_messages()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (Status.UNKNOWN, Status.SENT)


def test_sam_is_made_once_and_cannot_sign_in(db):
    assert system.sam(now=NOON).pk == system.sam(now=NOON).pk
    sam = User.objects.get(kind=User.Kind.SYSTEM)
    assert not sam.is_active
    assert not sam.has_usable_password()
