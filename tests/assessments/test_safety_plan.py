"""Safety plans: versions under six headings, written with the patient, read by them, and lost to nobody."""

import pytest
from django.urls import reverse

from assessments.actions import alerts, safetyplans
from assessments.instrument import Tier
from assessments.models import SafetyPlan
from assessments.safety import Signal
from clinic.models import AuditEvent
from tests import factories as make

NOON = make.NOON
PARTS = {name: f"{name} in her words" for name in SafetyPlan.HEADINGS}
FORM = {**PARTS, "with_patient": "yes", "seen_number": "0"}


def write(cast, seen=0, **changes):
    return safetyplans.write(
        by=cast.theo, patient=cast.pat, parts=PARTS | changes, with_patient=True, seen_number=seen, now=NOON
    )


def test_a_change_is_a_new_version(cast):
    first, second = write(cast), write(cast, 1, signs="new words")
    assert [plan.number for plan in (first, second)] == [1, 2]
    assert SafetyPlan.objects.get(number=1).signs == "signs in her words"
    assert AuditEvent.objects.filter(verb="safety_plan.written", patient_id=cast.pat.pk).count() == 2
    assert "words" not in str(AuditEvent.objects.filter(verb="safety_plan.written").values_list("details", flat=True))


def test_refusals(cast):
    with pytest.raises(safetyplans.NothingInIt):
        write(cast, **dict.fromkeys(PARTS, "  "))
    write(cast)
    with pytest.raises(safetyplans.WrittenMeanwhile, match="Theo Thorne has written a newer plan"):
        write(cast)
    assert SafetyPlan.objects.count() == 1


def test_on_the_page(cast, signed_in, now):
    client = signed_in(cast.theo)
    url, read = (reverse(f"assessments:{name}", args=[cast.pat.pk]) for name in ("write_safety_plan", "safety_plan"))
    assert "No plan is written yet" in client.get(read).content.decode()
    assert client.post(url, FORM | {"with_patient": ""}).status_code == 422
    assert client.post(url, FORM | {"signs": "x" * 2001}).status_code == 422
    assert client.post(url, FORM).status_code == 302
    shown = client.get(read).content.decode()
    assert "signs in her words" in shown
    assert "Written together with the patient." in shown
    assert "surroundings in her words" in client.get(url).content.decode()
    late = client.post(url, FORM | {"alone": "typed meanwhile"})
    assert late.status_code == 422
    assert "typed meanwhile" in late.content.decode()
    assert 'name="seen_number" value="1"' in late.content.decode()
    assert client.post(url, FORM | {"seen_number": "1", "alone": "typed meanwhile"}).status_code == 302
    old = client.get(read, {"number": "1"}).content.decode()
    assert "This is an older version." in old
    for odd in ("9", "x", "-1"):
        assert client.get(read, {"number": odd}).status_code == 404


def test_wrong_people(cast, signed_in, now):
    paths = [reverse(f"assessments:{name}", args=[cast.pat.pk]) for name in ("safety_plan", "write_safety_plan")]
    for who, reads, writes in (
        (cast.theo, 200, 200), (cast.tess, 404, 404), (cast.omar, 404, 404), (cast.milo, 404, 403), (cast.frida, 403, 403),
        (cast.ada, 403, 403), (cast.petra, 404, 403), (cast.pat_user, 403, 403),
    ):  # fmt: skip
        client = signed_in(who)
        assert client.get(paths[0]).status_code == reads, who
        assert client.get(paths[1]).status_code == writes, who
        if writes != 200:
            assert client.post(paths[1], FORM).status_code == writes, who
    assert not SafetyPlan.objects.exists()


def test_whoever_is_on_call_writes_it_with_somebody_in_danger(cast, signed_in, now):
    make.make_duty(cast.denver, cast.tess, "first", NOON)
    url = reverse("assessments:write_safety_plan", args=[cast.pat.pk])
    assert signed_in(cast.tess).post(url, FORM).status_code == 404
    alerts.raise_from(
        by=cast.pat_user, patient=cast.pat, response=None, signals=(Signal(Tier.RED, "x", "q9", 3),), now=NOON
    )
    assert signed_in(cast.tess).post(url, FORM).status_code == 302


def test_the_patient_reads_their_own_and_nobody_else_s(cast, signed_in, now):
    write(cast)
    url = reverse("assessments:my_safety_plan")
    shown = signed_in(cast.pat_user).get(url).content.decode()
    assert "signs in her words" in shown
    assert "not watched around the clock" in shown
    assert "(303) 555-0100" in shown
    assert "in her words" not in signed_in(cast.quinn_user).get(url).content.decode()
    assert signed_in(cast.theo).get(url).status_code == 403
