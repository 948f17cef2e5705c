"""The list of a day as a spreadsheet: what the schedule shows, as words and never as formulas, for those at the desk."""

import csv
import io
from datetime import datetime
from typing import Any

import pytest

from clinic.models import AuditEvent
from sessions import sheet
from sessions.models import Appointment
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

from .booking import at

PAGE = "/schedule/2027-01-14/visits.csv"


def rows_of(answer: Any) -> list[list[str]]:
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"), ("+1", "'+1"), ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"), (" =1", "'=1"), ("\t=1", "'=1"), ("\r\n=1", "'=1"), ("\u200b=1", "'=1"),
        ("\uff1d1", "'\uff1d1"), ("Ana\nVega", "Ana Vega"), ("O'Hara", "O'Hara"), ("Zoë", "Zoë"), ("", ""), ("10:00", "10:00"),
    ],
)  # fmt: skip
def test_no_cell_is_reckoned(cell: str, safe: str) -> None:
    """D27."""
    assert sheet.safe(cell) == safe


def test_the_list_of_a_day(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    type(cast.quinn).objects.filter(pk=cast.quinn.pk).update(chosen_name="=1+1", family_name='Ab"b;ott')
    make.make_appointment(cast.quinn, cast.intake, cast.dana, at("14:00"), room=cast.room)
    make.make_appointment(cast.pat, cast.intake, cast.theo, at("10:00"), status="confirmed", confirmed_at=now)
    make.make_appointment(cast.pat, cast.intake, cast.theo, at("10:00", 15))
    make.make_appointment(cast.sol, cast.intake, cast.omar, at("10:00"))
    make.make_appointment(cast.pat, cast.intake, cast.tess, at("16:00"), status=Appointment.Status.CANCELLED,
                          cancelled_at=now, cancelled_by="clinic", cancel_reason="other")  # fmt: skip
    client = signed_in(cast.frida)
    answer = client.get(PAGE)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="visits-2027-01-14.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert rows_of(answer)[1:] == [
        ["2027-01-14", "10:00", "11:15", "MST", "Pat Moreau", cast.intake.name, "", "Theo Thorne", "confirmed", "yes"],
        [
            "2027-01-14",
            "14:00",
            "15:15",
            "MST",
            "'=1+1 Ab\"b;ott",
            cast.intake.name,
            "Aspen",
            "Dana Deng",
            "planned",
            "",
        ],
    ]
    row = AuditEvent.objects.get(verb="list.read", actor_id=cast.frida.pk)
    assert row.details == {"list": "schedule_csv", "patients": [str(cast.pat.pk), str(cast.quinn.pk)]}
    # The schedule leads there, and only by day.
    assert PAGE in client.get("/schedule/2027-01-14/?view=day").content.decode()
    assert PAGE not in client.get("/schedule/2027-01-14/?view=week").content.decode()


def test_only_who_checks_people_in_there(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    make.make_appointment(cast.pat, cast.intake, cast.theo, at("10:00"))
    assert signed_in(cast.theo).get(PAGE).status_code == 403
    assert PAGE not in signed_in(cast.theo).get("/schedule/2027-01-14/?view=day").content.decode()
    # Ada checks people in at Phoenix, and has Denver before her.
    assert signed_in(cast.ada).get(PAGE).headers["Location"] == "/schedule/2027-01-14/"
    assert rows_of(signed_in(cast.olga).get(PAGE))[1:] == []
