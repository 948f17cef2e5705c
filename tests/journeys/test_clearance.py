"""From a packet to a clearance with an override, and what a new fact does to it; with Dana's own password and app."""

from datetime import datetime, timedelta
from typing import Any

import time_machine
from django.test import Client
from django.urls import reverse

from assessments.actions import clearances, health
from assessments.models import Clearance, ClearanceMove, Measurement, ScreeningFlag
from clinic.actions import signatures
from clinic.models import WorkItem
from tests import factories as make
from tests.assessments.records import write_clean
from tests.cast import Cast
from tests.conftest import SignedIn


def _decide(client: Client, cast: Cast, **data: Any) -> Any:
    asked = Clearance.objects.live().filter(patient=cast.pat).order_by("opened_at").first()
    named = {"clearance": asked.pk, "seen_version": asked.version} if asked else {}
    proof = {"password": make.PASSWORD, "code": make.app_code()}
    return client.post(reverse("assessments:decide_clearance", args=[cast.pat.pk]), {**named, **proof, **data})


def test_clearance_with_an_override_and_a_block_after_it(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    make.make_secrets(cast.dana)
    make.make_licences(cast.dana)
    page = reverse("assessments:review_clearance", args=[cast.pat.pk])
    write_clean(cast.pat, cast.dana, now)
    for kind, values in (("heart_rate", {"first": 66}), ("urinalysis", {"result": "normal"})):
        make.make_health_fact(Measurement, cast.pat, cast.nina, kind=kind, **values)
    clearances.packet_moved(by=cast.pat_user, patient=cast.pat, status="packet_submitted", now=now)

    # A new medicine opens an OVERRIDE.
    health.record_medication(
        by=cast.nina, patient=cast.pat, text="phenelzine 15 mg", taking="current", source="patient", at=now, now=now
    )
    row = ScreeningFlag.objects.open().get(patient=cast.pat, code="MED-MAOI")

    # Dana finds the review among what waits, reads, decides the flag and clears, with one code.
    dana = signed_in(cast.dana)
    assert page in dana.get(reverse("assessments:clearances")).content.decode()
    assert "phenelzine 15 mg" in dana.get(page).content.decode()
    said = {
        "outcome": "cleared_with_conditions", "route": "sl", "max_mg": "150", "max_sessions": "3",
        "conditions": "Blood pressure every 10 minutes in the first hour.", f"reason-{row.pk}": "monitored",
        f"text-{row.pk}": "Stable for years.", f"plan-{row.pk}": "Every 10 minutes in the first hour.",
    }  # fmt: skip
    assert _decide(dana, cast, **said, password="wrong").status_code == 422
    answer = _decide(dana, cast, **said)
    assert answer.status_code == 302, answer.content.decode()
    clearance = Clearance.objects.get(patient=cast.pat)
    move = ClearanceMove.objects.get(clearance=clearance, to_status="cleared_with_conditions")
    assert move.signature is not None
    assert signatures.matches(move.signature, move.content)
    assert not WorkItem.objects.open().filter(kind="clearance_review").exists()

    # A new condition opens a BLOCK: suspended in the same moment, and back on the list. Nobody overrides it.
    with time_machine.travel(now + timedelta(minutes=2), tick=False):
        later = now + timedelta(minutes=2)
        health.record_condition(
            by=cast.nina,
            patient=cast.pat,
            kind="intracranial_mass",
            state="current",
            source="document",
            at=later,
            now=later,
        )
        clearance.refresh_from_db()
        assert clearance.status == "suspended"
        assert clearance.patient_words == "Under review."
        assert WorkItem.objects.open().filter(kind="clearance_review", subject_id=clearance.pk).exists()
        dana = signed_in(cast.dana)
        refused = _decide(dana, cast, **{**said, "outcome": "cleared", "conditions": ""})
        assert refused.status_code == 422
        assert "This patient cannot be cleared yet" in refused.content.decode()
        chart = dana.get(reverse("sessions:chart", args=[cast.pat.pk])).content.decode()
        assert "One fact stops a dose" in chart
        assert "Suspended" in chart
