"""What never scrolls away on a chart, and what each reader of it may know: domain.md 9.3."""

from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from assessments import chartstrip
from assessments.models import Allergy, HealthStatement
from tests import factories as make
from tests.assessments.test_gate import row
from tests.cast import Cast
from tests.conftest import SignedIn


@pytest.fixture
def grave(cast: Cast, now: datetime) -> Cast:
    """Pat is suspended by a fact, allergic, and has an open alert. Milo and Petra may look at the chart."""
    flag = row()
    make.make_flag(cast.pat, "CV-X", "block", data=flag.data, key="CV-X")
    make.make_flag(cast.pat, "CV-Y", "info", data={**flag.data, "severity": "info"}, key="CV-Y")
    make.make_clearance(cast.pat, "suspended", by=cast.dana)
    make.make_alert(cast.pat, "red")
    make.make_health_fact(Allergy, cast.pat, cast.nina, substance="latex", agent="other")
    make.make_care_team_member(cast.pat, cast.milo)
    return cast


def words(cast: Cast, who: str, now: datetime) -> str:
    return " | ".join(fact.words for fact in chartstrip.facts(getattr(cast, who), cast.pat, now))


def test_each_reader_knows_what_is_theirs_to_know(grave: Cast, now: datetime) -> None:
    for who in ("dana", "nina", "theo"):
        told = words(grave, who, now)
        for said in ("One open alert", "One fact stops a dose", "Suspended · under the tongue", "Allergic to latex"):
            assert said in told, (who, told)
    assert words(grave, "milo", now) == "Clinician contact required | not cleared"
    # A privacy officer reads the status of a clearance and no alert.
    assert words(grave, "petra", now) == "not cleared"
    # Nobody of another place holds anything here.
    assert words(grave, "omar", now) == ""


def test_no_allergy_is_only_said_when_somebody_said_so(cast: Cast, now: datetime) -> None:
    assert "Allergies: not asked" in words(cast, "dana", now)
    make.make_health_fact(HealthStatement, cast.pat, cast.nina, kind="allergies_complete", value=True)
    assert "No known allergies" in words(cast, "dana", now)
    assert "No clearance" in words(cast, "dana", now)
    # Asked once more, and not sure: then it is not known, whatever was said before.
    make.make_health_fact(HealthStatement, cast.pat, cast.pat_user, kind="allergies_complete", value=None)
    assert "No known allergies" not in words(cast, "dana", now)
    assert "Allergies: not known" in words(cast, "dana", now)


def test_a_clearance_is_green_on_its_last_day_and_not_the_day_after(cast: Cast, now: datetime) -> None:
    """Also while nobody has ended it yet: the clock may stand still."""
    make.make_clearance(cast.pat, "cleared", by=cast.dana, expires_on=now.date())
    assert "Cleared · under the tongue" in words(cast, "dana", now)
    tomorrow = now + timedelta(days=1)
    assert "Ran out · under the tongue" in words(cast, "dana", tomorrow)
    assert words(cast, "petra", tomorrow) == "no clearance now"


def test_the_chart_names_only_the_panels_its_reader_may_open(grave: Cast, signed_in: SignedIn, now: datetime) -> None:
    panels = ("chart_flags", "chart_alerts", "chart_scores", "chart_health", "chart_questionnaires")
    addresses = [reverse(f"assessments:{name}", args=[grave.pat.pk]) for name in panels]
    addresses.append(reverse("patients:chart_consents", args=[grave.pat.pk]))
    for who, sees in (("dana", True), ("nina", True), ("theo", True), ("milo", False)):
        client = signed_in(getattr(grave, who))
        page = client.get(reverse("sessions:chart", args=[grave.pat.pk])).content.decode()
        for address in addresses:
            assert (f'hx-get="{address}"' in page) is sees, (who, address)
            # A working link stands under each, and its door agrees with the chart.
            assert (f'href="{address}"' in page) is sees
            assert (client.get(address).status_code == 200) is sees, (who, address)
