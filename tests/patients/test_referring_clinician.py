"""Who sent a patient: written down by the desk, kept in a history, shown where somebody asks them."""

import pytest
from django.urls import reverse

from clinic.models import AuditEvent
from patients.actions import referrers
from patients.forms.referrers import is_npi
from patients.models import ReferringClinician
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

SENT = {
    "name": "Dr. Ines Okafor", "practice": "Cedar Family Practice", "phone": "(303) 555-0161", "fax": "(303) 555-0162",
    "email": "Okafor@Cedar.example", "npi": "1234 567 893", "licence": "CO DR-0012345",
}  # fmt: skip


@pytest.mark.parametrize(("text", "right"), [("1234567893", True), ("1234567890", False), ("123456789", False), ("١٢٣٤٥٦٧٨٩٣", False)])  # fmt: skip
def test_an_npi_checks_itself(text: str, right: bool) -> None:
    assert is_npi(text) is right


def test_written_corrected_and_taken_off(cast: Cast, signed_in: SignedIn) -> None:
    frida = signed_in(cast.frida)
    page = reverse("patients:set_referring_clinician", args=[cast.pat.pk])
    patient_page = reverse("patients:patient", args=[cast.pat.pk])
    make.make_referral(cast.denver, "Pat", patient=cast.pat, source="clinician")
    assert "Another clinician sent them" in frida.get(patient_page).content.decode()
    refused = frida.post(page, {**SENT, "npi": "1234567890"})
    assert refused.status_code == 422
    assert "This is no NPI" in refused.content.decode()
    assert "Cedar Family Practice" in refused.content.decode()
    assert frida.post(page, SENT).status_code == 302
    # Sent twice is once.
    assert frida.post(page, SENT).status_code == 302
    assert AuditEvent.objects.filter(verb="referrer.written").count() == 1
    seen = referrers.mark_of(ReferringClinician.objects.get())
    assert f'name="seen" value="{seen}"' in frida.get(page).content.decode()
    larch = {**SENT, "practice": "Larch Clinic", "seen": seen}
    assert frida.post(page, larch).status_code == 302
    kept = ReferringClinician.objects.get()
    assert (kept.npi, kept.email, kept.practice) == ("1234567893", "okafor@cedar.example", "Larch Clinic")
    assert AuditEvent.objects.filter(verb="referrer.written").latest("at").details == {"fields": ["practice"]}
    for shown in (patient_page, reverse("assessments:review_clearance", args=[cast.pat.pk])):
        words = signed_in(cast.dana).get(shown).content.decode()
        assert "Dr. Ines Okafor" in words
        assert "Larch Clinic" in words
    history = frida.get(page).content.decode()
    assert "Cedar Family Practice" in history
    assert "Larch Clinic" in history
    end = reverse("patients:end_referring_clinician", args=[cast.pat.pk])
    assert frida.get(end).status_code == 405
    # Somebody corrected the entry since this page was drawn.
    assert "Somebody changed this meanwhile" in frida.post(end, {"seen": seen}, follow=True).content.decode()
    assert frida.post(end, {"seen": referrers.mark_of(kept)}).status_code == 302
    assert "Dr. Ines Okafor" not in frida.get(patient_page).content.decode().split("toast")[0]
    assert "Taken off" in frida.get(page).content.decode()
    with pytest.raises(referrers.NobodyToEnd):
        referrers.end(by=cast.frida, patient=cast.pat, seen="", now=make.NOON)
    assert "Nobody is written down here any more" in frida.post(end, follow=True).content.decode()


def test_two_clerks_do_not_overwrite_each_other(cast: Cast, signed_in: SignedIn) -> None:
    """The second is shown what stands there by now, keeps what they typed, and saves it once they have seen that."""
    page = reverse("patients:set_referring_clinician", args=[cast.pat.pk])
    frida = signed_in(cast.frida)
    assert frida.post(page, {**SENT, "seen": ""}).status_code == 302
    second = frida.post(page, {**SENT, "practice": "Larch Clinic", "seen": ""})
    html = second.content.decode()
    assert (second.status_code, "Somebody changed this meanwhile" in html, "Larch Clinic" in html) == (422, True, True)
    assert ReferringClinician.objects.get().practice == "Cedar Family Practice"
    again = {**SENT, "practice": "Larch Clinic", "seen": second.context["form"]["seen"].value()}
    assert frida.post(page, again).status_code == 302
    assert ReferringClinician.objects.get().practice == "Larch Clinic"


def test_strangers_find_nothing(cast: Cast, signed_in: SignedIn) -> None:
    for name in ("set_referring_clinician", "end_referring_clinician"):
        address = reverse(f"patients:{name}", args=[cast.pat.pk])
        assert signed_in(cast.olga).post(address, SENT).status_code == 404
        assert signed_in(cast.dana).post(address, SENT).status_code == 403
    assert not ReferringClinician.objects.exists()
