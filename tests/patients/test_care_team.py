"""Who may open whose chart: roles, places, care teams, emergency grants, and their review."""

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from clinic.access import Permission
from clinic.models import AuditEvent, Membership, Role, User, WorkItem
from patients.actions import careteams as actions
from patients.models import BreakGlass, CareTeamMember, Patient
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.patients.counting import queries

NOW = make.NOON


def sees(person: User, permission: Permission, now: datetime = NOW) -> set[str]:
    # A request's memory of memberships belongs to that request.
    fresh = User.objects.get(pk=person.pk)
    return set(Patient.objects.visible_to(fresh, permission, now).values_list("given_name", flat=True))


def break_glass(cast: Cast, person: User, patient: Patient, **values: object) -> BreakGlass:
    given = {"reason": "cover", "reason_text": "Theo is away and Quinn called.", "now": NOW, **values}
    return actions.break_glass(by=person, patient=patient, **given)  # type: ignore[arg-type]  # a table of values


class TestVisibleTo:
    @pytest.mark.parametrize(
        ("person", "identity", "chart"),
        [
            ("frida", {"Pat", "Quinn"}, set()),
            ("ada", {"Pat", "Quinn", "Sol"}, set()),
            ("theo", {"Pat", "Quinn"}, {"Pat"}),
            ("dana", {"Pat", "Quinn"}, {"Pat"}),
            ("nina", {"Pat", "Quinn"}, {"Pat"}),
            ("tess", {"Pat", "Quinn"}, set()),
            ("milo", {"Pat", "Quinn"}, set()),
            ("petra", {"Pat", "Quinn"}, set()),
            ("omar", {"Sol"}, set()),
            ("olga", {"Sol"}, set()),
            ("iris", {"Sol"}, set()),
            ("sam", set(), set()),
            ("pat_user", set(), set()),
        ],
    )
    def test_by_role(self, cast: Cast, person: str, identity: set[str], chart: set[str]) -> None:
        who = getattr(cast, person)
        assert sees(who, Permission.PATIENT_READ) == identity
        assert sees(who, Permission.CHART_READ) == chart

    def test_a_grant_opens_one_chart_for_two_hours(self, cast: Cast) -> None:
        break_glass(cast, cast.tess, cast.quinn)
        assert sees(cast.tess, Permission.CHART_READ) == {"Quinn"}
        assert sees(cast.tess, Permission.CHART_READ, NOW + timedelta(minutes=119)) == {"Quinn"}
        assert sees(cast.tess, Permission.CHART_READ, NOW + timedelta(hours=2)) == set()
        assert sees(cast.nils, Permission.CHART_READ) == set()

    def test_a_grant_is_no_membership(self, cast: Cast) -> None:
        """A row that should not exist opens nothing in a place where the person does not work."""
        BreakGlass.objects.create(
            patient=cast.pat, user=cast.omar, reason="cover", reason_text="x", started_at=NOW,
            expires_at=NOW + timedelta(hours=2),
        )  # fmt: skip
        make.make_care_team_member(cast.quinn, cast.omar)
        assert sees(cast.omar, Permission.CHART_READ) == set()

    def test_whoever_left_sees_nothing(self, cast: Cast) -> None:
        Membership.objects.filter(user=cast.theo).update(ended_at=NOW)
        assert sees(cast.theo, Permission.CHART_READ) == set()
        assert sees(cast.theo, Permission.PATIENT_READ) == set()
        User.objects.filter(pk=cast.dana.pk).update(is_active=False)
        assert sees(cast.dana, Permission.CHART_READ) == set()

    def test_whoever_left_the_team_sees_no_chart(self, cast: Cast) -> None:
        member = CareTeamMember.objects.get(user=cast.nina)
        actions.remove(by=cast.ada, member=member, now=NOW)
        assert sees(cast.nina, Permission.CHART_READ) == set()
        assert sees(cast.nina, Permission.PATIENT_READ) == {"Pat", "Quinn"}


class TestTeam:
    def test_the_first_leads(self, cast: Cast) -> None:
        first = actions.add(by=cast.ada, patient=cast.quinn, user=cast.dana, now=NOW)
        second = actions.add(by=cast.ada, patient=cast.quinn, user=cast.tess, now=NOW)
        assert (first.is_lead, second.is_lead) == (True, False)
        with pytest.raises(actions.LeadMustBeReplaced):
            actions.remove(by=cast.ada, member=first, now=NOW)
        for _ in range(2):
            assert actions.set_lead(by=cast.dana, member=second, now=NOW).is_lead
        actions.remove(by=cast.dana, member=first, now=NOW)
        with pytest.raises(actions.NoLongerOnTheTeam):
            actions.set_lead(by=cast.ada, member=first, now=NOW)
        actions.remove(by=cast.tess, member=second, now=NOW)
        assert not CareTeamMember.objects.live().filter(patient=cast.quinn).exists()
        assert AuditEvent.objects.filter(verb="care_team.changed").count() == 5

    def test_refuses(self, cast: Cast) -> None:
        with pytest.raises(actions.AlreadyOnTheTeam):
            actions.add(by=cast.ada, patient=cast.pat, user=cast.theo, now=NOW)
        for person in (cast.omar, cast.frida, cast.petra, cast.pat_user):
            with pytest.raises(actions.NotAClinicianHere):
                actions.add(by=cast.ada, patient=cast.pat, user=person, now=NOW)

    def test_nobody_joins_a_team_on_their_own(self, cast: Cast) -> None:
        with pytest.raises(actions.NotYourTeam):
            actions.add(by=cast.tess, patient=cast.pat, user=cast.tess, now=NOW)
        with pytest.raises(actions.NotYourTeam):
            actions.remove(by=cast.tess, member=CareTeamMember.objects.get(user=cast.nina), now=NOW)
        assert actions.add(by=cast.theo, patient=cast.pat, user=cast.tess, now=NOW)
        # A patient without a team has nobody to ask: the first clinician begins it, and the audit knows.
        assert actions.add(by=cast.tess, patient=cast.quinn, user=cast.tess, now=NOW).is_lead

    def test_the_database_keeps_one_lead(self, cast: Cast) -> None:
        with pytest.raises(IntegrityError, match="care_team_has_one_lead"), transaction.atomic():
            CareTeamMember.objects.filter(user=cast.nina).update(is_lead=True)

    def test_by_the_page(self, cast: Cast, signed_in: SignedIn) -> None:
        theo, page = signed_in(cast.theo), reverse("patients:care_team", args=[cast.pat.pk])
        add = reverse("patients:add_care_team_member", args=[cast.pat.pk])
        assert theo.get(page).context["may_manage"]
        assert theo.post(add, {"user": cast.tess.pk}).status_code == 302
        assert theo.post(add, {"user": cast.tess.pk}).status_code == 422
        for nobody in ("", "x", cast.omar.pk, cast.pat_user.pk):
            assert theo.post(add, {"user": nobody}).status_code == 422
        member = CareTeamMember.objects.get(user=cast.tess)
        assert theo.post(reverse("patients:lead_care_team", args=[member.pk])).status_code == 302
        refused = theo.post(reverse("patients:remove_care_team_member", args=[member.pk]))
        assert refused.status_code == 422
        assert "Make somebody else the lead first" in refused.content.decode()
        for name in ("lead_care_team", "remove_care_team_member"):
            address = reverse(f"patients:{name}", args=[member.pk])
            assert signed_in(cast.frida).post(address).status_code == 403
            assert signed_in(cast.omar).post(address).status_code == 404
            assert theo.get(address).status_code == 405
        assert not signed_in(cast.frida).get(page).context["may_manage"]

    def test_queries_do_not_grow(self, cast: Cast, signed_in: SignedIn) -> None:
        client, address = signed_in(cast.theo), reverse("patients:care_team", args=[cast.pat.pk])
        one = queries(client, address)
        for _ in range(29):
            make.make_care_team_member(cast.pat, make.make_user())
        assert queries(client, address) == one


class TestBreakGlass:
    def test_tells_the_lead_and_the_privacy_officer(self, cast: Cast) -> None:
        grant = break_glass(cast, cast.tess, cast.pat)
        notice = WorkItem.objects.get(kind=WorkItem.Kind.BREAK_GLASS_NOTICE)
        assert (notice.owner, notice.subject_id, notice.patient_id) == (cast.theo, grant.pk, cast.pat.pk)
        review = WorkItem.objects.get(kind=WorkItem.Kind.BREAK_GLASS_REVIEW)
        assert (review.owner_role, review.location) == (Role.PRIVACY_OFFICER, cast.denver)
        event = AuditEvent.objects.get(verb="break_glass.used")
        assert event.details == {"reason": "cover"}

    def test_refuses_whom_the_chart_is_open_to(self, cast: Cast) -> None:
        with pytest.raises(actions.ChartIsOpenToYou, match="on this care team"):
            break_glass(cast, cast.theo, cast.pat)
        break_glass(cast, cast.tess, cast.pat)
        with pytest.raises(actions.ChartIsOpenToYou, match="until Wed 13 Jan 2027 11:00 MST"):
            break_glass(cast, cast.tess, cast.pat)
        assert BreakGlass.objects.count() == 1
        assert break_glass(cast, cast.tess, cast.pat, now=NOW + timedelta(hours=3))

    def test_each_role_has_its_reasons(self, cast: Cast) -> None:
        with pytest.raises(actions.ReasonNotYours):
            break_glass(cast, cast.petra, cast.pat)
        assert break_glass(cast, cast.petra, cast.pat, reason="privacy_review")
        for person, reason in ((cast.tess, "privacy_review"), (cast.frida, "cover"), (cast.omar, "cover")):
            with pytest.raises(actions.ReasonNotYours):
                break_glass(cast, person, cast.pat, reason=reason)

    def test_by_the_page(self, cast: Cast, signed_in: SignedIn) -> None:
        address = reverse("patients:break_glass", args=[cast.pat.pk])
        tess = signed_in(cast.tess)
        assert tess.get(address).status_code == 200
        assert BreakGlass.objects.count() == 0
        refused = tess.post(address, {"reason": "cover", "reason_text": "short"})
        assert refused.status_code == 422
        assert "Say what happened in a sentence" in refused.content.decode()
        done = tess.post(address, {"reason": "cover", "reason_text": "Theo is away and Pat called."})
        assert done.headers["Location"] == reverse("sessions:chart", args=[cast.pat.pk])
        assert signed_in(cast.frida).get(address).status_code == 403
        assert signed_in(cast.ada).get(address).status_code == 403
        assert (
            signed_in(cast.omar).post(address, {"reason": "cover", "reason_text": "I am curious."}).status_code == 404
        )

    def test_the_team_reads_why_and_the_desk_does_not(self, cast: Cast, signed_in: SignedIn) -> None:
        break_glass(cast, cast.tess, cast.pat)
        address = reverse("patients:patient", args=[cast.pat.pk])
        for person, reads in ((cast.theo, True), (cast.petra, True), (cast.frida, False), (cast.milo, False)):
            words = signed_in(person).get(address).content.decode()
            assert ("Theo is away and Quinn called." in words) is reads, person

    def test_the_chart_is_not_there_until_then(self, cast: Cast, signed_in: SignedIn, now: object) -> None:
        from django.http import Http404

        from patients.access import get_patient_or_404
        from tests.patients.requests import request_of

        with pytest.raises(Http404):
            get_patient_or_404(request_of(cast.tess, NOW), cast.pat.pk, Permission.CHART_READ)
        break_glass(cast, cast.tess, cast.pat)
        assert get_patient_or_404(request_of(cast.tess, NOW), cast.pat.pk, Permission.CHART_READ) == cast.pat


class TestReview:
    def test_finding_closes_the_work(self, cast: Cast, signed_in: SignedIn) -> None:
        grant = break_glass(cast, cast.tess, cast.pat)
        petra, address = signed_in(cast.petra), reverse("patients:review_break_glass", args=[grant.pk])
        listed = petra.get(reverse("patients:break_glass_reviews")).content.decode()
        assert "Theo is away and Quinn called." in listed
        assert petra.post(address, {"finding": "justified", "note": ""}).status_code == 422
        given = {"finding": "justified", "note": "Theo confirms he was away."}
        assert petra.post(address, given).status_code == 302
        late = petra.post(address, given)
        assert late.status_code == 422
        grant.refresh_from_db()
        assert (grant.finding, grant.reviewed_by) == ("justified", cast.petra)
        assert WorkItem.objects.get(kind=WorkItem.Kind.BREAK_GLASS_REVIEW).outcome == "done"
        done = petra.get(reverse("patients:break_glass_reviews"), {"state": "reviewed"}).content.decode()
        assert "Theo confirms he was away." in done

    def test_never_ones_own(self, cast: Cast, signed_in: SignedIn) -> None:
        grant = break_glass(cast, cast.petra, cast.pat, reason="privacy_review")
        response = signed_in(cast.petra).post(
            reverse("patients:review_break_glass", args=[grant.pk]), {"finding": "justified", "note": "I was right to."}
        )
        assert response.status_code == 422
        assert "You opened this chart yourself" in response.content.decode()
        with pytest.raises(IntegrityError, match="break_glass_reviewed_by_another"), transaction.atomic():
            BreakGlass.objects.filter(pk=grant.pk).update(reviewed_at=NOW, reviewed_by=cast.petra, finding="justified")

    def test_only_privacy_officers_of_the_place(self, cast: Cast, signed_in: SignedIn) -> None:
        grant = break_glass(cast, cast.tess, cast.pat)
        address = reverse("patients:review_break_glass", args=[grant.pk])
        for person in (cast.ada, cast.dana, cast.tess, cast.frida):
            assert signed_in(person).get(address).status_code == 403
            assert signed_in(person).get(reverse("patients:break_glass_reviews")).status_code == 403
        stranger = make.make_user("Paul Phoenix")
        make.make_member(stranger, cast.phoenix, Role.PRIVACY_OFFICER)
        assert signed_in(stranger).get(address).status_code == 404
        assert signed_in(stranger).get(reverse("patients:break_glass_reviews")).context["rows"] == []

    def test_queries_do_not_grow(self, cast: Cast, signed_in: SignedIn) -> None:
        client, address = signed_in(cast.petra), reverse("patients:break_glass_reviews")
        break_glass(cast, cast.tess, cast.pat)
        one = queries(client, address)
        for n in range(29):
            break_glass(cast, cast.tess, make.make_patient(cast.denver, f"Row{n}"))
        assert queries(client, address) == one
