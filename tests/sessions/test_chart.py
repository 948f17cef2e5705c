"""The chart: open to the care team, closed with a way in to other clinicians, and marked while it is open in an emergency."""

import re
from datetime import datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AuditEvent, User
from patients.actions import careteams
from patients.models import BreakGlass, CareTeamMember
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.query_counts import queries

# Another one in each answer.
TOKEN = re.compile(r"CSRFToken[^}]*|csrfmiddlewaretoken[^>]*")
WHY = "Theo is away and Pat called."


def path(cast: Cast) -> str:
    return reverse("sessions:chart", args=[cast.pat.pk])


def open_in_emergency(cast: Cast, by: User, at: datetime = make.NOON) -> BreakGlass:
    return careteams.break_glass(by=by, patient=cast.pat, reason="cover", reason_text=WHY, now=at)


class TestOpen:
    def test_the_care_team_reads_it_without_a_word(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        page = signed_in(cast.theo).get(path(cast))
        assert page.status_code == 200
        assert page.context["emergency"] is None
        assert "in an emergency" not in page.content.decode()

    def test_an_emergency_says_its_end_why_and_who_is_told(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        open_in_emergency(cast, cast.tess)
        page = signed_in(cast.tess).get(path(cast))
        assert page.status_code == 200
        text = page.content.decode()
        assert "Open to you in an emergency until Wed 13 Jan 2027 11:00 MST</h2>" in text
        assert "covering for a colleague. “Theo is away and Pat called.”" in text
        assert "What is looked at here is recorded with your name, Tess Tanaka." in text
        assert "Theo Thorne was told of it." in text

    def test_without_a_lead_nobody_is_said_to_be_told(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        CareTeamMember.objects.filter(patient=cast.pat).update(is_lead=False)
        open_in_emergency(cast, cast.tess)
        page = signed_in(cast.tess).get(path(cast)).content.decode()
        assert "A privacy officer reviews this opening." in page
        assert "was told of it" not in page

    def test_who_joined_the_team_meanwhile_needs_no_emergency(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        open_in_emergency(cast, cast.tess)
        make.make_care_team_member(cast.pat, cast.tess)
        assert signed_in(cast.tess).get(path(cast)).context["emergency"] is None

    def test_another_persons_emergency_is_theirs(self, cast: Cast, now: datetime, signed_in: SignedIn) -> None:
        open_in_emergency(cast, cast.tess)
        assert signed_in(cast.theo).get(path(cast)).context["emergency"] is None
        assert signed_in(cast.nils).get(path(cast)).status_code == 404


class TestClosed:
    @pytest.fixture
    def tess(self, cast: Cast, now: datetime, signed_in: SignedIn) -> Client:
        return signed_in(cast.tess)

    def test_it_is_still_a_404_and_audited(self, cast: Cast, tess: Client) -> None:
        assert tess.get(path(cast)).status_code == 404
        row = AuditEvent.objects.get(verb="permission.refused")
        assert (row.actor_id, row.outcome) == (cast.tess.pk, "refused")
        assert (row.details["page"], row.details["patient_id"]) == ("sessions:chart", str(cast.pat.pk))

    def test_it_says_why_whom_to_ask_and_how_it_opens(self, cast: Cast, tess: Client) -> None:
        text = tess.get(path(cast)).content.decode()
        assert "You are not on the care team of Pat Moreau." in text
        for name in ("Theo Thorne", "Dana Deng", "Nina Novak"):
            assert name in text
        assert reverse("patients:break_glass", args=[cast.pat.pk]) in text
        assert reverse("patients:care_team", args=[cast.pat.pk]) in text
        assert "ended" not in text

    def test_nothing_of_the_chart_is_on_it(self, cast: Cast, tess: Client) -> None:
        make.make_appointment(cast.pat, cast.intake, cast.dana, make.NOON + timedelta(days=7))
        text = tess.get(path(cast)).content.decode()
        assert "20 Jan 2027" not in text
        assert "Intake" not in text

    def test_without_a_team_a_therapist_may_begin_one_and_a_monitor_asks(
        self, cast: Cast, tess: Client, signed_in: SignedIn
    ) -> None:
        CareTeamMember.objects.filter(patient=cast.pat).update(ended_at=make.NOON)
        assert "Begin the care team" in tess.get(path(cast)).content.decode()
        said = signed_in(cast.milo).get(path(cast)).content.decode()
        assert "Ask a therapist, a prescriber or a manager to begin one" in said
        assert "Begin the care team" not in said

    def test_an_opening_that_ran_out_is_named(self, cast: Cast, signed_in: SignedIn) -> None:
        open_in_emergency(cast, cast.tess)
        with time_machine.travel(make.NOON + timedelta(hours=2), tick=False):
            page = signed_in(cast.tess).get(path(cast))
        assert page.status_code == 404
        assert "Your emergency opening ended on Wed 13 Jan 2027 11:00 MST." in page.content.decode()
        with time_machine.travel(make.NOON + timedelta(hours=15), tick=False):
            page = signed_in(cast.tess).get(path(cast))
        assert "Your emergency opening ended" not in page.content.decode()

    @pytest.mark.parametrize("who", ["omar", "iris"])
    def test_a_stranger_learns_nothing(self, cast: Cast, now: datetime, signed_in: SignedIn, who: str) -> None:
        """Neither that there is such a patient: the page is the one for an id that nobody has."""
        client = signed_in(getattr(cast, who))
        page = client.get(path(cast))
        assert page.status_code == 404
        text = page.content.decode()
        assert "There is nothing here for you" in text
        assert "Moreau" not in text
        nobody = client.get(reverse("sessions:chart", args=[cast.theo.pk])).content.decode()
        assert TOKEN.sub("", text) == TOKEN.sub("", nobody)
        assert AuditEvent.objects.filter(verb="permission.refused").count() == 2

    @pytest.mark.parametrize("who", ["frida", "ada", "pat_user"])
    def test_who_has_no_charts_at_all_is_told_so(
        self, cast: Cast, now: datetime, signed_in: SignedIn, who: str
    ) -> None:
        assert signed_in(getattr(cast, who)).get(path(cast)).status_code == 403


def test_it_asks_as_much_for_many_as_for_one(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    open_in_emergency(cast, cast.tess)
    client = signed_in(cast.tess)
    few = len(queries(client, path(cast)))
    for number in range(20):
        make.make_care_team_member(cast.pat, make.make_user(f"Helper {number}"))
        make.make_appointment(cast.pat, cast.intake, cast.dana, make.NOON + timedelta(days=number + 2))
    assert len(queries(client, path(cast))) == few
