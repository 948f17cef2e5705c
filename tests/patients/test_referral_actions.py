"""Enquiries from the first message to the booked intake: what works, what is refused, what happens once."""

import importlib
import threading
import uuid
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import connection

from clinic.models import AuditEvent, OutboundMessage, Role, WorkItem
from patients.actions import referrals
from patients.models import LifeState, Referral
from tests import factories as make
from tests.cast import Cast, make_cast

NOW = make.NOON


def receive(cast: Cast, **values: object) -> Referral:
    given: dict[str, object] = {
        "location": cast.denver, "entry_key": uuid.uuid4(), "given_name": "Nora", "family_name": "Nilsen",
        "email": "Nora@Post.example", "phone": "", "reach_by": "email", "message": "Hello", "agrees_to_email": True,
        "address": "203.0.113.9", "now": NOW,
    }  # fmt: skip
    return referrals.receive(**{**given, **values})  # type: ignore[arg-type]  # a table of values


def mark_booked(cast: Cast, referral: Referral) -> Referral:
    """Do it as the act that books does: with the row as it is now."""
    return referrals.mark_booked(by=cast.frida, referral=Referral.objects.get(pk=referral.pk), now=NOW)


class TestReceive:
    def test_puts_it_before_the_desk_and_answers_the_enquirer(self, cast: Cast) -> None:
        referral = receive(cast)
        assert referral.status == Referral.Status.NEW
        assert referral.email == "nora@post.example"
        item = WorkItem.objects.get(kind=WorkItem.Kind.REFERRAL)
        assert (item.owner_role, item.location, item.subject_id) == (Role.FRONT_DESK, cast.denver, referral.pk)
        # Thursday at closing time in Denver.
        assert item.due_at == datetime(2027, 1, 15, 1, 0, tzinfo=UTC)
        letter = OutboundMessage.objects.get(kind="enquiry_received")
        assert (letter.recipient_kind, letter.address) == ("enquirer", "nora@post.example")
        event = AuditEvent.objects.get(verb="referral.received")
        assert event.actor_id is None
        assert "Nora" not in str(event.details)

    def test_twice_from_one_form_is_once(self, cast: Cast) -> None:
        key = uuid.uuid4()
        assert receive(cast, entry_key=key).pk == receive(cast, entry_key=key).pk
        assert OutboundMessage.objects.filter(kind="enquiry_received").count() == 1
        assert WorkItem.objects.filter(kind=WorkItem.Kind.REFERRAL).count() == 1

    def test_a_form_left_open_serves_the_next_person(self, cast: Cast) -> None:
        key = uuid.uuid4()
        first = receive(cast, entry_key=key)
        second = receive(cast, entry_key=key, given_name="Olaf", email="olaf@post.example")
        assert first.pk != second.pk

    def test_agreement_without_an_address_is_none(self, cast: Cast) -> None:
        assert receive(cast, email="", phone="+13035550111").agrees_to_email is False

    @pytest.mark.parametrize("who", ["address", "reader"])
    def test_refuses_a_flood(self, cast: Cast, who: str) -> None:
        most = referrals.MOST_FROM_ONE_ADDRESS if who == "address" else referrals.MOST_FOR_ONE_READER
        for n in range(most + 1):
            values = {"email": f"n{n}@post.example"} if who == "address" else {"address": f"203.0.113.{n}"}
            if n < most:
                receive(cast, **values)
                continue
            with pytest.raises(referrals.TooManyEnquiries, match="call us at"):
                receive(cast, **values)
        assert Referral.objects.exclude(pk=cast.rosa.pk).count() == most

    def test_counts_in_this_process_when_the_cache_is_away(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_args: object, **_kwargs: object) -> None:
            raise ConnectionError

        monkeypatch.setattr("clinic.throttle.cache.add", away)
        for _ in range(referrals.MOST_FOR_ONE_READER):
            receive(cast, email="here@post.example", address="198.51.100.7")
        with pytest.raises(referrals.TooManyEnquiries):
            receive(cast, email="here@post.example", address="198.51.100.7")


class TestDecide:
    def test_accept_turns_a_question_into_an_intake_to_book(self, cast: Cast) -> None:
        referral = receive(cast)
        referrals.accept(by=cast.frida, referral=referral, now=NOW)
        referral.refresh_from_db()
        assert (referral.status, referral.accepted_at, referral.decided_by) == ("accepted", NOW, cast.frida)
        items = WorkItem.objects.filter(subject_id=referral.pk)
        assert items.get(kind=WorkItem.Kind.REFERRAL).outcome == WorkItem.Outcome.DONE
        waiting = items.open().get()
        assert (waiting.kind, waiting.owner_role) == (WorkItem.Kind.INTAKE_TO_BOOK, Role.FRONT_DESK)
        assert waiting.due_at == datetime(2027, 1, 15, 1, 0, tzinfo=UTC)

    @pytest.mark.parametrize("end", ["decline", "close", "book"])
    def test_nothing_waits_for_who_was_answered(self, cast: Cast, end: str) -> None:
        referral = receive(cast)
        referrals.accept(by=cast.frida, referral=referral, now=NOW)
        if end == "decline":
            referrals.decline(by=cast.frida, referral=referral, reason="out_of_area", note="", now=NOW)
        elif end == "close":
            referrals.close(by=cast.frida, referral=referral, now=NOW)
        else:
            referrals.link(by=cast.frida, referral=referral, patient=cast.quinn, now=NOW)
            mark_booked(cast, referral)
        assert not WorkItem.objects.open().filter(subject_id=referral.pk).exists()

    def test_accept_twice_is_a_sentence(self, cast: Cast) -> None:
        referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        with pytest.raises(referrals.AlreadyDecided, match="accepted since Wed 13 Jan 2027 09:00 MST"):
            referrals.accept(by=cast.felix, referral=cast.rosa, now=NOW)
        cast.rosa.refresh_from_db()
        assert cast.rosa.decided_by == cast.frida

    def test_decline_keeps_the_reason(self, cast: Cast) -> None:
        referrals.decline(by=cast.frida, referral=cast.rosa, reason="out_of_area", note="Lives in Maine.", now=NOW)
        cast.rosa.refresh_from_db()
        assert (cast.rosa.status, cast.rosa.decline_reason) == ("declined", "out_of_area")
        assert "Maine" not in str(AuditEvent.objects.get(verb="referral.declined").details)
        with pytest.raises(referrals.AlreadyDecided):
            referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)

    def test_close_wants_a_decision_first(self, cast: Cast) -> None:
        with pytest.raises(referrals.AlreadyDecided):
            referrals.close(by=cast.frida, referral=cast.rosa, now=NOW)
        referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        assert referrals.close(by=cast.frida, referral=cast.rosa, now=NOW).status == "closed"


class TestLinkAndBook:
    def test_link_then_book_then_reopen(self, cast: Cast) -> None:
        referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        with pytest.raises(referrals.NotReadyToBook):
            mark_booked(cast, cast.rosa)
        linked = referrals.link(by=cast.frida, referral=cast.rosa, patient=cast.quinn, now=NOW)
        assert linked.patient == cast.quinn
        assert referrals.link(by=cast.frida, referral=cast.rosa, patient=cast.quinn, now=NOW).pk == linked.pk
        with pytest.raises(referrals.AlreadyLinked):
            referrals.link(by=cast.frida, referral=cast.rosa, patient=cast.pat, now=NOW)
        assert mark_booked(cast, cast.rosa).status == "booked"
        reopened = referrals.reopen(by=cast.frida, referral=cast.rosa, now=NOW)
        assert (reopened.status, reopened.booked_at) == ("accepted", None)
        assert referrals.reopen(by=cast.frida, referral=cast.rosa, now=NOW).status == "accepted"

    def test_only_accepted_enquiries_and_living_patients(self, cast: Cast) -> None:
        with pytest.raises(referrals.AlreadyDecided):
            referrals.link(by=cast.frida, referral=cast.rosa, patient=cast.quinn, now=NOW)
        referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        dead = make.make_patient(cast.denver, life_state=LifeState.DECEASED)
        with pytest.raises(referrals.NobodyToLink):
            referrals.link(by=cast.frida, referral=cast.rosa, patient=dead, now=NOW)


class TestUnlink:
    WHY = Referral.UnlinkReason.SAME_NAME

    def unlink(self, cast: Cast) -> Referral:
        return referrals.unlink(by=cast.frida, referral=cast.rosa, reason=self.WHY, now=NOW)

    @pytest.fixture
    def linked(self, cast: Cast) -> Referral:
        referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
        return referrals.link(by=cast.frida, referral=cast.rosa, patient=cast.quinn, now=NOW)

    def test_works_and_another_is_linked(self, cast: Cast, linked: Referral) -> None:
        free = self.unlink(cast)
        assert (free.status, free.patient) == ("accepted", None)
        event = AuditEvent.objects.get(verb="referral.unlinked")
        # On the trail of whose it was thought to be.
        assert (event.patient_id, event.subject_id, event.details) == (
            cast.quinn.pk, cast.rosa.pk, {"reason": "same_name"},
        )  # fmt: skip
        assert referrals.link(by=cast.frida, referral=cast.rosa, patient=cast.pat, now=NOW).patient == cast.pat

    def test_the_intake_is_still_to_book(self, cast: Cast, linked: Referral) -> None:
        self.unlink(cast)
        assert WorkItem.objects.open().filter(kind="intake_to_book", subject_id=cast.rosa.pk).count() == 1

    def test_twice_is_a_sentence(self, cast: Cast, linked: Referral) -> None:
        self.unlink(cast)
        with pytest.raises(referrals.NotLinked, match="belongs to no patient, so there is nothing to take back"):
            self.unlink(cast)
        assert AuditEvent.objects.filter(verb="referral.unlinked").count() == 1

    def test_not_once_an_intake_is_booked(self, cast: Cast, linked: Referral) -> None:
        mark_booked(cast, cast.rosa)
        with pytest.raises(referrals.LinkIsUsed, match="Cancel the intake first"):
            self.unlink(cast)
        referrals.reopen(by=cast.frida, referral=cast.rosa, now=NOW)
        assert self.unlink(cast).patient is None

    def test_not_once_it_is_closed(self, cast: Cast, linked: Referral) -> None:
        referrals.close(by=cast.frida, referral=cast.rosa, now=NOW)
        with pytest.raises(referrals.LinkIsUsed, match="This enquiry is closed and stays with its patient"):
            self.unlink(cast)


@pytest.mark.django_db(transaction=True)
def test_twenty_people_accept_one_enquiry() -> None:
    cast = make_cast()
    start, outcomes = threading.Barrier(20), []

    def press() -> None:
        try:
            start.wait()
            referrals.accept(by=cast.frida, referral=cast.rosa, now=NOW)
            outcomes.append("accepted")
        except referrals.AlreadyDecided:
            outcomes.append("sentence")
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted"] + ["sentence"] * 19
    assert AuditEvent.objects.filter(verb="referral.accepted").count() == 1


def test_what_was_accepted_before_there_was_a_list_for_it_comes_onto_it(cast: Cast) -> None:
    """The migration that goes with "Book the intake": whoever was told "yes" by the old code waits for a date too."""
    waiting, listed, back, new = (receive(cast, email=f"n{n}@post.example") for n in range(4))
    for referral in (waiting, listed, back):
        referrals.accept(by=cast.frida, referral=referral, now=NOW)
    WorkItem.objects.filter(subject_id=waiting.pk).delete()
    WorkItem.objects.open().filter(subject_id=back.pk).update(kind=WorkItem.Kind.REFERRAL)
    ask_the_desk = importlib.import_module("patients.migrations.0005_intakes_to_book").ask_the_desk
    for _time in range(2):
        ask_the_desk(apps, None)
    asked = WorkItem.objects.open().filter(kind=WorkItem.Kind.INTAKE_TO_BOOK)
    ours = asked.filter(subject_id__in=[waiting.pk, listed.pk, back.pk, new.pk])
    assert sorted(ours.values_list("subject_id", flat=True)) == sorted([waiting.pk, listed.pk])
    item = asked.get(subject_id=waiting.pk)
    assert (item.owner_role, item.location, item.subject_type) == (Role.FRONT_DESK, cast.denver, "referral")
