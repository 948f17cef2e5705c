"""Wordings drafted, written, compared and published: by whom, and that nothing of a published one ever moves."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.actions import signatures
from clinic.actions.signatures import Proof
from clinic.models import AuditEvent, Membership
from patients import consenttexts
from patients.actions import consenttexts as actions
from patients.consenttexts import Section
from patients.models import Consent, ConsentText
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn
from tests.patients.counting import queries

NOW = make.NOON
DAY = timedelta(days=1)
WORDS = (Section("Driving", ("Do not drive for a day.",), ("Take a taxi.",)),)

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def as_(cast: Cast, signed_in: SignedIn) -> Callable[[str], Client]:
    """Return a function that signs somebody of the cast in by name."""
    return lambda name: signed_in(getattr(cast, name))


@pytest.fixture
def text(cast: Cast) -> ConsentText:
    """Version 1 in force, in few words."""
    return make.make_consent_text(cast.dana, cast.denver, title="Therapy", sections=WORDS)


@pytest.fixture
def draft(cast: Cast, text: ConsentText) -> ConsentText:
    """Version 2, in which a day has become two."""
    words = (Section("Driving", ("Do not drive for two days.",), ("Take a taxi.",)),)
    return make.make_consent_text(
        cast.dana, cast.denver, version=2, published=False, title="Therapy", sections=words, why="Longer, to be safe."
    )


def path(name: str, *args: object) -> str:
    return reverse(f"patients:{name}", args=args)


def page(response: Any) -> str:
    return str(response.content.decode())


def publish(cast: Cast, text: ConsentText, **values: Any) -> ConsentText:
    if not signatures.has_code_app(cast.dana):
        make.make_secrets(cast.dana)
    wanted = {
        "by": cast.dana, "seen": text.text_hash, "needs_new_signature": True, "effective_at": NOW, "location": cast.denver,
        "proof": Proof(password=make.PASSWORD, code=make.app_code()), "now": NOW, **values,
    }  # fmt: skip
    return actions.publish_text(text=text, **wanted)


class TestDraft:
    def test_the_first_ones_come_with_the_product_once(self, cast: Cast) -> None:
        made = actions.draft_first_texts(by=cast.ada, now=NOW)
        assert [(t.kind, t.route) for t in made] == [(w.kind, w.route) for w in consenttexts.bundled()]
        assert actions.draft_first_texts(by=cast.ada, now=NOW) == []
        assert not ConsentText.objects.in_force(NOW + 999 * DAY).exists()
        assert AuditEvent.objects.filter(verb="consent_text.drafted").count() == 10

    def test_the_next_begins_with_the_words_of_the_newest_and_is_one(self, cast: Cast, text: ConsentText) -> None:
        second = actions.draft_text(by=cast.ada, text=text, now=NOW)
        assert (second.version, second.sections, second.published_at) == (2, text.sections, None)
        assert actions.draft_text(by=cast.dana, text=text, now=NOW) == second


class TestWrite:
    def write(self, cast: Cast, draft: ConsentText, **values: Any) -> ConsentText:
        wanted = {"seen": draft.text_hash, "title": "Therapy", "sections": WORDS, "why": "Why.", **values}
        return actions.write_text(by=cast.ada, text=draft, now=NOW, **wanted)

    def test_works_and_twice_is_once(self, cast: Cast, draft: ConsentText) -> None:
        seen = draft.text_hash
        for _ in range(2):
            done = self.write(cast, draft, seen=seen)
            assert (done.title, consenttexts.sections_of(done.sections), done.why) == ("Therapy", WORDS, "Why.")
        assert done.text_hash == consenttexts.hash_of("Therapy", WORDS)
        assert AuditEvent.objects.filter(verb="consent_text.drafted").count() == 1

    def test_refuses(self, cast: Cast, text: ConsentText, draft: ConsentText) -> None:
        with pytest.raises(actions.DraftChanged):
            self.write(cast, draft, seen="0" * 64)
        with pytest.raises(actions.Published):
            self.write(cast, text)
        with pytest.raises(actions.NotAText, match="no heading"):
            self.write(cast, draft, sections=(Section("", ("Words",)),))


class TestPublish:
    def test_works(self, cast: Cast, draft: ConsentText) -> None:
        done = publish(cast, draft, effective_at=NOW + DAY)
        assert (done.published_by, done.published_at, done.effective_at) == (cast.dana, NOW, NOW + DAY)
        assert done.signature is not None
        assert (done.signature.purpose, done.signature.signer) == ("consent_text", cast.dana)
        assert [t.version for t in ConsentText.objects.in_force(NOW)] == [1]
        assert [t.version for t in ConsentText.objects.in_force(NOW + DAY)] == [2]
        with pytest.raises(actions.Published):
            publish(cast, draft)

    @pytest.mark.parametrize(
        ("values", "refusal"),
        [
            ({"effective_at": NOW - timedelta(seconds=1)}, actions.InThePast),
            ({"seen": "0" * 64}, actions.DraftChanged),
            ({"proof": Proof(password="x", code="1")}, signatures.WrongProof),
        ],
    )
    def test_refuses(self, cast: Cast, draft: ConsentText, values: dict[str, Any], refusal: type[Exception]) -> None:
        with pytest.raises(refusal):
            publish(cast, draft, **values)
        assert not ConsentText.objects.filter(version=2, published_at__isnull=False).exists()

    def test_nobody_but_a_medical_director_of_the_place(self, cast: Cast, draft: ConsentText) -> None:
        for person, place in ((cast.ada, cast.denver), (cast.omar, cast.phoenix), (cast.dana, cast.phoenix)):
            with pytest.raises(actions.NotTheDirector):
                publish(cast, draft, by=person, location=place)
        Membership.objects.filter(user=cast.dana).update(ended_at=NOW)
        with pytest.raises(actions.NotTheDirector):
            publish(cast, draft)

    def test_not_what_is_in_force_already(self, cast: Cast, text: ConsentText) -> None:
        same = actions.draft_text(by=cast.ada, text=text, now=NOW)
        with pytest.raises(actions.NothingChanged):
            publish(cast, same)


class TestPages:
    def test_the_list_says_what_is_in_force_and_how_many_signed(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText, draft: ConsentText
    ) -> None:
        client = as_("ada")
        make.make_consent(cast.pat, text)
        make.make_consent(cast.pat, text, NOW - 30 * DAY)
        shown = page(client.get(path("consent_texts")))
        assert 'class="num">1<' in shown
        assert "Draft of version 2, English" in shown
        few = queries(client, path("consent_texts"))
        client.post(path("draft_first_consent_texts"))
        assert ConsentText.objects.count() == 11
        assert queries(client, path("consent_texts")) == few
        assert "None: cannot be signed" in page(client.get(path("consent_texts")))

    def test_what_changed_is_marked_by_more_than_colour(
        self, cast: Cast, as_: Callable[[str], Client], draft: ConsentText
    ) -> None:
        shown = page(as_("ada").get(path("consent_text", draft.pk)))
        assert "<del>" in shown
        assert "[removed:" in shown
        assert "[added:" in shown
        assert "Longer, to be safe." in shown

    def test_a_draft_is_written_in_plain_fields(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText
    ) -> None:
        client = as_("ada")
        answer = client.post(path("draft_consent_text", text.pk))
        draft = ConsentText.objects.get(version=2)
        url = path("edit_consent_text", draft.pk)
        assert answer.headers["Location"] == url
        form = {
            "title": "Therapy", "why": "Because.", "seen": draft.text_hash,
            "heading_0": "Driving", "paragraphs_0": "One  line\r\nand on.\r\n\r\n \r\nTwo.", "points_0": " a \r\n\r\nb", "place_0": "1",
            "heading_1": "First of all", "paragraphs_1": "Hello.", "points_1": "", "place_1": "0.5",
            "heading_2": "", "paragraphs_2": "", "points_2": "", "place_2": "3",
        }  # fmt: skip
        assert client.post(url, form).headers["Location"] == path("consent_text", draft.pk)
        draft.refresh_from_db()
        assert draft.sections == [
            {"heading": "First of all", "paragraphs": ["Hello."], "points": []},
            {"heading": "Driving", "paragraphs": ["One line and on.", "Two."], "points": ["a", "b"]},
        ]
        assert client.post(url, {**form, "more": "1", "seen": draft.text_hash}).headers["Location"] == url
        assert client.get(path("edit_consent_text", text.pk)).headers["Location"] == path("consent_text", text.pk)

    def test_nothing_typed_is_lost_and_the_second_of_two_is_told(
        self, cast: Cast, as_: Callable[[str], Client], draft: ConsentText
    ) -> None:
        client, url = as_("ada"), path("edit_consent_text", draft.pk)
        form = {
            "title": "Mine", "why": "Because.", "seen": draft.text_hash, "heading_0": "H", "paragraphs_0": "My long words.",
            "points_0": "",
        }  # fmt: skip
        refused = page(client.post(url, {**form, "heading_0": ""}))
        assert "Section 1 has no heading." in refused
        assert "My long words." in refused
        theirs = actions.write_text(
            by=cast.dana, text=draft, seen=draft.text_hash, title="Theirs", sections=WORDS, why="x", now=NOW
        )
        answer = client.post(url, form)
        assert (answer.status_code, "My long words." in page(answer)) == (422, True)
        assert f'value="{theirs.text_hash}"' in page(answer)
        draft.refresh_from_db()
        assert draft.title == "Theirs"
        assert client.post(url, {**form, "seen": theirs.text_hash}).status_code == 302
        draft.refresh_from_db()
        assert draft.title == "Mine"

    @pytest.mark.parametrize("values", [{"heading_999": "x"}, {"place_0": "x"}, {"paragraphs_0": "x" * 20_001}])
    def test_a_strange_form_is_refused_in_words(
        self, cast: Cast, as_: Callable[[str], Client], draft: ConsentText, values: dict[str, str]
    ) -> None:
        form = {"title": "T", "why": "w", "seen": draft.text_hash, "heading_0": "H", "points_0": "", **values}
        assert as_("ada").post(path("edit_consent_text", draft.pk), form).status_code == 422

    def test_a_director_publishes_knowing_how_many_sign_again(
        self, cast: Cast, as_: Callable[[str], Client], text: ConsentText, draft: ConsentText
    ) -> None:
        make.make_secrets(cast.dana)
        make.make_consent(cast.pat, text)
        make.make_consent(cast.quinn, text)
        client, url = as_("dana"), path("publish_consent_text", draft.pk)
        assert "the signatures of <strong>2</strong> patients stop counting" in page(client.get(url))
        form = {
            "effective_on": "2027-01-13", "needs_new_signature": "on", "seen": draft.text_hash, "password": make.PASSWORD,
            "code": make.app_code(),
        }  # fmt: skip
        for values in (
            {"effective_on": "2027-01-12"},
            {"effective_on": "2099-01-01"},
            {"seen": "x"},
            {"password": "x"},
        ):
            assert client.post(url, {**form, **values}).status_code == 422, values
        assert Consent.objects.current(NOW).count() == 2
        assert client.post(url, form).status_code == 302
        draft.refresh_from_db()
        assert (draft.effective_at, Consent.objects.current(NOW).count()) == (NOW, 0)
        assert client.post(url, form).status_code == 422

    def test_a_later_day_begins_at_midnight_here(
        self, cast: Cast, as_: Callable[[str], Client], draft: ConsentText
    ) -> None:
        make.make_secrets(cast.dana)
        form = {
            "effective_on": "2027-01-15",
            "seen": draft.text_hash,
            "password": make.PASSWORD,
            "code": make.app_code(),
        }
        assert as_("dana").post(path("publish_consent_text", draft.pk), form).status_code == 302
        draft.refresh_from_db()
        assert str(draft.effective_at) == "2027-01-15 07:00:00+00:00"

    def test_a_manager_reads_and_does_not_publish(
        self, cast: Cast, as_: Callable[[str], Client], draft: ConsentText
    ) -> None:
        make.make_secrets(cast.ada)
        client, url = as_("ada"), path("publish_consent_text", draft.pk)
        assert "Only a medical director of this location" in page(client.get(url))
        form = {
            "effective_on": "2027-01-13",
            "seen": draft.text_hash,
            "password": make.PASSWORD,
            "code": make.app_code(),
        }
        answer = client.post(url, form)
        assert (answer.status_code, "Only a medical director" in page(answer)) == (422, True)

    def test_not_by_those_who_may_not(self, cast: Cast, as_: Callable[[str], Client], draft: ConsentText) -> None:
        for name in ("frida", "theo", "nina", "milo", "petra", "pat_user"):
            client = as_(name)
            for url in ("consent_text", "edit_consent_text", "publish_consent_text", "draft_consent_text"):
                assert client.post(path(url, draft.pk)).status_code in {403, 405}, (name, url)
            assert client.get(path("consent_texts")).status_code == 403
        assert as_("ada").get(path("consent_text", uuid.uuid4())).status_code == 404
        assert as_("ada").get(path("draft_first_consent_texts")).status_code == 405
