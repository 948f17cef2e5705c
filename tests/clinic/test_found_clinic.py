"""``found_clinic``: the first day by one command, and two people who can come in afterwards."""

import io
import json
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from assessments.actions import asking
from assessments.models import AskingRule
from clinic import keyring, policy
from clinic.access import Permission, holds
from clinic.models import Location, Membership, OutboundMessage, User
from patients import consenttexts
from patients.models import ConsentText
from sessions import visitkinds
from sessions.actions import visittypes
from sessions.models import ReminderPlan, VisitType
from tests import factories as make

pytestmark = pytest.mark.django_db

SAID = {
    "location_name": "Denver", "alias": "Juniper Street", "zone": "America/Denver", "state": "CO",
    "street": "12 Juniper Street", "city": "Denver", "postcode": "80203", "phone": "303 555 0100",
    "manager_name": "Ada Abara", "manager_email": "Ada@juniper.example", "director_name": "Dana Deng",
    "director_email": "dana@juniper.example",
}  # fmt: skip


def found(**changes: str) -> str:
    out = io.StringIO()
    call_command("found_clinic", stdout=out, **{**SAID, **changes})
    return out.getvalue()


def test_it_opens_with_two_people_and_limits(now: object) -> None:
    said = found()
    place = Location.objects.get()
    assert (place.name, place.time_zone, place.phone) == ("Denver", "America/Denver", "(303) 555-0100")
    ada, dana = User.objects.staff().order_by("name")
    assert holds(ada, Permission.PLACES_MANAGE, place.pk)
    assert Membership.objects.get(user=dana).is_medical_director
    assert policy.in_force(make.NOON).version.approved_by == dana
    assert "Ada Abara gets a letter to ada@juniper.example" in said
    assert "/account/login/" in said


def test_what_patients_sign_waits_for_its_director(now: object) -> None:
    assert f"{len(consenttexts.bundled())} consents wait to be read" in found()
    assert ConsentText.objects.filter(published_at=None).count() == len(consenttexts.bundled())


def test_it_knows_what_to_ask_when(now: object) -> None:
    found()
    assert AskingRule.objects.live().count() == len(asking.FIRST_RULES)


def test_every_kind_of_visit_can_be_booked_and_is_written_about(now: object) -> None:
    found()
    codes = [row["code"] for row in visitkinds.FIRST_KINDS]
    assert list(VisitType.objects.current().order_by("id").values_list("code", flat=True)) == codes
    assert set(ReminderPlan.objects.filter(is_current=True).values_list("visit_type_code", flat=True)) == set(codes)
    # A release finds them there, and what a clinic changed stays as it is.
    VisitType.objects.filter(code="follow_up").update(minutes=45)
    assert visittypes.publish_first(by=User.objects.get(kind=User.Kind.SYSTEM), now=make.NOON) == []
    assert VisitType.objects.get(code="follow_up").minutes == 45


def test_the_letter_lets_them_set_a_password(now: object, client: Client) -> None:
    found()
    letter = OutboundMessage.objects.get(address="ada@juniper.example")
    assert (letter.kind, OutboundMessage.objects.count()) == ("password_reset", 2)
    url = json.loads(keyring.unseal(letter.secret))["url"]
    page = client.get(urlsplit(url).path, follow=True)
    assert page.status_code == 200
    password = "a long sentence nobody guesses 41"
    client.post(page.request["PATH_INFO"], {"password1": password, "password2": password})
    assert User.objects.get(email="ada@juniper.example").check_password(password)


def test_one_person_may_be_both(now: object) -> None:
    found(director_email="ADA@juniper.example", director_name="Ada Abara")
    assert User.objects.staff().count() == 1
    assert set(Membership.objects.values_list("role", flat=True)) == {"manager", "prescriber"}


def test_a_second_time_is_refused(now: object) -> None:
    found()
    with pytest.raises(CommandError, match="There is a clinic here already"):
        found(location_name="Phoenix")
    assert Location.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"alias": "Denver Ketamine"}, "--alias: “Ketamine” would tell a stranger"),
        ({"zone": "Mountain Time"}, "There is no time zone called Mountain Time"),
        ({"state": "Colorado"}, "--state: "),
        ({"postcode": "8"}, "--postcode: A ZIP code has five digits"),
        ({"phone": "none"}, "--phone: "),
        ({"manager_email": "ada"}, "--manager-email: Enter an e-mail address like"),
        ({"location_name": ""}, "--location-name: Please fill this in"),
        ({"director_name": ""}, "--director-name: Please fill this in"),
    ],
)
def test_refused_in_a_sentence_and_nothing_is_made(now: object, changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as refusal:
        found(**changes)
    assert refusal.value.returncode == 1
    assert not Location.objects.exists()
    assert not User.objects.exists()
    assert not OutboundMessage.objects.exists()
