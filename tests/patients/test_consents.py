"""Consents signed, run out, asked for again and taken back; and what the floors above read of it."""

import re
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError
from django.test.utils import CaptureQueriesContext

from assessments.standing import routes_column
from clinic import letters
from clinic.actions import signatures, worklist
from clinic.actions.signatures import Proof
from clinic.models import AuditEvent, Category, Channel, Membership, OutboundMessage, Role, Signature, User, WorkItem
from patients import consentneeds
from patients.actions import consents as actions
from patients.actions import consenttexts
from patients.consentneeds import State
from patients.models import Consent, ConsentText, ConsentWithdrawal, ContactPreference, LifeState, Patient
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import owner_rights

NOW = make.NOON
How = Consent.How
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def text(cast: Cast) -> ConsentText:
    """The wording in force of the therapy by lozenge."""
    return make.make_consent_text(cast.dana, cast.denver)


def mailed(user: User, by: User | None = None, now: datetime = NOW) -> Proof:
    """Have a code mailed and return it as the patient reads it."""
    signatures.mail_code(by=by or user, signer=user, now=now)
    letter = letters.render(OutboundMessage.objects.filter(kind="signing_code").latest("queued_at", "id"))
    found = re.search(r"[B-Z]{3}-[B-Z]{3}", letter.text)
    assert found
    return Proof(code=found.group())


def sign(patient: Patient, text: ConsentText, **values: Any) -> Consent:
    """Sign as the patient does on the portal, unless told otherwise."""
    assert patient.portal_user is not None
    wanted: dict[str, Any] = {
        "by": patient.portal_user, "seen": text.text_hash, "entry_key": uuid.uuid4(), "how": How.PORTAL, "now": NOW,
        "typed_name": f"{patient.given_name} {patient.family_name}", **values,
    }  # fmt: skip
    if "proof" not in wanted:
        wanted["proof"] = mailed(patient.portal_user, wanted["by"], wanted["now"])
    return actions.sign(patient=patient, text=text, **wanted)


def withdraw(consent: Consent, by: User, **values: Any) -> ConsentWithdrawal:
    return actions.withdraw(**{"by": by, "consent": consent, "how": ConsentWithdrawal.How.PORTAL, "now": NOW, **values})


def states(patient: Patient, now: datetime = NOW) -> dict[str, State]:
    return {row.kind + row.route: row.state for row in consentneeds.standings(patient, now)}


class TestSign:
    def test_keeps_all_that_shows_what_was_agreed_to(self, cast: Cast, text: ConsentText) -> None:
        done = sign(
            cast.pat, text, address="203.0.113.9", browser="B" * 300, interpreter="Rita Sol", typed_name="PAT  moreau"
        )
        assert (done.typed_name, done.how, done.language, done.interpreter) == (
            "PAT  moreau",
            "portal",
            "en",
            "Rita Sol",
        )
        assert (done.address, len(done.browser)) == ("203.0.113.9", 200)
        assert (done.signed_at, done.expires_at) == (NOW, NOW + 365 * DAY)
        assert (done.signature.signer, done.signature.method) == (cast.pat_user, Signature.Method.MAILED_CODE)
        assert actions.is_whole(done)
        seen = AuditEvent.objects.get(verb="consent.signed")
        assert (seen.actor_id, seen.patient_id, seen.subject_id) == (cast.pat_user.pk, cast.pat.pk, done.pk)
        assert seen.details == {"kind": "ketamine", "route": "sl", "version": 1, "how": "portal"}
        letter = OutboundMessage.objects.get(kind="consent_copy")
        assert (letter.address, letter.subject_id) == (cast.pat_user.email, done.pk)

    def test_twice_is_once(self, cast: Cast, text: ConsentText) -> None:
        key = uuid.uuid4()
        first = sign(cast.pat, text, entry_key=key)
        assert sign(cast.pat, text, entry_key=key, proof=Proof()) == first
        assert sign(cast.pat, text, proof=Proof()) == first
        assert (Consent.objects.count(), Signature.objects.filter(purpose="consent").count()) == (1, 1)
        assert OutboundMessage.objects.filter(kind="consent_copy").count() == 1

    def test_what_runs_out_soon_is_signed_anew_and_the_old_stays(self, cast: Cast, text: ConsentText) -> None:
        old = make.make_consent(cast.pat, text, NOW - 340 * DAY)
        new = sign(cast.pat, text)
        assert (Consent.objects.count(), new.expires_at) == (2, NOW + 365 * DAY)
        assert list(Consent.objects.current(NOW + 60 * DAY)) == [new]
        assert old in Consent.objects.current(NOW)

    def test_a_key_of_somebody_elses_consent_opens_nothing(self, cast: Cast, text: ConsentText) -> None:
        theirs = make.make_consent(cast.quinn, text)
        mine = sign(cast.pat, text, entry_key=theirs.pk)
        assert (mine.patient, mine.pk != theirs.pk) == (cast.pat, True)

    @pytest.mark.parametrize(
        ("values", "refusal"),
        [
            ({"typed_name": "P. M."}, actions.NotTheNameOnRecord),
            ({"typed_name": "Quinn Abbott"}, actions.NotTheNameOnRecord),
            ({"seen": "0" * 64}, actions.WordingChanged),
            ({"proof": Proof(code="BBB-BBB")}, signatures.WrongProof),
            ({"proof": Proof(password="x")}, signatures.WrongProof),
        ],
    )
    def test_refuses(self, cast: Cast, text: ConsentText, values: dict[str, Any], refusal: type[Exception]) -> None:
        with pytest.raises(refusal):
            sign(cast.pat, text, **values)
        assert not Consent.objects.exists()
        assert not OutboundMessage.objects.filter(kind="consent_copy").exists()

    def test_the_name_that_is_wanted_is_said(self, cast: Cast, text: ConsentText) -> None:
        with pytest.raises(actions.NotTheNameOnRecord, match="Pat Moreau"):
            sign(cast.pat, text, typed_name="<b>Pat</b>")

    def test_a_code_signs_once(self, cast: Cast, text: ConsentText) -> None:
        proof = mailed(cast.pat_user)
        sign(cast.pat, text, proof=proof)
        other = make.make_consent_text(cast.dana, cast.denver, "treatment")
        with pytest.raises(signatures.WrongProof):
            sign(cast.pat, other, proof=proof)

    @pytest.mark.parametrize(
        ("who", "how", "refusal"),
        [
            ("quinn_user", How.PORTAL, actions.NotYours),
            ("quinn_user", How.TABLET, actions.NotYours),
            ("quinn_user", How.PAPER, actions.NotYours),
            ("pat_user", How.PAPER, actions.NotYours),
            ("dana", How.PORTAL, actions.NotYours),
            ("omar", How.TABLET, signatures.NotAllowedToSign),
            ("omar", How.PAPER, signatures.NotAllowedToSign),
        ],
    )
    def test_nobody_signs_for_the_patient(
        self, cast: Cast, text: ConsentText, who: str, how: Consent.How, refusal: type[Exception]
    ) -> None:
        person = getattr(cast, who)
        proof = mailed(person) if person.is_patient else mailed(cast.pat_user)
        with pytest.raises(refusal):
            sign(cast.pat, text, by=person, how=how, proof=proof)
        assert not Consent.objects.exists()

    def test_a_text_that_is_not_in_force(self, cast: Cast, text: ConsentText) -> None:
        draft = make.make_consent_text(cast.dana, cast.denver, version=2, published=False)
        coming = make.make_consent_text(cast.dana, cast.denver, "treatment", effective_at=NOW + DAY)
        for other in (draft, coming):
            with pytest.raises(actions.WordingChanged):
                sign(cast.pat, other)

    def test_of_one_who_needs_an_interpreter_one_is_named(self, cast: Cast, text: ConsentText) -> None:
        Patient.objects.filter(pk=cast.pat.pk).update(needs_interpreter=True)
        with pytest.raises(actions.NeedsAnInterpreter):
            sign(cast.pat, text)
        assert sign(cast.pat, text, interpreter="Rita Sol").interpreter == "Rita Sol"

    def test_nobody_signs_for_the_dead(self, cast: Cast, text: ConsentText) -> None:
        Patient.objects.filter(pk=cast.pat.pk).update(
            life_state=LifeState.DECEASED, portal_suspended_at=NOW, portal_suspension="deceased"
        )
        with pytest.raises(actions.HasDied):
            sign(cast.pat, text, by=cast.dana, how=How.PAPER, proof=Proof())


class TestBesideAClinician:
    def test_on_the_tablet_the_patient_signs_and_the_clinician_is_beside(self, cast: Cast, text: ConsentText) -> None:
        done = sign(cast.pat, text, by=cast.nina, how=How.TABLET)
        assert (done.signature.signer, done.signature.beside) == (cast.pat_user, cast.nina)
        assert (done.signature.purpose, done.how) == ("consent", "tablet")

    @time_machine.travel(NOW, tick=False)
    def test_on_paper_the_clinician_signs_for_what_they_saw(self, cast: Cast, text: ConsentText) -> None:
        make.make_secrets(cast.nina)
        paper = make.make_patient(cast.denver, "Ona", "Paper", email="")
        proof = Proof(password=make.PASSWORD, code=make.app_code())
        done = actions.sign(
            by=cast.nina, patient=paper, text=text, seen=text.text_hash, entry_key=uuid.uuid4(), typed_name="Ona Paper",
            how=How.PAPER, proof=proof, now=NOW,
        )  # fmt: skip
        assert (done.signature.signer, done.signature.beside) == (cast.nina, None)
        assert (done.signature.purpose, done.signature.role) == ("consent_witness", "nurse")
        assert actions.is_whole(done)
        assert not OutboundMessage.objects.filter(kind="consent_copy").exists()

    def test_without_a_portal_there_is_only_paper(self, cast: Cast, text: ConsentText) -> None:
        paper = make.make_patient(cast.denver, "Ona", "Paper")
        with pytest.raises(actions.NoSignInToSignWith, match="on paper"):
            actions.sign(
                by=cast.nina, patient=paper, text=text, seen=text.text_hash, entry_key=uuid.uuid4(),
                typed_name="Ona Paper", how=How.TABLET, proof=Proof(), now=NOW,
            )  # fmt: skip


class TestWithdraw:
    def test_at_once_with_a_call_to_make(self, cast: Cast, text: ConsentText) -> None:
        consent = make.make_consent(cast.pat, text)
        done = withdraw(consent, cast.pat_user, words="I am afraid of it.")
        assert (done.recorded_by, done.withdrawn_at, done.words) == (cast.pat_user, NOW, "I am afraid of it.")
        assert not Consent.objects.current(NOW).exists()
        item = WorkItem.objects.get(kind="consent_withdrawn")
        # Theo leads Pat's care team; Denver shuts at 18:00.
        assert (item.owner, item.subject_id, item.due_at) == (cast.theo, cast.pat.pk, NOW + timedelta(hours=9))
        seen = AuditEvent.objects.get(verb="consent.withdrawn")
        assert "afraid" not in str(seen.details)
        assert consentneeds.words(cast.pat, NOW) == "withdrawn: clinician will call"

    def test_twice_is_once(self, cast: Cast, text: ConsentText) -> None:
        consent = make.make_consent(cast.pat, text)
        assert withdraw(consent, cast.pat_user) == withdraw(consent, cast.frida, now=NOW + DAY)
        assert (ConsentWithdrawal.objects.count(), WorkItem.objects.count()) == (1, 1)

    def test_takes_every_standing_one_of_the_kind_with_it(self, cast: Cast, text: ConsentText) -> None:
        other = make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver, "treatment"))
        early = make.make_consent(cast.pat, text, NOW - 340 * DAY)
        renewed = sign(cast.pat, text)
        withdraw(early, cast.pat_user)
        assert list(Consent.objects.standing(NOW)) == [other]
        assert ConsentWithdrawal.objects.filter(consent=renewed).exists()

    def test_an_old_page_takes_back_what_was_signed_since(self, cast: Cast, text: ConsentText) -> None:
        """The page said "taken back, from this moment" and the newer signature went on counting."""
        first = make.make_consent(cast.pat, text, NOW - DAY)
        withdraw(first, cast.pat_user, now=NOW - timedelta(hours=3))
        again = sign(cast.pat, text)
        assert withdraw(first, cast.pat_user, now=NOW + timedelta(minutes=1)).consent == again
        assert not Consent.objects.standing(NOW + timedelta(minutes=2)).exists()

    def test_without_a_lead_the_prescribers_call(self, cast: Cast, text: ConsentText) -> None:
        withdraw(make.make_consent(cast.quinn, text), cast.frida, how=ConsentWithdrawal.How.PHONE)
        item = WorkItem.objects.get()
        assert (item.owner, item.owner_role, item.location) == (None, Role.PRESCRIBER, cast.denver)

    def test_a_lead_who_left_calls_nobody(self, cast: Cast, text: ConsentText) -> None:
        Membership.objects.filter(user=cast.theo).update(ended_at=NOW)
        withdraw(make.make_consent(cast.pat, text), cast.pat_user)
        assert WorkItem.objects.get().owner is None

    def test_messages_stop_with_their_agreement(self, cast: Cast) -> None:
        agreed = make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver, "communications"))
        withdraw(agreed, cast.frida, how=ConsentWithdrawal.How.PHONE)
        now = ContactPreference.objects.current().filter(
            patient=cast.pat, category=Category.VISIT, channel=Channel.EMAIL
        )
        assert [(row.is_allowed, row.evidence) for row in now] == [(False, "asked_by_phone")]

    def test_refuses_what_has_run_out_and_the_receipt_of_a_notice(self, cast: Cast, text: ConsentText) -> None:
        over = make.make_consent(cast.pat, text, NOW - 365 * DAY)
        notice = make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver, "privacy_notice"))
        for consent in (over, notice):
            with pytest.raises(actions.NothingToTakeBack):
                withdraw(consent, cast.pat_user)
        assert not ConsentWithdrawal.objects.exists()

    def test_a_form_from_before_it_was_taken_back_signs_anew_or_not_at_all(self, cast: Cast, text: ConsentText) -> None:
        key = uuid.uuid4()
        first = sign(cast.pat, text, entry_key=key)
        withdraw(first, cast.pat_user)
        with pytest.raises(signatures.WrongProof):
            sign(cast.pat, text, entry_key=key, proof=Proof(code="BBB-BBB"))
        assert not Consent.objects.current(NOW).exists()
        again = sign(cast.pat, text, entry_key=key)
        assert list(Consent.objects.current(NOW)) == [again]

    def test_may_be_signed_again(self, cast: Cast, text: ConsentText) -> None:
        withdraw(make.make_consent(cast.pat, text), cast.pat_user)
        assert [t.kind for t in consentneeds.to_sign(cast.pat, NOW)] == []
        again = sign(cast.pat, text, now=NOW + DAY)
        assert list(Consent.objects.current(NOW + DAY)) == [again]
        assert states(cast.pat, NOW + DAY) == {"ketaminesl": State.SIGNED}


class TestCapacity:
    def test_nothing_is_signed_while_in_doubt(self, cast: Cast, text: ConsentText) -> None:
        item = actions.raise_concern(by=cast.nina, patient=cast.pat, now=NOW)
        assert actions.raise_concern(by=cast.theo, patient=cast.pat, now=NOW) == item
        for how, by in ((How.PORTAL, cast.pat_user), (How.TABLET, cast.nina), (How.PAPER, cast.nina)):
            with pytest.raises(actions.CapacityInDoubt, match=re.escape("(303) 555-0100")):
                sign(cast.pat, text, by=by, how=how, proof=Proof())
        actions.settle_concern(
            by=cast.dana, patient=cast.pat, found="Clear and oriented; asked good questions.", now=NOW
        )
        item.refresh_from_db()
        assert (item.closed_by, item.outcome_note) == (cast.dana, "Clear and oriented; asked good questions.")
        assert sign(cast.pat, text).patient == cast.pat
        with pytest.raises(actions.NoConcern):
            actions.settle_concern(by=cast.dana, patient=cast.pat, found="x", now=NOW)

    def test_a_tick_on_the_work_list_does_not_settle_it(self, cast: Cast) -> None:
        item = actions.raise_concern(by=cast.nina, patient=cast.pat, now=NOW)
        with pytest.raises(worklist.AnswerItInstead):
            worklist.close_item(by=cast.dana, item=item, outcome=WorkItem.Outcome.DONE, note="", now=NOW)


class TestNeeds:
    """Scenario 20 of domain.md 11, and everything around the gate of domain.md 3.3."""

    def test_a_dose_needs_both_and_names_what_it_lacks(self, cast: Cast, text: ConsentText) -> None:
        treatment = make.make_consent_text(cast.dana, cast.denver, "treatment")
        lacks = "Ketamine-assisted psychotherapy, under the tongue"
        assert consentneeds.missing_for(cast.pat, "sl", NOW) == ["Treatment", lacks]
        make.make_consent(cast.pat, treatment)
        assert consentneeds.missing_for(cast.pat, "sl", NOW) == [lacks]
        make.make_consent(cast.pat, text)
        assert consentneeds.missing_for(cast.pat, "sl", NOW) == []
        assert consentneeds.words(cast.pat, NOW) == "signed"

    @pytest.mark.parametrize("route", ["oral", "im", "iv", "in", "", "nonsense", "SL"])
    def test_another_route_is_another_consent(self, cast: Cast, text: ConsentText, route: str) -> None:
        make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver, "treatment"))
        make.make_consent(cast.pat, text)
        assert len(consentneeds.missing_for(cast.pat, route, NOW)) == 1

    def test_somebody_elses_consent_is_not_mine(self, cast: Cast, text: ConsentText) -> None:
        make.make_consent(cast.quinn, text)
        assert len(consentneeds.missing_for(cast.pat, "sl", NOW)) == 2

    def test_it_ran_out_yesterday(self, cast: Cast, text: ConsentText) -> None:
        consent = make.make_consent(cast.pat, text, NOW - 365 * DAY)
        assert states(cast.pat, NOW - timedelta(seconds=1)) == {"ketaminesl": State.EXPIRING}
        assert states(cast.pat, NOW) == {"ketaminesl": State.EXPIRED}
        assert [t.pk for t in consentneeds.to_sign(cast.pat, NOW + DAY)] == [text.pk]
        assert "Ketamine" in str(consentneeds.missing_for(cast.pat, "sl", NOW + DAY))
        assert Consent.objects.get() == consent

    @pytest.mark.parametrize("everybody_signs_again", [True, False])
    def test_new_words_at_eight_for_nine(self, cast: Cast, text: ConsentText, everybody_signs_again: bool) -> None:
        nine, eight = NOW, NOW - timedelta(hours=1)
        make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver, "treatment"))
        old = make.make_consent(cast.pat, text)
        new = make.make_consent_text(
            cast.dana, cast.denver, version=2, effective_at=eight, needs_new_signature=everybody_signs_again
        )
        assert consentneeds.missing_for(cast.pat, "sl", eight - timedelta(minutes=1)) == []
        assert bool(consentneeds.missing_for(cast.pat, "sl", nine)) is everybody_signs_again
        assert states(cast.pat, nine)["ketaminesl"] == (State.CHANGED if everybody_signs_again else State.SIGNED)
        if everybody_signs_again:
            again = sign(cast.pat, new, by=cast.nina, how=How.TABLET)
            assert consentneeds.missing_for(cast.pat, "sl", nine) == []
            assert set(Consent.objects.filter(text__kind="ketamine")) == {old, again}

    def test_a_translation_is_no_new_wording_of_another_language(self, cast: Cast, text: ConsentText) -> None:
        make.make_consent(cast.pat, text)
        make.make_consent_text(cast.dana, cast.denver, version=2, language="es", needs_new_signature=True)
        assert states(cast.pat) == {"ketaminesl": State.SIGNED}
        Patient.objects.filter(pk=cast.quinn.pk).update(language="es")
        cast.quinn.refresh_from_db()
        assert [t.language for t in consentneeds.to_sign(cast.quinn, NOW)] == ["es"]

    def test_nobody_is_asked_for_every_route(self, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
        for route in ("sl", "im"):
            make.make_consent_text(cast.dana, cast.denver, route=route)
        for kind in ("privacy_notice", "treatment", "telehealth", "communications", "release"):
            make.make_consent_text(cast.dana, cast.denver, kind)
        monkeypatch.setattr(consentneeds, "_routes_of", [])
        asked = [(t.kind, t.route) for t in consentneeds.to_sign(cast.pat, NOW)]
        assert asked == [("privacy_notice", ""), ("treatment", ""), ("ketamine", "sl")]
        assert len(consentneeds.standings(cast.pat, NOW)) == 6
        consentneeds.register_routes(lambda _patient, _now: frozenset({"im"}))
        assert [t.route for t in consentneeds.to_sign(cast.pat, NOW)] == ["", "", "im"]
        assert consentneeds.words(cast.pat, NOW) == "to sign"

    def test_of_many_as_of_each(self, cast: Cast, text: ConsentText) -> None:
        """The board of the day asks for everybody at once what the patient's page asks for one."""
        words = {"signed": "signed", "to_sign": "to sign", "withdrawn": "withdrawn: clinician will call"}
        people = {
            name: make.make_patient(
                cast.denver, name, portal_user=make.make_user(name, kind=User.Kind.PATIENT), portal_since=NOW
            )
            for name in ("Nothing", "All", "Part", "Gone", "Other")
        }
        kinds = ("privacy_notice", "treatment")
        texts = [text, *(make.make_consent_text(cast.dana, cast.denver, kind) for kind in kinds if kind != text.kind)]
        texts += [
            make.make_consent_text(cast.dana, cast.denver, "ketamine", route=way)
            for way in ("sl", "im")
            if (text.kind, text.route) != ("ketamine", way)
        ]
        for name in ("All", "Gone", "Other"):
            for one in texts:
                if one.route != "im":
                    make.make_consent(people[name], one)
        make.make_consent(people["Part"], texts[0])
        withdrawn = Consent.objects.filter(patient=people["Gone"], text__kind="treatment").get()
        ConsentWithdrawal.objects.create(consent=withdrawn, how="phone", recorded_by=cast.dana, withdrawn_at=NOW)
        # Treated by another route than they signed for.
        make.make_clearance(people["Other"], "cleared", by=cast.dana, route="im")
        rows = Patient.objects.filter(pk__in=[who.pk for who in people.values()]).values_list(
            "pk", consentneeds.signed_column("pk", NOW), consentneeds.offered_column(NOW), routes_column("pk")
        )
        with CaptureQueriesContext(connection) as asked:
            found = {
                who: consentneeds.summary_of(signed, offered, routes, NOW) for who, signed, offered, routes in rows
            }
        assert len(asked) == 1
        assert {name: words[found[who.pk]] for name, who in people.items()} == {
            name: consentneeds.words(who, NOW) for name, who in people.items()
        }
        assert {name: str(found[who.pk]) for name, who in people.items()} == {
            "Nothing": "to_sign", "All": "signed", "Part": "to_sign", "Gone": "withdrawn", "Other": "to_sign",
        }  # fmt: skip

    def test_as_many_questions_for_one_as_for_thirty(self, cast: Cast, text: ConsentText) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as asked:
                consentneeds.standings(cast.pat, NOW)
                consentneeds.missing_for(cast.pat, "sl", NOW)
            return len(asked)

        make.make_consent(cast.pat, text)
        few = queries()
        for number in range(30):
            make.make_consent(cast.pat, text, NOW - (number + 20) * DAY)
        assert queries() == few <= 4


class TestStays:
    """What was agreed to is not rewritten, by code or by hand (the application's role, and a trigger for everybody)."""

    @pytest.mark.parametrize("table", ["patients_consent", "patients_consentwithdrawal"])
    @pytest.mark.parametrize("act", ["UPDATE {table} SET id = id", "DELETE FROM {table}"])
    def test_by_sql(self, cast: Cast, text: ConsentText, table: str, act: str) -> None:
        withdraw(make.make_consent(cast.pat, text), cast.pat_user)
        statement = act.format(table=table)
        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        with owner_rights(), pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    def test_by_the_orm(self, cast: Cast, text: ConsentText) -> None:
        consent = make.make_consent(cast.pat, text)
        consent.typed_name = "Somebody Else"
        with pytest.raises(ProgrammingError), transaction.atomic():
            consent.save()
        with pytest.raises(ProgrammingError), transaction.atomic():
            consent.delete()

    def test_published_words(self, cast: Cast, text: ConsentText) -> None:
        text.title = "Something else"
        with pytest.raises(IntegrityError), transaction.atomic():
            text.save()
        with pytest.raises(IntegrityError), transaction.atomic():
            text.delete()

    def test_a_changed_word_would_be_seen(self, cast: Cast, text: ConsentText) -> None:
        done = sign(cast.pat, text)
        done.text.sections[0]["paragraphs"][0] += " "
        assert not actions.is_whole(done)


@pytest.fixture
def together(transactional_db: None) -> Callable[..., list[str]]:
    """Return a function that runs acts at one moment in threads of their own and gives what each came to."""

    def run(*acts: Callable[[], object]) -> list[str]:
        gate, came = threading.Barrier(len(acts)), [""] * len(acts)

        def one(number: int, act: Callable[[], object]) -> None:
            gate.wait()
            try:
                came[number] = str(act())
            except Exception as error:
                came[number] = type(error).__name__
            finally:
                connection.close()

        threads = [threading.Thread(target=one, args=pair) for pair in enumerate(acts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return came

    return run


class TestAtOnce:
    def test_two_signings_are_one(self, together: Callable[..., list[str]]) -> None:
        cast = make_cast()
        text = make.make_consent_text(cast.dana, cast.denver)
        proof = mailed(cast.pat_user)
        acts = [lambda: sign(cast.pat, text, proof=proof).pk for _ in range(4)]
        came = together(*acts)
        assert len(set(came)) == 1
        assert (Consent.objects.count(), Signature.objects.filter(purpose="consent").count()) == (1, 1)

    def test_two_who_begin_a_draft_find_one(self, together: Callable[..., list[str]]) -> None:
        cast = make_cast()
        text = make.make_consent_text(cast.dana, cast.denver)
        came = together(*[lambda: consenttexts.draft_text(by=cast.dana, text=text, now=NOW).pk for _ in range(4)])
        assert (len(set(came)), ConsentText.objects.filter(version=2).count()) == (1, 1)
        counts = together(*[lambda: len(consenttexts.draft_first_texts(by=cast.dana, now=NOW)) for _ in range(3)])
        assert all(count.isdigit() for count in counts)
        assert ConsentText.objects.count() == 11

    def test_signing_against_taking_back(self, together: Callable[..., list[str]]) -> None:
        """Whoever comes last has the last word, and no half of either is left."""
        cast = make_cast()
        text = make.make_consent_text(cast.dana, cast.denver)
        old = make.make_consent(cast.pat, text, NOW - 340 * DAY)
        proof = mailed(cast.pat_user)
        together(lambda: sign(cast.pat, text, proof=proof).pk, lambda: withdraw(old, cast.frida).pk)
        assert ConsentWithdrawal.objects.filter(consent=old).count() == 1
        new = Consent.objects.exclude(pk=old.pk).get()
        taken_back = ConsentWithdrawal.objects.filter(consent=new).exists()
        assert Consent.objects.current(NOW).filter(pk=new.pk).exists() is not taken_back
