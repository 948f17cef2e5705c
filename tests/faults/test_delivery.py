"""The post under fire: workers side by side, workers killed, Redis gone. Small in the gate, heavy by script/faults."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import redis
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connection, connections

from clinic import channels, letters
from clinic.actions import outbox
from clinic.letters import Letter
from clinic.models import Category, Channel, OutboundMessage, WorkItem
from sessions.actions import reminders
from sessions.models import Appointment, Reminder
from tests import factories as make
from tests.cast import make_cast
from tests.mailserver import mail_server
from tests.sessions.test_reminders_plan import plan

NOON = make.NOON
ROOT = Path(__file__).resolve().parents[2]
Status = OutboundMessage.Status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def post(monkeypatch):
    """The cast, and a kind of letter that is always wanted."""
    monkeypatch.setitem(
        letters._registry, "test_letter",
        Letter(
            kind="test_letter", label="Test", folder="clinic/letters/security_notice", category=Category.SECURITY,
            context=lambda message: {"what": "Something happened."},
        ),
    )  # fmt: skip
    return make_cast()


def queue(cast, count):
    to = outbox.Recipient(
        kind=OutboundMessage.RecipientKind.PATIENT, id=cast.pat.pk, address=cast.pat.email,
        tz=ZoneInfo("America/Denver"),
    )  # fmt: skip
    return [
        outbox.queue(
            by=cast.frida, kind="test_letter", to=to, subject_type="patient", subject_id=uuid.uuid4(), now=NOON,
            location_id=cast.denver.pk,
        )
        for _ in range(count)
    ]  # fmt: skip


def together(count, work):
    """Run ``work`` in threads with connections of their own, started at once; raise what any of them raised."""
    gate, errors = threading.Barrier(count), []

    def run():
        try:
            gate.wait(10)
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors, errors


@pytest.mark.parametrize(("workers", "letters"), [(3, 20), pytest.param(8, 1_000, marks=pytest.mark.faults)])
def test_workers_send_each_letter_once(post, workers, letters):
    messages = queue(post, letters)
    sent: Counter[uuid.UUID] = Counter()
    lock = threading.Lock()

    def send(letter):
        with lock:
            sent[letter.message_id] += 1
        time.sleep(0.002)
        return "id"

    def work():
        while outbox.deliver_next(by=post.sam, now=NOON, send=send):
            pass

    together(workers, work)
    assert sent == Counter({message.pk: 1 for message in messages})
    assert set(OutboundMessage.objects.values_list("status", flat=True)) == {"sent"}


@pytest.mark.parametrize(("sweepers", "visits"), [(3, 12), pytest.param(8, 400, marks=pytest.mark.faults)])
def test_sweeps_at_once_make_one_letter_each(post, sweepers, visits):
    for number in range(visits):
        patient = make.make_patient(post.denver)
        make.make_preference(patient, post.frida, Category.VISIT, Channel.EMAIL)
        plan(
            post,
            make.make_appointment(patient, post.intake, make.make_user(), NOON + timedelta(days=20, minutes=number)),
        )
    total, lock = [0], threading.Lock()

    def work():
        done = reminders.queue_due(by=post.sam, now=NOON + timedelta(days=14))
        with lock:
            total[0] += done

    together(sweepers, work)
    assert total == [visits]
    assert OutboundMessage.objects.filter(kind="visit_in_a_week").count() == visits
    assert Reminder.objects.filter(kind="visit_in_a_week", status="queued").count() == visits


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.faults)])
def test_cancelled_while_the_sweep_runs(post, rounds):
    """A cancellation and the sweep meet: whichever is first, no reminder of a cancelled visit stays alive."""
    now = NOON + timedelta(days=14)
    for number in range(rounds):
        visit = make.make_appointment(
            post.pat, post.intake, make.make_user(), NOON + timedelta(days=20, hours=2 * number)
        )
        plan(post, visit)
        turns = iter([partial(withdraw, post, visit, now), partial(reminders.queue_due, by=post.sam, now=now)])
        lock = threading.Lock()

        def work(turns=turns, lock=lock):
            with lock:
                turn = next(turns)
            turn()

        together(2, work)
        kinds = ("visit_in_a_week", "visit_in_three_days", "visit_tomorrow", "visit_confirmation")
        alive = OutboundMessage.objects.about("appointment", visit.pk).filter(kind__in=kinds, status="queued")
        assert not alive.exists()
        assert not Reminder.objects.filter(appointment=visit, status="planned").exists()


def withdraw(cast, visit, now):
    from django.db import transaction

    with transaction.atomic():
        Appointment.objects.select_for_update(no_key=True).get(pk=visit.pk)
        Appointment.objects.filter(pk=visit.pk).update(
            status="cancelled", cancelled_at=now, cancelled_by="clinic", cancel_reason="other"
        )
        reminders.void(by=cast.frida, appointment=visit, reason=Reminder.Reason.VISIT_CANCELLED, now=now)


WORKER = """
import os, sys, time
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = os.environ["TEST_DATABASE"]
connection.settings_dict["OPTIONS"]["assume_role"] = os.environ["TEST_ROLE"]
from datetime import datetime
from clinic import letters
from clinic.letters import Letter
from clinic.actions import outbox
from clinic.models import Category, Channel, User
letters.register(Letter(kind="test_letter", label="Test", folder="clinic/letters/security_notice",
                        category=Category.SECURITY, context=lambda message: {"what": "x"}))
def send(letter):
    print(letter.message_id, flush=True)
    time.sleep(60)
outbox.deliver_next(by=User.objects.get(kind="system"), now=datetime.fromisoformat(sys.argv[1]), send=send)
"""


def kill_a_worker_between_claim_and_record(cast):
    """Start a real process, wait until it is about to send, kill it with SIGKILL, and return the letter's id."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, NOON.isoformat()],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, text=True,
        env={
            **os.environ, "DJANGO_SETTINGS_MODULE": "clinic.settings",
            "TEST_DATABASE": connection.settings_dict["NAME"], "TEST_ROLE": django_settings.DATABASE_APP_ROLE,
        },
    )  # fmt: skip
    assert worker.stdout is not None
    with worker.stdout:
        claimed = worker.stdout.readline().strip()
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
    return uuid.UUID(claimed)


def test_a_worker_killed_between_claim_and_record(post):
    """One letter is flagged, none is sent again, and the others go."""
    queue(post, 3)
    lost = kill_a_worker_between_claim_and_record(post)
    sent = []

    def send(letter):
        sent.append(letter.message_id)
        return ""

    for minutes in (0, 5, 16, 30):
        now = NOON + timedelta(minutes=minutes)
        while outbox.deliver_next(by=post.sam, now=now, send=send):
            pass
        outbox.flag_stuck(by=post.sam, now=now)
    assert lost not in sent
    assert len(sent) == len(set(sent)) == 2
    message = OutboundMessage.objects.get(pk=lost)
    assert (message.status, message.reason) == (Status.UNKNOWN, "worker_lost")
    item = WorkItem.objects.open().get()
    assert (item.kind, item.subject_id, item.owner_role) == ("message_unknown", lost, "front_desk")


def test_redis_flushed_and_back(post, settings):
    """Rows are the queue: Redis holds nothing that anybody would miss."""
    queue(post, 5)
    redis.Redis.from_url(django_settings.REDIS_URL).flushall()
    cache.clear()
    with mail_server(settings) as server:
        while outbox.deliver_next(by=post.sam, now=NOON):
            pass
    assert len(server.letters) == 5


def test_redis_away(post, settings):
    """And the post goes on while it is away."""
    queue(post, 2)
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    with mail_server(settings) as server:
        while outbox.deliver_next(by=post.sam, now=NOON):
            pass
    assert len(server.letters) == 2


def test_a_server_in_every_mood(post, settings):
    """Twelve letters while the server accepts, puts off, refuses, hangs and drops: each arrives at most once."""
    messages = queue(post, 12)
    moods = [("at_rcpt", "451 later"), ("at_rcpt", "550 no"), ("at_data", "drop"), ("at_data", "hang"), ("", "")]
    now = NOON
    with mail_server(settings, timeout=0.4) as server:
        server.takes_before_failing = True
        for number in range(12 * 6):
            server.at_rcpt = server.at_data = ""
            where, mood = moods[number % len(moods)]
            if where:
                setattr(server, where, mood)
            if outbox.deliver_next(by=post.sam, now=now) is None:
                now += timedelta(hours=1)
        seen = Counter(got["X-Message-Id"] for _to, got in server.letters)
    assert set(seen.values()) == {1}
    ends = Counter(OutboundMessage.objects.values_list("status", flat=True))
    assert set(ends) <= {"sent", "failed", "unknown"}
    assert sum(ends.values()) == len(messages)
    sent = {str(m.pk) for m in OutboundMessage.objects.filter(status="sent")}
    assert sent <= set(seen)
    assert WorkItem.objects.open().count() == ends["failed"] + ends["unknown"]


def test_a_send_that_is_a_provider_outage_ends_with_a_person(post):
    queue(post, 1)
    now = NOON
    for _ in range(20):
        outbox.deliver_next(by=post.sam, now=now, send=_away)
        now += timedelta(minutes=30)
    assert OutboundMessage.objects.get().status == Status.FAILED
    assert WorkItem.objects.open().count() == 1


def _away(letter):
    raise channels.Transient(outbox.Reason.POST_UNREACHABLE)
