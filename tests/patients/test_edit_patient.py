"""Two people correct one record: the second keeps what they typed and does not undo what they never touched."""

from datetime import date, datetime
from typing import Any

from django.test import Client
from django.urls import reverse

from clinic.models import OutboundMessage
from patients.models import Patient
from tests.cast import Cast
from tests.conftest import SignedIn


def opened(client: Client, patient: Patient) -> dict[str, Any]:
    """Return what a browser would send of the form as it is shown now."""
    form = client.get(reverse("patients:edit_patient", args=[patient.pk])).context["form"]
    return {bound.html_name: bound.value() or "" for bound in form}


def save(client: Client, patient: Patient, data: dict[str, Any]) -> Any:
    return client.post(reverse("patients:edit_patient", args=[patient.pk]), data)


def shown(response: Any) -> dict[str, Any]:
    """Return what a browser would send of the refused form as it came back."""
    return {bound.html_name: bound.value() or "" for bound in response.context["form"]}


class TestTwoEditors:
    def test_saving_again_does_not_undo_what_the_first_one_changed(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        frida, felix = signed_in(cast.frida), signed_in(cast.felix)
        hers, his = opened(frida, cast.pat), opened(felix, cast.pat)
        first = {**hers, "email": "pat.new@post.example", "birth_date": "1984-05-18", "needs_interpreter": "yes"}
        assert save(frida, cast.pat, first).status_code == 302
        refused = save(felix, cast.pat, {**his, "phone": "(303) 555-0177"})
        assert refused.status_code == 422
        again = shown(refused)
        assert again["phone"] == "(303) 555-0177", "what he typed stays"
        assert again["email"] == "pat.new@post.example", "what he never touched is what is true now"
        assert save(felix, cast.pat, again).status_code == 302
        saved = Patient.objects.get(pk=cast.pat.pk)
        assert (saved.email, saved.birth_date, saved.needs_interpreter) == (
            "pat.new@post.example", date(1984, 5, 18), True,
        )  # fmt: skip
        assert saved.phone.as_e164 == "+13035550177"
        letters = OutboundMessage.objects.filter(kind="address_changed")
        assert [letter.address for letter in letters] == ["pat@post.example"]

    def test_what_both_changed_stays_as_the_second_typed_it(
        self, cast: Cast, now: datetime, signed_in: SignedIn
    ) -> None:
        frida, felix = signed_in(cast.frida), signed_in(cast.felix)
        hers, his = opened(frida, cast.pat), opened(felix, cast.pat)
        save(frida, cast.pat, {**hers, "city": "Boulder"})
        refused = save(felix, cast.pat, {**his, "city": "Aurora"})
        assert shown(refused)["city"] == "Aurora"
        assert "Boulder" in refused.content.decode()


def test_the_message_calls_them_by_the_name_they_chose(cast: Cast, now: datetime, signed_in: SignedIn) -> None:
    client = signed_in(cast.frida)
    data = {**opened(client, cast.pat), "chosen_name": "Robin"}
    page = client.post(reverse("patients:edit_patient", args=[cast.pat.pk]), data, follow=True)
    assert "The record of Robin (Pat) Moreau is saved." in page.content.decode()
