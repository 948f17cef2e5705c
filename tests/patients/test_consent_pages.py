"""The pages of consents: who opens them, what they refuse, and that nothing of anybody else's is signed or shown."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from clinic import tokens
from clinic.models import AuditEvent, EnrolledDevice, OutboundMessage, User, WorkItem
from patients.actions import consents as actions
from patients.models import Consent, ConsentText, ConsentWithdrawal, Patient
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.patients.counting import queries
from tests.patients.test_consents import mailed

NOW = make.NOON
DAY = timedelta(days=1)
EVIL = "<script>alert(1)</script>"

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def text(cast: Cast) -> ConsentText:
    return make.make_consent_text(cast.dana, cast.denver)


@pytest.fixture
def as_(cast: Cast, signed_in: SignedIn) -> Callable[[str], Client]:
    """Return a function that signs somebody of the cast in by name."""
    return lambda name: signed_in(getattr(cast, name))


def said(text: ConsentText, user: User | None = None, **values: Any) -> dict[str, Any]:
    """Return what Pat's form posts when all is well, with a code that was just mailed."""
    code = mailed(user).code if user else "BBB-BBB"
    return {
        "has_read": "on", "typed_name": "pat moreau", "entry_key": str(uuid.uuid4()), "seen": text.text_hash, "code": code,
        **values,
    }  # fmt: skip


def path(name: str, *args: object) -> str:
    return reverse(f"patients:{name}", args=args)


def page(response: Any) -> str:
    return str(response.content.decode())


class TestMyConsents:
    def test_says_the_state_of_each(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        make.make_consent(cast.pat, text, NOW - 340 * DAY)
        make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver, "telehealth"))
        make.make_consent_text(cast.dana, cast.denver, "treatment")
        shown = page(as_("pat_user").get(path("my_consents")))
        for words in (
            "Runs out soon",
            "Signed on Sun 3 Jan 2027, good until Mon 3 Jan 2028",
            "To sign",
            "Take it back",
        ):
            assert words in shown

    def test_a_stranger_sees_none_of_it(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        mine = make.make_consent(cast.pat, text, typed_name="Pat Moreau")
        for name in ("quinn_user", "sol_user"):
            client = as_(name)
            assert "Good until" not in page(client.get(path("my_consents")))
            for url in ("consent_copy", "withdraw_my_consent"):
                assert client.get(path(url, mine.pk)).status_code == 404
            assert client.post(path("withdraw_my_consent", mine.pk)).status_code == 404
        assert not ConsentWithdrawal.objects.exists()

    def test_as_many_queries_for_thirty(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        client = as_("pat_user")
        make.make_consent(cast.pat, text)
        few = queries(client, path("my_consents"))
        for number in range(30):
            make.make_consent(cast.pat, text, NOW - (20 + number) * DAY)
        assert queries(client, path("my_consents")) == few


class TestSignConsent:
    def test_the_whole_text_is_there_and_is_signed(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        client, url = as_("pat_user"), path("sign_consent", text.pk)
        shown = page(client.get(url))
        for section in text.sections:
            assert section["heading"] in shown
        assert "Dana Deng" in shown
        answer = client.post(url, said(text, cast.pat_user), headers={"user-agent": "Telephone/1.0"})
        done = Consent.objects.get()
        assert (answer.status_code, answer.headers["Location"]) == (302, path("consent_copy", done.pk))
        assert (done.browser, done.address, done.how) == ("Telephone/1.0", "127.0.0.1", "portal")
        assert "You have signed this." in page(client.get(url))

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ({"has_read": ""}, "Tick this when you have read the text above."),
            ({"typed_name": "P. M."}, "Initials are not enough"),
            ({"typed_name": ""}, "Please fill this in."),
            ({"typed_name": EVIL}, "Initials are not enough"),
            ({"typed_name": "x" * 201}, "This is too long"),
            ({"code": "BBB-BBB"}, "not the code of our last letter"),
            ({"entry_key": "1"}, "This page is not complete."),
            ({"seen": "0" * 64}, "The words changed while you were reading"),
        ],
    )
    def test_refuses_with_a_sentence(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText, values: dict[str, str], sentence: str
    ) -> None:
        form = said(text, cast.pat_user) | values
        answer = as_("pat_user").post(path("sign_consent", text.pk), form)
        assert answer.status_code == 422
        assert sentence in page(answer)
        assert EVIL not in page(answer)
        assert not Consent.objects.exists()

    def test_words_that_changed_meanwhile_are_shown_and_not_signed(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        client, form = as_("pat_user"), said(text, cast.pat_user)
        new = make.make_consent_text(cast.dana, cast.denver, version=2, title="The new words", effective_at=NOW)
        answer = client.post(path("sign_consent", text.pk), form)
        assert (answer.status_code, Consent.objects.count()) == (422, 0)
        shown = page(answer)
        for words in ("The new words", path("sign_consent", new.pk), new.text_hash, "Not signed yet"):
            assert words in shown
        assert 'value="pat moreau"' not in shown
        assert client.get(path("sign_consent", text.pk)).headers["Location"] == path("sign_consent", new.pk)

    def test_a_draft_is_nobodys_to_read(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        draft = make.make_consent_text(cast.dana, cast.denver, version=2, published=False)
        client = as_("pat_user")
        assert client.get(path("sign_consent", draft.pk)).status_code == 404
        assert client.post(path("sign_consent", draft.pk), said(draft)).status_code == 404

    def test_a_forged_signer_is_not_listened_to(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        """security.md D2, D9: whatever ids a form brings, the signature is the session's own."""
        forged = {
            "signer": str(cast.dana.pk), "patient": str(cast.quinn.pk), "patient_id": str(cast.quinn.pk), "how": "paper",
            "by": str(cast.quinn_user.pk), "text": str(text.pk), "device": str(uuid.uuid4()),
        }  # fmt: skip
        as_("pat_user").post(path("sign_consent", text.pk), said(text, cast.pat_user) | forged)
        done = Consent.objects.get()
        assert (done.patient, done.signature.signer, done.how, done.device) == (cast.pat, cast.pat_user, "portal", None)

    def test_anothers_code_does_not_sign(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        answer = as_("pat_user").post(path("sign_consent", text.pk), said(text, cast.quinn_user))
        assert (answer.status_code, Consent.objects.count()) == (422, 0)

    def test_in_doubt_it_says_kindly_to_call(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        actions.raise_concern(by=cast.nina, patient=cast.pat, now=NOW)
        client = as_("pat_user")
        assert "would like to talk this over with you" in page(client.get(path("sign_consent", text.pk)))
        answer = client.post(path("sign_consent", text.pk), said(text, cast.pat_user))
        assert (answer.status_code, Consent.objects.count()) == (422, 0)

    def test_words_that_look_like_mark_up_are_words(self, cast: Cast, as_: Callable[[str], Client]) -> None:
        from patients.consenttexts import Section

        evil = make.make_consent_text(
            cast.dana, cast.denver, title=f"T{EVIL}", sections=(Section(f"H{EVIL}", (f"P{EVIL}",), (f"L{EVIL}",)),)
        )
        Patient.objects.filter(pk=cast.pat.pk).update(given_name=EVIL, middle_name=EVIL)
        cast.pat.refresh_from_db()
        consent = make.make_consent(cast.pat, evil, interpreter=EVIL, typed_name=EVIL, browser=EVIL)
        draft = make.make_consent_text(
            cast.dana, cast.denver, version=2, published=False, why=EVIL, sections=(Section("H", (f"Q{EVIL} more",)),)
        )
        actions.withdraw(by=cast.pat_user, consent=consent, how=ConsentWithdrawal.How.PORTAL, words=EVIL, now=NOW)
        looks: dict[str, list[tuple[Any, ...]]] = {
            "pat_user": [("my_consents",), ("sign_consent", evil.pk), ("consent_copy", consent.pk)],
            "nina": [("chart_consents", cast.pat.pk), ("signed_consent", consent.pk), ("take_consent", cast.pat.pk, evil.pk)],
            "dana": [
                ("consent_texts",), ("consent_text", draft.pk), ("edit_consent_text", draft.pk),
                ("publish_consent_text", draft.pk),
            ],
        }  # fmt: skip
        for name, pages in looks.items():
            client = as_(name)
            for one in pages:
                answer = client.get(path(*one))
                assert answer.status_code == 200
                assert EVIL not in page(answer), one


class TestCopy:
    def test_has_everything_on_it(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        consent = make.make_consent(cast.pat, text)
        shown = page(as_("pat_user").get(path("consent_copy", consent.pk)))
        digest = consent.signature.content_hash
        for words in (
            text.title, "Pat Moreau", "Sun 3 Jan 2027 09:00 MST", "version 1, English", "code sent by e-mail",
            f"{digest[:4]} {digest[4:8]}", "(303) 555-0100", "Mon 3 Jan 2028", *(s["heading"] for s in text.sections),
        ):  # fmt: skip
            assert words in shown
        assert "not the words that were signed" not in shown

    def test_words_that_are_not_those_signed_are_called_that(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        consent = make.make_consent(cast.pat, text, signature=make.make_signature(cast.pat_user, cast.denver))
        assert "These are not the words that were signed." in page(
            as_("pat_user").get(path("consent_copy", consent.pk))
        )

    def test_staff_of_the_care_team_read_it_and_it_is_audited(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        consent = make.make_consent(cast.pat, text)
        url = path("signed_consent", consent.pk)
        assert as_("nina").get(url).status_code == 200
        assert AuditEvent.objects.filter(verb="record.read", subject_id=consent.pk, actor_id=cast.nina.pk).exists()
        for name, status in (("tess", 404), ("omar", 404), ("frida", 403), ("milo", 403), ("ada", 403), ("petra", 403)):
            assert as_(name).get(url).status_code == status, name


class TestWithdraw:
    def test_says_before_what_it_means_and_does_it_at_once(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        consent = make.make_consent(cast.pat, text)
        client, url = as_("pat_user"), path("withdraw_my_consent", consent.pk)
        shown = page(client.get(url))
        for words in ("you get no dose", "None is cancelled without a word", "Psychotherapy goes on", "calls you"):
            assert words in shown
        assert not ConsentWithdrawal.objects.exists()
        assert client.post(url, {"words": "x" * 501}).status_code == 422
        for _ in range(2):
            assert client.post(url, {"words": ""}).status_code == 302
        assert ConsentWithdrawal.objects.get().how == "portal"
        assert "There is nothing to take back here any more" in page(client.get(url))

    @pytest.mark.parametrize("how", ["phone", "in_person", "writing"])
    def test_at_the_desk(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText, how: str) -> None:
        consent = make.make_consent(cast.pat, text)
        client, url = as_("frida"), path("withdraw_consent", cast.pat.pk)
        assert "Ketamine-assisted psychotherapy, under the tongue" in page(client.get(url))
        assert client.post(url, {"consent": str(consent.pk), "how": how}).status_code == 302
        row = ConsentWithdrawal.objects.get()
        assert (row.recorded_by, row.how, row.consent) == (cast.frida, how, consent)
        assert "Nothing to take back" in page(client.get(url))

    @pytest.mark.parametrize("values", [{"how": "portal"}, {"how": ""}, {"consent": "x"}, {"consent": ""}])
    def test_refuses_what_was_not_offered(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText, values: dict[str, str]
    ) -> None:
        consent = make.make_consent(cast.pat, text)
        form = {"consent": str(consent.pk), "how": "phone", **values}
        assert as_("frida").post(path("withdraw_consent", cast.pat.pk), form).status_code == 422
        assert not ConsentWithdrawal.objects.exists()

    def test_anothers_consent_in_the_body(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        """security.md D5: Pat's page does not take Quinn's consent back."""
        theirs = make.make_consent(cast.quinn, text)
        make.make_consent(cast.pat, text)
        form = {"consent": str(theirs.pk), "how": "phone"}
        assert as_("frida").post(path("withdraw_consent", cast.pat.pk), form).status_code == 422
        assert not ConsentWithdrawal.objects.exists()

    def test_strangers(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        consent = make.make_consent(cast.pat, text)
        form = {"consent": str(consent.pk), "how": "phone"}
        for name, status in (("olga", 404), ("omar", 404), ("milo", 403), ("petra", 403)):
            assert as_(name).post(path("withdraw_consent", cast.pat.pk), form).status_code == status, name
        assert not ConsentWithdrawal.objects.exists()


class TestTake:
    def test_on_this_screen_with_the_patients_own_code(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        client = as_("nina")
        assert client.post(path("mail_consent_code", cast.pat.pk)).status_code == 200
        assert OutboundMessage.objects.get(kind="signing_code").address == cast.pat_user.email
        form = said(text, cast.pat_user, how="tablet", interpreter="Rita Sol")
        answer = client.post(path("take_consent", cast.pat.pk, text.pk), form)
        assert answer.headers["Location"] == path("chart_consents", cast.pat.pk)
        done = Consent.objects.get()
        assert (done.how, done.signature.signer, done.signature.beside) == ("tablet", cast.pat_user, cast.nina)
        assert done.interpreter == "Rita Sol"

    @pytest.mark.parametrize(("place", "is_kept"), [("denver", True), ("phoenix", False)])
    def test_on_an_enrolled_screen_of_the_place(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText, place: str, is_kept: bool
    ) -> None:
        screen = EnrolledDevice.objects.create(
            location=getattr(cast, place), kind=EnrolledDevice.Kind.ROOM_TABLET, name="Aspen", enrolled_by=cast.ada,
            credential_hash=tokens.hash_of("c"), enrolled_at=NOW,
        )  # fmt: skip
        client = as_("nina")
        client.cookies[settings.DEVICE_COOKIE_NAME] = "c"
        form = said(text, cast.pat_user, how="tablet", interpreter="")
        assert client.post(path("take_consent", cast.pat.pk, text.pk), form).status_code == 302
        assert Consent.objects.get().device == (screen if is_kept else None)

    def test_on_paper_with_the_clinicians(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        make.make_secrets(cast.nina)
        form = said(text, how="paper", password=make.PASSWORD, interpreter="") | {"code": make.app_code()}
        assert as_("nina").post(path("take_consent", cast.pat.pk, text.pk), form).status_code == 302
        done = Consent.objects.get()
        assert (done.how, done.signature.signer, done.signature.purpose) == ("paper", cast.nina, "consent_witness")

    def test_the_patients_code_is_no_clinicians_proof_and_the_other_way_round(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        make.make_secrets(cast.nina)
        client, url = as_("nina"), path("take_consent", cast.pat.pk, text.pk)
        mine = {"password": make.PASSWORD, "code": make.app_code()}
        assert client.post(url, said(text, how="tablet") | mine).status_code == 422
        theirs = said(text, cast.pat_user, how="paper", password=make.PASSWORD)
        assert client.post(url, theirs).status_code == 422
        assert not Consent.objects.exists()

    def test_words_that_changed_meanwhile(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        form = said(text, cast.pat_user, how="tablet")
        make.make_consent_text(cast.dana, cast.denver, version=2, title="The new words", effective_at=NOW)
        answer = as_("nina").post(path("take_consent", cast.pat.pk, text.pk), form)
        assert (answer.status_code, "The new words" in page(answer)) == (422, True)

    def test_without_a_portal_it_offers_paper_alone(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        ona = make.make_patient(cast.denver, "Ona", "Paper")
        make.make_care_team_member(ona, cast.nina)
        client = as_("nina")
        shown = page(client.get(path("take_consent", ona.pk, text.pk)))
        assert "Your signature as a witness" in shown
        assert "On this screen" not in shown
        assert client.post(path("mail_consent_code", ona.pk)).status_code == 422

    def test_not_by_those_who_may_not(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        for name, status in (("tess", 404), ("omar", 404), ("frida", 403), ("milo", 403), ("ada", 403), ("petra", 403)):
            client = as_(name)
            for url in (
                path("take_consent", cast.pat.pk, text.pk), path("mail_consent_code", cast.pat.pk),
                path("raise_capacity_concern", cast.pat.pk), path("settle_capacity_concern", cast.pat.pk),
            ):  # fmt: skip
                assert client.post(url).status_code == status, (name, url)
        assert not OutboundMessage.objects.filter(kind="signing_code").exists()
        assert not WorkItem.objects.exists()


class TestChart:
    def test_shows_states_history_and_words(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        consent = make.make_consent(cast.pat, text)
        actions.withdraw(by=cast.frida, consent=consent, how=ConsentWithdrawal.How.PHONE, words="Too much.", now=NOW)
        client = as_("theo")
        shown = page(client.get(path("chart_consents", cast.pat.pk)))
        for words in ("Taken back", "by phone", "Frida Flores", "Too much.", "Sign here"):
            assert words in shown
        part = page(client.get(path("chart_consents", cast.pat.pk), headers={"HX-Request": "true"}))
        assert part.lstrip().startswith("<div")
        assert "Too much." in part

    def test_a_doubt_is_raised_seen_and_settled(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        client = as_("theo")
        assert client.get(path("raise_capacity_concern", cast.pat.pk)).status_code == 405
        client.post(path("raise_capacity_concern", cast.pat.pk))
        shown = page(client.get(path("chart_consents", cast.pat.pk)))
        assert "In doubt since" in shown
        assert "Sign here" not in shown
        settle = path("settle_capacity_concern", cast.pat.pk)
        assert client.post(settle, {"found": "ok"}).status_code == 422
        assert client.post(settle, {"found": "Oriented, explained it back to me."}).status_code == 302
        assert client.post(settle, {"found": "Oriented, explained it back to me."}).status_code == 422

    def test_as_many_queries_for_thirty(self, cast: Cast, as_: Callable[[str], Client], text: ConsentText) -> None:
        client, url = as_("theo"), path("chart_consents", cast.pat.pk)
        actions.withdraw(
            by=cast.frida, consent=make.make_consent(cast.pat, text), how=ConsentWithdrawal.How.PHONE, now=NOW
        )
        few = queries(client, url)
        for number in range(30):
            make.make_consent(cast.pat, text, NOW - (20 + number) * DAY)
        assert queries(client, url) == few
