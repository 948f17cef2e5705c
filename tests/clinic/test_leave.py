"""Leavers are out at once, their work goes on, and no location or trainee is left alone."""

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from clinic.actions import people, worklist
from clinic.models import AuditEvent, Membership, Role, User, WorkingHours, WorkItem, new_id
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn


@pytest.fixture(autouse=True)
def _frozen(now: Any) -> None:
    """One Wednesday morning."""


def leave(cast: Cast, who: User) -> User:
    return people.leave(by=cast.ada, person=who, now=make.NOON)


def make_item(cast: Cast, owner: User, **fields: Any) -> WorkItem:
    return worklist.open_item(
        by=cast.ada, kind=WorkItem.Kind.CALL_PATIENT, location=fields.pop("location", cast.denver), owner=owner,
        subject_type="patient", subject_id=fields.pop("subject_id", new_id()),
        due_at=make.NOON + timedelta(hours=4), now=make.NOON, **fields,
    )  # fmt: skip


class TestLeaving:
    def test_at_once(self, cast: Cast, signed_in: SignedIn) -> None:
        nils, ada = signed_in(cast.nils), signed_in(cast.ada)
        assert nils.get(reverse("clinic:worklist")).status_code == 200
        assert (
            "Their roles and working hours end"
            in ada.get(reverse("clinic:leave_person", args=[cast.nils.pk])).content.decode()
        )
        response = ada.post(reverse("clinic:leave_person", args=[cast.nils.pk]))
        assert response.headers["Location"] == reverse("clinic:worklist")
        assert nils.get(reverse("clinic:worklist")).status_code == 302, "no session outlives it"
        cast.nils.refresh_from_db()
        assert (cast.nils.is_active, cast.nils.left_at) == (False, make.NOON)
        assert not Membership.objects.live().filter(user=cast.nils).exists()
        assert AuditEvent.objects.filter(verb="staff.left", subject_id=cast.nils.pk, actor_id=cast.ada.pk).count() == 1

    def test_hours_end_today(self, cast: Cast) -> None:
        WorkingHours.objects.create(
            user=cast.nils, location=cast.denver, weekday=0, starts="08:00", ends="12:00", valid_from=date(2027, 3, 1)
        )
        leave(cast, cast.nils)
        hours = WorkingHours.objects.filter(user=cast.nils)
        assert {row.valid_until for row in hours} == {date(2027, 1, 13)}
        assert not hours.filter(valid_from__gt=date(2027, 1, 13)).exists()

    def test_work_goes_to_the_same_role_or_the_managers(self, cast: Cast) -> None:
        nurse = make_item(cast, cast.nils)
        milo = make_item(cast, cast.milo)
        leave(cast, cast.nils)
        leave(cast, cast.milo)
        for item, role in ((nurse, "nurse"), (milo, "manager")):
            item.refresh_from_db()
            assert (item.owner, item.owner_role, item.closed_at) == (None, role, None)
        assert AuditEvent.objects.filter(verb="work_item.handed_over").count() == 2

    def test_a_twin_that_waits_for_the_role_already_is_enough(self, cast: Cast) -> None:
        about = new_id()
        mine = make_item(cast, cast.nils, subject_id=about)
        worklist.open_item(
            by=cast.ada, kind=WorkItem.Kind.CALL_PATIENT, location=cast.denver, owner_role=Role.NURSE,
            subject_type="patient", subject_id=about, due_at=make.NOON, now=make.NOON,
        )  # fmt: skip
        leave(cast, cast.nils)
        mine.refresh_from_db()
        assert mine.closed_at == make.NOON
        assert WorkItem.objects.open().filter(subject_id=about).count() == 1

    def test_the_managers_are_asked_to_see_to_the_rest(self, cast: Cast) -> None:
        leave(cast, cast.nils)
        item = WorkItem.objects.open().get(kind="handover")
        assert (item.owner_role, item.location, item.subject_id) == ("manager", cast.denver, cast.nils.pk)
        assert item.due_at == make.NOON + timedelta(days=1)

    def test_what_they_did_stays(self, cast: Cast) -> None:
        make.make_care_team_member(cast.quinn, cast.nils)
        leave(cast, cast.nils)
        assert User.objects.filter(pk=cast.nils.pk).exists()

    def test_twice_is_once(self, cast: Cast) -> None:
        leave(cast, cast.nils)
        with pytest.raises(people.HasLeft, match="They have left"):
            leave(cast, cast.nils)

    def test_they_cannot_be_given_anything_any_more(self, cast: Cast) -> None:
        leave(cast, cast.nils)
        with pytest.raises(people.HasLeft):
            people.change_details(by=cast.ada, person=cast.nils, name="X", phone="", now=make.NOON)
        with pytest.raises(people.HasLeft):
            people.start_membership(
                by=cast.ada, person=cast.nils, location=cast.denver, role=Role.NURSE, can_dispense=False,
                is_pharmacy_lead=False, is_medical_director=False, supervisor=None, now=make.NOON,
            )  # fmt: skip


class TestRefusals:
    def nothing_happened(self, who: User) -> bool:
        who.refresh_from_db()
        return who.is_active and Membership.objects.live().filter(user=who).exists()

    def test_not_oneself(self, cast: Cast, signed_in: SignedIn) -> None:
        response = signed_in(cast.ada).post(reverse("clinic:leave_person", args=[cast.ada.pk]))
        assert response.status_code == 422
        assert "own account" in response.content.decode()
        assert self.nothing_happened(cast.ada)

    def test_not_a_supervisor_with_trainees(self, cast: Cast, signed_in: SignedIn) -> None:
        response = signed_in(cast.ada).post(reverse("clinic:leave_person", args=[cast.theo.pk]))
        assert response.status_code == 422
        assert "They supervise Tara Todd" in response.content.decode()
        assert self.nothing_happened(cast.theo)

    def test_not_somebody_who_works_where_one_does_not_manage(self, cast: Cast, signed_in: SignedIn) -> None:
        make.make_member(cast.nils, cast.phoenix, Role.NURSE)
        response = signed_in(cast.ada).post(reverse("clinic:leave_person", args=[cast.nils.pk]))
        assert "They also work at Phoenix" in response.content.decode()
        assert self.nothing_happened(cast.nils)

    def test_not_the_last_manager(self, cast: Cast) -> None:
        make.make_member(cast.omar, cast.denver, Role.MANAGER)
        with pytest.raises(people.WorksElsewhere):
            people.leave(by=cast.omar, person=cast.ada, now=make.NOON)
        Membership.objects.filter(user=cast.ada, location=cast.phoenix).update(ended_at=make.NOON)
        people.leave(by=cast.omar, person=cast.ada, now=make.NOON)
        assert not Membership.objects.live().filter(user=cast.ada).exists()
        make.make_member(cast.frida, cast.denver, Role.MANAGER)
        Membership.objects.filter(user=cast.frida, role=Role.MANAGER).update(ended_at=make.NOON)
        held = Membership.objects.live().get(user=cast.omar, location=cast.denver)
        with pytest.raises(people.LastManager, match="without a manager"):
            people.end_membership(by=cast.frida, membership=held, now=make.NOON)

    @pytest.mark.parametrize("who", ["frida", "dana", "petra", "olga"])
    def test_a_managers_act(self, cast: Cast, signed_in: SignedIn, who: str) -> None:
        assert (
            signed_in(getattr(cast, who)).post(reverse("clinic:leave_person", args=[cast.nils.pk])).status_code == 403
        )

    @pytest.mark.parametrize("who", ["olga", "omar", "pat_user", "sam"])
    def test_strangers_are_not_found(self, cast: Cast, signed_in: SignedIn, who: str) -> None:
        client = signed_in(cast.ada)
        for method in (client.get, client.post):
            assert method(reverse("clinic:leave_person", args=[getattr(cast, who).pk])).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_two_managers_who_remove_each_other_do_not_both_succeed() -> None:
    cast = make_cast()
    Membership.objects.filter(user=cast.ada, location=cast.phoenix).update(ended_at=make.NOON)
    make.make_member(cast.frida, cast.denver, Role.MANAGER)
    roles = {who: Membership.objects.live().get(user=who, role=Role.MANAGER) for who in (cast.ada, cast.frida)}
    ready, said = threading.Barrier(2), []

    def end(by: User, other: User) -> None:
        try:
            ready.wait()
            people.end_membership(by=by, membership=roles[other], now=make.NOON)
            said.append("ended")
        except people.LastManager:
            said.append("refused")
        finally:
            connection.close()

    pairs = ((cast.ada, cast.frida), (cast.frida, cast.ada))
    threads = [threading.Thread(target=end, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["ended", "refused"]
    assert Membership.objects.live().filter(location=cast.denver, role=Role.MANAGER).count() == 1
