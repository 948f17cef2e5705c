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

from clinic.actions import worklist
from clinic.models import AuditEvent, Location, Role, User, WorkItem, new_id
from clinic.navigation import bell_count
from clinic.views.worklist import PAGE, SUBJECTS, link_of
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

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
        assert len(many) == len(one) <= 6

    def test_every_subject_has_its_page(self, cast: Cast, now: datetime) -> None:
        for subject_type in SUBJECTS:
            item = make_item(cast.ada, cast.denver, now, subject_type=subject_type)
            assert link_of(item).startswith("/"), subject_type
        assert link_of(make_item(cast.ada, cast.denver, now, subject_type="unheard_of")) == ""

    def test_a_notice_leads_to_the_patient_and_a_review_to_the_reviews(self, cast: Cast, now: datetime) -> None:
        about: dict[str, Any] = {"subject_type": "breakglass", "patient_id": cast.pat.pk}
        notice = make_item(cast.ada, cast.denver, now, kind=Kind.BREAK_GLASS_NOTICE, owner=cast.theo, **about)
        review = make_item(cast.ada, cast.denver, now, kind=Kind.BREAK_GLASS_REVIEW, **about)
        assert str(cast.pat.pk) in link_of(notice)
        assert link_of(review) == reverse("patients:break_glass_reviews")


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
