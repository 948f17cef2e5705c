"""Scenario 31: a positive pregnancy test at 08:40 on the morning of a dose.

The dose is barred at once, the prescriber is told in private, the desk sees nothing of why, and no letter or reminder is touched.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from assessments.models import Clearance, ScreeningFlag
from clinic.models import OutboundMessage, User, WorkItem
from sessions.models import Appointment, Reminder
from tests import factories as make
from tests.assessments.records import write_clean
from tests.cast import Cast

# 08:40 in Denver.
MORNING = datetime(2027, 1, 13, 15, 40, tzinfo=UTC)
# Whatever would tell the desk why.
GIVES_AWAY = ("pregnan", "hcg", "aneurysm", "rep-preg", "positive", "stops a dose")


@pytest.fixture
def morning(cast: Cast) -> Appointment:
    """Pat is cleared and comes at nine; a letter about it waits to be sent."""
    write_clean(cast.pat, cast.dana, MORNING, without={"pregnancy_possible"})
    make.make_clearance(cast.pat, "cleared", by=cast.dana)
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, MORNING + timedelta(minutes=20), room=cast.room)
    message = OutboundMessage.objects.create(
        kind="visit_tomorrow", category="visit", channel="email", recipient_kind="patient", recipient_id=cast.pat.pk,
        address=cast.pat.email, time_zone="America/Denver", location_id=cast.denver.pk, subject_type="appointment",
        subject_id=visit.pk, status="queued", queued_at=MORNING, not_before=MORNING, useful_until=MORNING + timedelta(days=1),
    )  # fmt: skip
    Reminder.objects.create(
        appointment=visit, kind="visit_tomorrow", channel="email", schedule_version=1, due_at=MORNING, useful_until=MORNING,
        status="queued", settled_at=MORNING, message=message,
    )  # fmt: skip
    return visit


def test_the_dose_is_barred_the_prescriber_told_and_the_desk_none_the_wiser(
    cast: Cast, morning: Appointment, signed_in: Callable[[User], Client]
) -> None:
    letters = list(OutboundMessage.objects.order_by("id").values())
    reminders = list(Reminder.objects.order_by("id").values())
    with time_machine.travel(MORNING, tick=False):
        nina, frida, dana = signed_in(cast.nina), signed_in(cast.frida), signed_in(cast.dana)
        record = reverse("assessments:record_measurement", kwargs={"patient_id": cast.pat.pk})
        typed = {"source": "clinician", "note": "", "result": "positive"}
        page = nina.post(f"{record}?kind=pregnancy_test", typed, follow=True)

        body = page.content.decode()
        assert "The clearance is suspended" in body
        assert "Pregnant, or a pregnancy test was positive." in body
        flag = ScreeningFlag.objects.get(patient=cast.pat, code="REP-PREG", finding="found")
        assert (flag.severity, flag.status, flag.raised_at) == ("block", "open", MORNING)
        assert Clearance.objects.get(patient=cast.pat).status == Clearance.Status.SUSPENDED

        item = WorkItem.objects.get(kind=WorkItem.Kind.FLAG_TO_DECIDE)
        assert (item.owner, item.patient_id, item.due_at) == (cast.dana, cast.pat.pk, MORNING + timedelta(hours=1))
        mine = dana.get(reverse("clinic:worklist")).content.decode()
        assert "A new fact to decide about" in mine
        assert reverse("assessments:chart_flags", kwargs={"patient_id": cast.pat.pk}) in mine
        assert [word for word in GIVES_AWAY if word in mine.lower()] == []
        assert not WorkItem.objects.filter(owner_role="front_desk").exists()

        for path in (
            reverse("patients:patient", kwargs={"patient_id": cast.pat.pk}),
            reverse("sessions:appointment", kwargs={"appointment_id": morning.pk}),
            reverse("sessions:today"),
            reverse("sessions:patient_visits", kwargs={"patient_id": cast.pat.pk}),
            reverse("sessions:visit_letters", kwargs={"appointment_id": morning.pk}),
            reverse("assessments:patient_intake", kwargs={"patient_id": cast.pat.pk}),
            reverse("clinic:worklist"),
        ):
            shown = frida.get(path)
            assert shown.status_code == 200, path
            text = shown.content.decode().lower()
            assert [word for word in GIVES_AWAY if word in text] == [], path
        for name in ("assessments:chart_health", "sessions:chart"):
            assert frida.get(reverse(name, kwargs={"patient_id": cast.pat.pk})).status_code == 403

    assert list(OutboundMessage.objects.order_by("id").values()) == letters
    assert list(Reminder.objects.order_by("id").values()) == reminders
    morning.refresh_from_db()
    assert morning.status == Appointment.Status.BOOKED
