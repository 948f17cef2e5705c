"""Work to do: whose it is, what is due first, and closing it once."""

import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic import subjects
from clinic.actions import hours, worklist
from clinic.models import AuditEvent, Location, OutboundMessage, Role, TimeOff, User, WorkItem, new_id
from clinic.navigation import bell_count
from clinic.views.worklist import PAGE
from patients.models import BreakGlass, Patient
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn
from tests.query_counts import queries

Kind = WorkItem.Kind


def make_item(by: User, location: Location, now: datetime, hours: float = 1, **fields: Any) -> WorkItem:
    values: dict[str, Any] = {
        "kind": Kind.REFERRAL,
        "subject_type": "referral",
        "subject_id": new_id(),
        "owner_role": Role.FRONT_DESK,
        **fields,
    }
    return worklist.open_item(by=by, location=location, now=now, due_at=now + timedelta(hours=hours), **values)


def shown(client: Client, **query: str) -> list[UUID]:
    return [row["id"] for row in client.get(reverse("clinic:worklist"), query).context["items"]]


class TestList:
    def test_mine_and_my_roles_by_due_time(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        later = make_item(cast.ada, cast.denver, now, 5)
        sooner = make_item(cast.ada, cast.denver, now, 2, owner=cast.frida, owner_role=None, kind=Kind.CALL_PATIENT)
        make_item(cast.ada, cast.denver, now, owner=cast.felix, owner_role=None, kind=Kind.CALL_PATIENT)
        make_item(cast.ada, cast.denver, now, owner_role=Role.NURSE, kind=Kind.RECALL)
        make_item(cast.ada, cast.phoenix, now)
        assert shown(signed_in(cast.frida)) == [sooner.pk, later.pk]
        assert bell_count(cast.frida) == 2

    def test_words_of_danger_stand_above_what_is_late(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        """An enquiry nobody answered for a week is later than somebody who wrote a minute ago, and can wait."""
        late = [make_item(cast.ada, cast.denver, now, -200 + number).pk for number in range(PAGE)]
        danger = [
            make_item(cast.ada, cast.denver, now, hours, kind=Kind.CRISIS_WORDS, subject_type="referral").pk
            for hours in (0, 1)
        ]
        client = signed_in(cast.frida)
        first = client.get(reverse("clinic:worklist"))
        second = client.get(reverse("clinic:worklist") + first.context["more_url"])
        assert [row["id"] for page in (first, second) for row in page.context["items"]] == danger + late
        waiting = client.get(reverse("sessions:today")).context["waiting"]
        assert [entry["label"] for entry in waiting] == [Kind.CRISIS_WORDS.label, Kind.REFERRAL.label]

    def test_a_role_counts_where_it_is_held(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        """Ada manages Denver and is front desk in Phoenix: Denver's enquiries are not hers."""
        make_item(cast.frida, cast.denver, now)
        phoenix = make_item(cast.frida, cast.phoenix, now)
        managers = make_item(cast.frida, cast.denver, now, 2, owner_role=Role.MANAGER, kind=Kind.HANDOVER)
        assert shown(signed_in(cast.ada)) == [phoenix.pk, managers.pk]

    def test_narrowed_by_kind_and_by_whose(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        mine = make_item(cast.ada, cast.denver, now, owner=cast.frida, owner_role=None, kind=Kind.CALL_PATIENT)
        roles = make_item(cast.ada, cast.denver, now, 2)
        client = signed_in(cast.frida)
        assert shown(client, whose="mine") == [mine.pk]
        assert shown(client, whose="roles") == [roles.pk]
        assert shown(client, kind="referral") == [roles.pk]
        assert shown(client, kind="referral", whose="mine") == []
        assert "Nothing of that sort" in client.get(reverse("clinic:worklist"), {"kind": "recall"}).content.decode()
        assert shown(client, kind="' OR 1=1", whose="x") == [mine.pk, roles.pk]

    def test_overdue_is_said_in_words(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        make_item(cast.ada, cast.denver, now, -3)
        page = signed_in(cast.frida).get(reverse("clinic:worklist")).content.decode()
        assert "3 h late" in page
        assert "Wed 13 Jan 2027 06:00 MST" in page

    def test_empty_says_what_it_is_for(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        assert "Nothing is waiting for you" in signed_in(cast.frida).get(reverse("clinic:worklist")).content.decode()

    def test_what_is_still_looked_for_is_not_called_nothing(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        """Nobody goes home reading that no visit is in the way of a closure, before anybody has looked."""
        looked, whole = "are being looked for", {"kind": "recall"}
        day = now.date() + timedelta(days=3)
        values: dict[str, Any] = {"by": cast.ada, "name": "Flood", "first": day, "last": day}
        hours.enter_closure(location=cast.phoenix, now=now, **values)
        hours.enter_closure(location=cast.denver, now=now - timedelta(minutes=7), **values)
        client, address = signed_in(cast.frida), reverse("clinic:worklist")
        assert looked not in client.get(address, whole).content.decode()
        day += timedelta(days=1)
        shut = hours.enter_closure(location=cast.denver, now=now, **{**values, "first": day, "last": day})
        for query in ({}, whole):
            assert looked in client.get(address, query).content.decode()
        make_item(cast.ada, cast.denver, now)
        assert looked not in client.get(address).content.decode(), "other work is there to do"
        hours.cancel_closure(by=cast.ada, closure=shut, now=now)
        assert looked not in client.get(address, whole).content.decode()
        TimeOff.objects.create(
            user=cast.dana, during=(now, now + timedelta(days=1)), reason=TimeOff.Reason.ILLNESS, entered_by=cast.ada, entered_at=now
        )  # fmt: skip
        assert looked in client.get(address, whole).content.decode()

    def test_htmx_gets_the_items_only(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        make_item(cast.ada, cast.denver, now)
        part = signed_in(cast.frida).get(reverse("clinic:worklist"), headers={"HX-Request": "true"}).content.decode()
        assert "<table" in part
        assert "<html" not in part

    def test_pages_follow_each_other_without_gap_or_repeat(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        made = [make_item(cast.ada, cast.denver, now, number // 3).pk for number in range(PAGE + 7)]
        client = signed_in(cast.frida)
        first = client.get(reverse("clinic:worklist"))
        second = client.get(reverse("clinic:worklist") + first.context["more_url"])
        seen = [row["id"] for page in (first, second) for row in page.context["items"]]
        assert len(seen) == len(set(seen)) == len(made)
        assert set(seen) == set(made)
        assert second.context["more_url"] == ""

    @pytest.mark.parametrize("after", ["x", "1,2", "99999999999999999999999,x", ",", "1" * 400])
    def test_a_made_up_cursor_is_the_first_page(
        self, cast: Cast, now: datetime, signed_in: SignedIn, after: str
    ) -> None:
        item = make_item(cast.ada, cast.denver, now)
        assert shown(signed_in(cast.frida), after=after) == [item.pk]

    def test_as_many_queries_for_thirty_as_for_one(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        make_item(cast.ada, cast.denver, now)
        client.get(reverse("clinic:worklist"))
        client.get(reverse("clinic:worklist"))
        with CaptureQueriesContext(connection) as one:
            client.get(reverse("clinic:worklist"))
        for _number in range(29):
            make_item(cast.ada, cast.denver, now)
        with CaptureQueriesContext(connection) as many:
            assert len(shown(client)) == 30
            # The session's user, memberships, items, whom they are about, the bell.
            assert len(many) == len(one) <= 7


def about(client: Client, item: WorkItem) -> dict[str, Any]:
    """Return what the list says of one item."""
    rows = {row["id"]: row for row in client.get(reverse("clinic:worklist")).context["items"]}
    found: dict[str, Any] = rows[item.pk]
    return found


class TestWho:
    """Whom the work is about, to those who may open it; nothing of it to anybody else."""

    def test_every_kind_of_subject_is_named_by_somebody(self) -> None:
        known = {
            "appointment",
            "breakglass",
            "location",
            "outboundmessage",
            "page",
            "patient",
            "referral",
            "riskalert",
            "user",
        }
        assert known <= set(subjects.kinds())

    def test_a_second_module_for_a_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Two modules name what is called patient"):
            subjects.register("patient", lambda _user, _ids, _now: {})

    def test_a_patient(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        item = make_item(
            cast.ada, cast.denver, now, kind=Kind.CALL_PATIENT, subject_type="patient", subject_id=cast.quinn.pk
        )
        client = signed_in(cast.frida)
        row = about(client, item)
        assert (row["name"], row["code"], row["about"]) == ("Quinn Abbott", cast.quinn.mrn, "")
        assert row["url"] == reverse("patients:patient", args=[cast.quinn.pk])
        for page in ("clinic:worklist", "clinic:close_work_item"):
            text = client.get(reverse(page, args=[item.pk] if page.endswith("item") else None)).content.decode()
            assert "Quinn Abbott" in text
            assert cast.quinn.mrn in text

    def test_a_visit_says_whose_and_when(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        visit = make.make_appointment(cast.pat, cast.intake, cast.dana, now + timedelta(days=7))
        item = make_item(cast.ada, cast.denver, now, kind=Kind.RECALL, subject_type="appointment", subject_id=visit.pk)
        row = about(signed_in(cast.frida), item)
        assert (row["name"], row["code"], row["about"]) == ("Pat Moreau", cast.pat.mrn, "Wed 20 Jan 2027 09:00 MST")
        assert row["url"] == reverse("sessions:appointment", args=[visit.pk])
        assert row["person_url"] == reverse("patients:patient", args=[cast.pat.pk])

    @pytest.mark.parametrize("kind", [Kind.CALL_PATIENT, Kind.CRISIS_WORDS, Kind.RECALL])
    def test_a_call_says_the_number(self, cast: Cast, now: datetime, signed_in: SignedIn, kind: str) -> None:
        quinn = Patient.objects.get(pk=cast.quinn.pk)
        quinn.phone = "+13035550122"
        quinn.save(update_fields=["phone"])
        make_item(cast.ada, cast.denver, now, kind=kind, subject_type="patient", subject_id=quinn.pk)
        page = signed_in(cast.frida).get(reverse("clinic:worklist")).content.decode()
        assert ("tel:+13035550122" in page) is (kind != Kind.RECALL)
        assert ("(303) 555-0122" in page) is (kind != Kind.RECALL)
        assert "555-0122" not in signed_in(cast.olga).get(reverse("clinic:worklist")).content.decode()

    def test_an_enquiry_and_the_patient_it_became(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        item = make_item(cast.ada, cast.denver, now, subject_id=cast.rosa.pk)
        client = signed_in(cast.frida)
        row = about(client, item)
        assert (row["name"], row["code"], row["person_url"]) == ("Rosa Vega", "", "")
        assert row["url"] == reverse("patients:referral", args=[cast.rosa.pk])
        cast.rosa.patient = cast.quinn
        cast.rosa.save(update_fields=["patient"])
        row = about(client, item)
        assert (row["name"], row["code"]) == ("Quinn Abbott", cast.quinn.mrn)
        assert row["person_url"] == reverse("patients:patient", args=[cast.quinn.pk])

    def test_an_opening_leads_the_team_to_the_patient_and_the_reviewer_to_the_reviews(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        grant = BreakGlass.objects.create(
            patient=cast.pat, user=cast.tess, reason="cover", reason_text="x", started_at=now,
            expires_at=now + timedelta(hours=1),
        )  # fmt: skip
        said: dict[str, Any] = {"subject_type": "breakglass", "subject_id": grant.pk, "patient_id": cast.pat.pk}
        notice = make_item(
            cast.ada, cast.denver, now, kind=Kind.BREAK_GLASS_NOTICE, owner=cast.theo, owner_role=None, **said
        )
        review = make_item(
            cast.ada, cast.denver, now, kind=Kind.BREAK_GLASS_REVIEW, owner_role=Role.PRIVACY_OFFICER, **said
        )
        theirs, officers = about(signed_in(cast.theo), notice), about(signed_in(cast.petra), review)
        patient = reverse("patients:patient", args=[cast.pat.pk])
        assert (theirs["name"], theirs["about"], theirs["url"]) == ("Pat Moreau", "Tess Tanaka", patient)
        assert (officers["name"], officers["person_url"]) == ("Pat Moreau", patient)
        assert officers["url"] == reverse("patients:break_glass_reviews")

    def test_a_letter_and_a_leaver(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        visit = make.make_appointment(cast.pat, cast.intake, cast.dana, now + timedelta(days=7))
        message = OutboundMessage.objects.create(
            kind="visit_tomorrow", category="visit", channel="email", recipient_kind="patient",
            recipient_id=cast.pat.pk, address="x", time_zone="UTC", location_id=cast.denver.pk,
            subject_type="appointment", subject_id=visit.pk, status="unknown", queued_at=now, not_before=now,
            useful_until=now, settled_at=now,
        )  # fmt: skip
        letter = make_item(
            cast.ada, cast.denver, now, kind=Kind.MESSAGE_UNKNOWN, subject_type="outboundmessage", subject_id=message.pk
        )
        row = about(signed_in(cast.frida), letter)
        assert (row["name"], row["about"]) == ("Pat Moreau", "The day before the visit")
        assert row["url"] == reverse("clinic:messages")
        left = make_item(
            cast.ada, cast.denver, now, kind=Kind.HANDOVER, owner_role=Role.MANAGER, subject_type="user",
            subject_id=cast.tess.pk,
        )  # fmt: skip
        row = about(signed_in(cast.ada), left)
        assert (row["name"], row["url"]) == ("Tess Tanaka", reverse("clinic:person", args=[cast.tess.pk]))

    @pytest.mark.parametrize(
        "subject_type", ["appointment", "breakglass", "outboundmessage", "patient", "referral", "user"]
    )
    def test_what_they_may_not_open_is_neither_named_nor_linked(
        self, cast: Cast, now: datetime, signed_in: SignedIn, subject_type: str
    ) -> None:
        """An item of Olga's own about something of Denver: she works in Phoenix."""
        visit = make.make_appointment(cast.pat, cast.intake, cast.dana, now + timedelta(days=7))
        grant = BreakGlass.objects.create(
            patient=cast.pat, user=cast.tess, reason="cover", reason_text="x", started_at=now,
            expires_at=now + timedelta(hours=1),
        )  # fmt: skip
        message = OutboundMessage.objects.create(
            kind="visit_tomorrow", category="visit", channel="email", recipient_kind="patient",
            recipient_id=cast.pat.pk, address="x", time_zone="UTC", location_id=cast.denver.pk,
            subject_type="appointment", subject_id=visit.pk, status="queued", queued_at=now, not_before=now,
            useful_until=now,
        )  # fmt: skip
        subject_id = {
            "appointment": visit.pk, "breakglass": grant.pk, "outboundmessage": message.pk, "patient": cast.pat.pk,
            "referral": cast.rosa.pk, "user": cast.tess.pk,
        }[subject_type]  # fmt: skip
        item = make_item(
            cast.frida, cast.denver, now, kind=Kind.CALL_PATIENT, owner=cast.olga, owner_role=None,
            subject_type=subject_type, subject_id=subject_id, patient_id=cast.pat.pk,
        )  # fmt: skip
        client = signed_in(cast.olga)
        row = about(client, item)
        assert row["is_hidden"]
        assert [row[name] for name in ("url", "name", "code", "about", "person_url", "phone")] == [""] * 6
        for path in (reverse("clinic:worklist"), reverse("clinic:close_work_item", args=[item.pk])):
            page = client.get(path).content.decode()
            assert "Not open to you" in page
            for word in ("Moreau", cast.pat.mrn, str(cast.pat.pk), str(subject_id), "Vega", "Tanaka"):
                assert word not in page, word

    def test_unheard_of_is_hidden(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        assert about(signed_in(cast.frida), make_item(cast.ada, cast.denver, now, subject_type="unheard_of"))[
            "is_hidden"
        ]

    def test_who_was_named_is_audited(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        make_item(cast.ada, cast.denver, now, kind=Kind.CALL_PATIENT, subject_type="patient", subject_id=cast.quinn.pk)
        make_item(cast.ada, cast.denver, now, kind=Kind.CALL_PATIENT, subject_type="patient", subject_id=cast.sol.pk)
        client = signed_in(cast.frida)
        client.get(reverse("clinic:worklist"))
        client.get(reverse("clinic:worklist"))
        event = AuditEvent.objects.get(verb="list.read")
        assert event.details == {"list": "worklist", "patients": [str(cast.quinn.pk)]}

    def test_one_question_a_kind_of_subject(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)

        def fill(count: int) -> None:
            for number in range(count):
                person = make.make_patient(cast.denver)
                visit = make.make_appointment(person, cast.intake, make.make_user(), now + timedelta(days=2))
                enquiry = make.make_referral(cast.denver, f"N{number}", patient=person)
                for kind, subject in (("patient", person), ("appointment", visit), ("referral", enquiry)):
                    make_item(
                        cast.ada, cast.denver, now, kind=Kind.CALL_PATIENT, subject_type=kind, subject_id=subject.pk
                    )

        fill(1)
        one = queries(client, reverse("clinic:worklist"))
        fill(14)
        many = queries(client, reverse("clinic:worklist"))
        assert len(shown(client)) == 45
        assert len(many) == len(one)


class TestClose:
    def close(self, client: Client, item: WorkItem, **data: str) -> Any:
        sent = {"outcome": "done", "note": "Called back, booked for Friday.", **data}
        return client.post(reverse("clinic:close_work_item", args=[item.pk]), sent)

    def test_with_what_came_of_it(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        item = make_item(cast.ada, cast.denver, now, kind=Kind.CALL_PATIENT)
        client = signed_in(cast.frida)
        assert client.get(reverse("clinic:close_work_item", args=[item.pk])).status_code == 200
        assert self.close(client, item).status_code == 302
        item.refresh_from_db()
        assert (item.closed_at, item.closed_by, item.outcome) == (now, cast.frida, "done")
        row = AuditEvent.objects.get(verb="work_item.closed")
        assert "booked for Friday" not in str(row.details), "no narrative in the audit"
        assert shown(client) == []

    @pytest.mark.parametrize("kind", sorted(worklist.ANSWERED_BY_AN_ACT))
    def test_what_somebody_waits_for_is_answered_and_not_closed(
        self, cast: Cast, now: datetime, signed_in: SignedIn, kind: Kind
    ) -> None:
        item = make_item(cast.ada, cast.denver, now, kind=kind)
        client = signed_in(cast.frida)
        response = self.close(client, item)
        assert response.status_code == 422
        assert "Open what it is about and decide there" in response.content.decode()
        assert "Called back, booked for Friday." in response.content.decode()
        assert shown(client) == [item.pk]
        assert client.get(reverse("clinic:worklist")).context["items"][0]["close_url"] == ""

    def test_twice_is_once(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        item = make_item(cast.ada, cast.denver, now, kind=Kind.CALL_PATIENT)
        self.close(signed_in(cast.frida), item)
        again = self.close(signed_in(cast.felix), item, note="Me too")
        assert again.status_code == 422
        assert "Somebody has closed this already" in again.content.decode()
        item.refresh_from_db()
        assert item.closed_by == cast.frida
        page = signed_in(cast.felix).get(reverse("clinic:close_work_item", args=[item.pk])).content.decode()
        assert "This is closed already" in page

    @pytest.mark.parametrize("data", [{"outcome": ""}, {"note": ""}, {"note": "x" * 501}, {"outcome": "deleted"}])
    def test_shape(self, cast: Cast, now: datetime, signed_in: SignedIn, data: dict[str, str]) -> None:
        item = make_item(cast.ada, cast.denver, now, kind=Kind.CALL_PATIENT)
        response = self.close(signed_in(cast.frida), item, **data)
        assert response.status_code == 422
        item.refresh_from_db()
        assert item.closed_at is None

    @pytest.mark.parametrize("who", ["olga", "nina", "ada", "dana"])
    def test_somebody_elses_is_not_found(self, cast: Cast, now: datetime, signed_in: SignedIn, who: str) -> None:
        item = make_item(cast.frida, cast.denver, now, kind=Kind.CALL_PATIENT)
        client = signed_in(getattr(cast, who))
        assert client.get(reverse("clinic:close_work_item", args=[item.pk])).status_code == 404
        assert self.close(client, item).status_code == 404
        assert WorkItem.objects.open().filter(pk=item.pk).exists()

    def test_the_action_refuses_what_the_door_would(self, cast: Cast, now: datetime) -> None:
        theirs = make_item(cast.ada, cast.denver, now, owner=cast.felix, owner_role=None)
        roles = make_item(cast.ada, cast.phoenix, now)
        for item in (theirs, roles):
            with pytest.raises(worklist.NotYourItem, match="belongs to somebody else"):
                worklist.close_item(by=cast.frida, item=item, outcome=WorkItem.Outcome.DONE, note="x", now=now)

    def test_patients_and_strangers(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        item = make_item(cast.ada, cast.denver, now, kind=Kind.CALL_PATIENT)
        assert self.close(signed_in(cast.pat_user), item).status_code == 403
        assert self.close(Client(), item).status_code == 302
        assert WorkItem.objects.open().filter(pk=item.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_close_at_once() -> None:
    cast = make_cast()
    item = make_item(cast.ada, cast.denver, make.NOON, kind=Kind.CALL_PATIENT)
    ready, said = threading.Barrier(2), []

    def close(by: User) -> None:
        try:
            ready.wait()
            worklist.close_item(by=by, item=item, outcome=WorkItem.Outcome.DONE, note="x", now=make.NOON)
            said.append("closed")
        except worklist.AlreadyClosed:
            said.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=close, args=(by,)) for by in (cast.frida, cast.felix)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["closed", "refused"]
    assert AuditEvent.objects.filter(verb="work_item.closed").count() == 1
