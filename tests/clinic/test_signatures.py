"""Signing: who may put their name to what, what they have to show for it, and that nobody does it for somebody else."""

import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.db import IntegrityError, InternalError, connection, transaction
from django.test import override_settings
from django.urls import reverse
from redis.exceptions import ConnectionError as RedisAway

from clinic import audit, letters
from clinic.actions import people, signatures
from clinic.actions.signatures import Proof
from clinic.forms.signatures import SignatureFields
from clinic.models import (
    AuditEvent,
    EnrolledDevice,
    Location,
    OutboundMessage,
    Role,
    Signature,
    SigningCode,
    User,
    new_id,
)
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

pytestmark = pytest.mark.django_db

Purpose = Signature.Purpose
TEXT = "Naïve text\nof version 3"


def shown(code: str = "", password: str = make.PASSWORD) -> Proof:
    return Proof(password=password, code=code or make.app_code())


def sign(by: User, location: Location, **values: Any) -> Signature:
    wanted: dict[str, Any] = {
        "signer": by, "proof": None, "purpose": Purpose.OVERRIDE, "subject_type": "screeningflag", "subject_id": uuid.UUID(int=7),
        "content": TEXT, "now": make.NOON,
    }  # fmt: skip
    wanted.update(values)
    wanted["proof"] = wanted["proof"] or shown()
    return signatures.sign(by=by, location=location, **wanted)


def mailed(user: User, now: datetime = make.NOON) -> str:
    """Have a code mailed and return it as the letter has it."""
    signatures.mail_code(by=user, now=now)
    text = letters.render(OutboundMessage.objects.filter(kind="signing_code").latest("queued_at", "id")).text
    found = re.search(r"[B-Z]{3}-[B-Z]{3}", text)
    assert found
    return found.group()


def consent(patient: User, location: Location, code: str, by: User | None = None, **values: Any) -> Signature:
    return sign(
        by or patient, location, **{"signer": patient, "purpose": Purpose.CONSENT, "proof": Proof(code=code), **values}
    )


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def staff(cast: Cast, now: datetime) -> Cast:
    make.make_secrets(cast.dana, cast.nina)
    return cast


class TestStaff:
    def test_sign_with_password_and_code(self, staff: Cast) -> None:
        signature = sign(staff.dana, staff.denver)
        assert (signature.signer, signature.role, signature.beside) == (staff.dana, Role.PRESCRIBER, None)
        assert (signature.method, signature.signed_at) == ("password_and_factor", make.NOON)
        row = AuditEvent.objects.get(verb="signature.made")
        assert (row.actor_id, row.subject_id) == (staff.dana.pk, signature.pk)
        assert row.details == {"purpose": "override", "method": "password_and_factor", "subject": str(uuid.UUID(int=7))}

    def test_the_text_is_known_again(self, staff: Cast) -> None:
        signature = sign(staff.dana, staff.denver)
        assert signatures.matches(signature, TEXT)
        assert signatures.matches(signature, TEXT.replace("ï", "i\u0308")), "the same words, typed in another way"
        assert not signatures.matches(signature, TEXT + " ")
        assert not signatures.matches(signature, TEXT.replace("3", "4"))

    def test_a_recovery_code_is_used_up(self, staff: Cast) -> None:
        codes = RecoveryCodes(Authenticator.objects.get(user=staff.dana, type="recovery_codes"))
        code = codes.get_unused_codes()[0]
        sign(staff.dana, staff.denver, proof=shown(code))
        with pytest.raises(signatures.WrongProof):
            sign(staff.dana, staff.denver, proof=shown(code), subject_id=new_id())

    def test_a_code_of_the_app_signs_once(self, staff: Cast) -> None:
        sign(staff.dana, staff.denver)
        with pytest.raises(signatures.WrongProof, match="wait for the next one"):
            sign(staff.dana, staff.denver, subject_id=new_id())
        with time_machine.travel(make.NOON + timedelta(seconds=31), tick=False):
            assert sign(staff.dana, staff.denver, subject_id=new_id()).pk

    @pytest.mark.parametrize(
        "proof",
        [
            Proof(), Proof(password=make.PASSWORD), Proof(code="123456"), Proof(password=make.PASSWORD, code="000000"),
            Proof(password="wrong", code="APP"), Proof(password=make.PASSWORD.upper(), code="APP"),
            Proof(password="demo", code="000000"),
        ],
    )  # fmt: skip
    def test_nothing_less_will_do(self, staff: Cast, proof: Proof) -> None:
        with pytest.raises(signatures.WrongProof, match="Nothing was signed"):
            sign(staff.dana, staff.denver, proof=replace(proof, code=proof.code.replace("APP", make.app_code())))
        assert not Signature.objects.exists()
        # A wrong password has cost no code.
        assert sign(staff.dana, staff.denver).pk

    def test_a_passkey_alone_says_what_to_add(self, cast: Cast, now: datetime) -> None:
        make.make_secrets(cast.dana)
        Authenticator.objects.filter(user=cast.dana).update(type="webauthn", data={})
        with pytest.raises(signatures.NoFactorToSignWith, match="authenticator app"):
            sign(cast.dana, cast.denver)
        with pytest.raises(signatures.WrongProof):
            sign(cast.dana, cast.denver, proof=shown(password="wrong"))
        assert SignatureFields(signer=cast.dana).needs_app

    def test_without_the_memory_of_used_codes_nobody_signs(self, staff: Cast) -> None:
        with (
            mock.patch.object(TOTP, "_mark_code_used", side_effect=RedisAway),
            pytest.raises(signatures.SigningAway, match="Nothing was signed"),
        ):
            sign(staff.dana, staff.denver)

    def test_the_same_text_once(self, staff: Cast) -> None:
        sign(staff.dana, staff.denver)
        with (
            time_machine.travel(make.NOON + timedelta(minutes=1), tick=False),
            pytest.raises(signatures.AlreadySigned),
            transaction.atomic(),
        ):
            sign(staff.dana, staff.denver)

    def test_a_signature_stays_as_it_is(self, staff: Cast) -> None:
        signature = sign(staff.dana, staff.denver)
        for change in (
            lambda: Signature.objects.filter(pk=signature.pk).update(content_hash="0" * 64),
            lambda: Signature.objects.filter(pk=signature.pk).delete(),
        ):
            with (
                pytest.raises((IntegrityError, InternalError, Exception), match=r"append-only|permission denied"),
                transaction.atomic(),
            ):
                change()


class TestSecondPerson:
    def test_signs_with_their_own_secrets(self, staff: Cast) -> None:
        signature = sign(staff.dana, staff.denver, signer=staff.nina)
        assert (signature.signer, signature.role, signature.beside) == (staff.nina, Role.NURSE, staff.dana)
        row = AuditEvent.objects.get(verb="signature.made")
        assert (row.actor_id, row.details["beside"]) == (staff.nina.pk, str(staff.dana.pk))

    def test_ones_own_secrets_do_not_sign_for_another(self, staff: Cast) -> None:
        """Security D9: Dana signs as Nina with what Dana knows."""
        Authenticator.objects.filter(user=staff.nina, type="totp").delete()
        with pytest.raises(signatures.WrongProof):
            sign(staff.dana, staff.denver, signer=staff.nina)
        assert not Signature.objects.exists()

    @pytest.mark.parametrize(
        ("by", "signer", "purpose"),
        [
            # A patient who names a clinician, or one of another patient.
            ("pat_user", "dana", Purpose.OVERRIDE), ("pat_user", "dana", Purpose.CONSENT), ("pat_user", "quinn_user", Purpose.CONSENT),
            # A patient's own name under what only staff sign, and a clinician's under what only patients do.
            ("pat_user", "pat_user", Purpose.OVERRIDE), ("pat_user", "pat_user", Purpose.POLICY),
            ("pat_user", "pat_user", Purpose.CONSENT_WITNESS), ("dana", "dana", Purpose.CONSENT),
            ("dana", "pat_user", Purpose.DISPOSITION),
            # Somebody of another location, as the one who signs and as the one who is signed in.
            ("dana", "omar", Purpose.OVERRIDE), ("omar", "omar", Purpose.OVERRIDE), ("olga", "dana", Purpose.OVERRIDE),
            ("omar", "pat_user", Purpose.CONSENT),
            # Nobody.
            ("dana", "sam", Purpose.OVERRIDE), ("sam", "sam", Purpose.OVERRIDE),
        ],
    )  # fmt: skip
    def test_who_does_not_sign_here(self, staff: Cast, by: str, signer: str, purpose: Purpose) -> None:
        """Security D9, whatever they show."""
        make.make_secrets(staff.omar)
        who = getattr(staff, signer)
        code = mailed(who) if who.is_patient else ""
        with pytest.raises(signatures.NotAllowedToSign):
            sign(getattr(staff, by), staff.denver, signer=who, purpose=purpose, proof=shown(code))
        assert not Signature.objects.exists()

    def test_who_left_signs_no_more(self, staff: Cast) -> None:
        people.leave(by=staff.ada, person=staff.nina, now=make.NOON)
        with pytest.raises(signatures.NotAllowedToSign):
            sign(staff.dana, staff.denver, signer=staff.nina)

    def test_on_a_screen_of_the_location(self, staff: Cast) -> None:
        tablets = [
            EnrolledDevice.objects.create(
                location=place, kind="kiosk", name=name, credential_hash=name, enrolled_by=staff.ada, enrolled_at=make.NOON,
                revoked_at=make.NOON if name == "gone" else None, revoked_by=staff.ada if name == "gone" else None,
            )
            for place, name in ((staff.phoenix, "there"), (staff.denver, "gone"), (staff.denver, "here"))
        ]  # fmt: skip
        for tablet in tablets[:2]:
            with pytest.raises(signatures.NotAllowedToSign):
                sign(staff.dana, staff.denver, device=tablet)
        assert sign(staff.dana, staff.denver, device=tablets[2]).device == tablets[2]


class TestPatient:
    def test_signs_with_the_code_of_the_letter(self, staff: Cast) -> None:
        code = mailed(staff.pat_user)
        message = OutboundMessage.objects.get(kind="signing_code")
        assert (message.address, message.is_urgent, message.recipient_id) == (staff.pat_user.email, True, staff.pat.pk)
        assert message.useful_until == make.NOON + timedelta(minutes=10)
        assert letters.revealing_words(letters.render(message).text) == []
        assert code.replace("-", "") not in SigningCode.objects.get().code_hash
        signature = consent(staff.pat_user, staff.denver, code.lower().replace("-", " "))
        assert (signature.method, signature.role) == ("mailed_code", "")
        assert AuditEvent.objects.get(verb="signature.made").patient_id == staff.pat.pk

    def test_on_the_screen_of_somebody_of_the_location(self, staff: Cast) -> None:
        signatures.mail_code(by=staff.frida, signer=staff.pat_user, now=make.NOON)
        code = mailed(staff.pat_user)
        assert consent(staff.pat_user, staff.denver, code, by=staff.frida).beside == staff.frida

    @pytest.mark.parametrize(
        "case", ["used", "late", "older", "another's", "another's purpose", "none asked for", "empty"]
    )
    def test_no_other_code_will_do(self, staff: Cast, case: str) -> None:
        pat, now = staff.pat_user, make.NOON
        code = "" if case == "none asked for" else mailed(pat)
        if case == "used":
            consent(pat, staff.denver, code)
        elif case == "late":
            now += timedelta(minutes=10)
        elif case == "older":
            mailed(pat, now + timedelta(seconds=1))
        elif case == "another's":
            SigningCode.objects.all().delete()
            code = mailed(staff.quinn_user)
            mailed(pat, now + timedelta(seconds=1))
        elif case == "another's purpose":
            SigningCode.objects.update(purpose=Purpose.POLICY)
        elif case == "empty":
            code = ""
        with pytest.raises(signatures.WrongCode, match="Ask for a new code"):
            consent(pat, staff.denver, code, now=now, subject_id=new_id())

    def test_a_code_lives_on_when_what_it_signed_for_is_undone(self, staff: Cast) -> None:
        code = mailed(staff.pat_user)
        with transaction.atomic():
            consent(staff.pat_user, staff.denver, code)
            transaction.set_rollback(True)
        assert consent(staff.pat_user, staff.denver, code).pk

    @pytest.mark.parametrize(
        ("by", "signer"), [("dana", "dana"), ("dana", "nina"), ("pat_user", "quinn_user"), ("sam", "sam")]
    )
    def test_codes_are_mailed_to_patients_only(self, staff: Cast, by: str, signer: str) -> None:
        with pytest.raises(signatures.NotAllowedToSign):
            signatures.mail_code(by=getattr(staff, by), signer=getattr(staff, signer), now=make.NOON)
        assert not OutboundMessage.objects.filter(kind="signing_code").exists()

    def test_a_few_letters_and_no_more(self, staff: Cast) -> None:
        for _n in range(5):
            signatures.mail_code(by=staff.pat_user, now=make.NOON)
        with pytest.raises(signatures.TooManyTries):
            signatures.mail_code(by=staff.pat_user, now=make.NOON)


class TestBruteForce:
    """Security D19."""

    def test_five_wrong_ones_and_then_not_even_the_right_one(self, staff: Cast) -> None:
        for _n in range(5):
            with pytest.raises(signatures.WrongProof):
                sign(staff.dana, staff.denver, proof=shown("000000"))
        for by in (staff.dana, staff.nina):
            with pytest.raises(signatures.TooManyTries, match="Wait five minutes"):
                sign(by, staff.denver, signer=staff.dana)
        assert sign(staff.nina, staff.denver).pk, "her colleague still signs"
        later = make.NOON + timedelta(minutes=5)
        with time_machine.travel(later, tick=False):
            assert sign(staff.dana, staff.denver, now=later).pk

    def test_one_session_does_not_try_everybody(self, staff: Cast) -> None:
        make.make_secrets(staff.theo)
        tried = [staff.dana] * 4 + [staff.theo] * 4 + [staff.frida] * 2
        for who in tried:
            with pytest.raises(signatures.WrongProof):
                sign(staff.nina, staff.denver, signer=who, proof=shown("000000"))
        with pytest.raises(signatures.TooManyTries):
            sign(staff.nina, staff.denver)

    def test_right_ones_count_for_nothing(self, staff: Cast) -> None:
        for n in range(12):
            with time_machine.travel(make.NOON + timedelta(seconds=30 * n), tick=False):
                assert sign(staff.dana, staff.denver, subject_id=new_id()).pk, f"the {n + 1}th in six minutes"

    def test_patients_codes_too(self, staff: Cast) -> None:
        code = mailed(staff.pat_user)
        for _n in range(5):
            with pytest.raises(signatures.WrongCode):
                consent(staff.pat_user, staff.denver, "BBB-BBB")
        with pytest.raises(signatures.TooManyTries):
            consent(staff.pat_user, staff.denver, code)

    def test_a_refused_one_is_written_though_its_transaction_is_undone(self, staff: Cast) -> None:
        with audit.writes_afterwards():
            for proof in (shown("918273"), shown(password="wrong")):
                with pytest.raises(signatures.WrongProof), transaction.atomic():
                    sign(staff.dana, staff.denver, signer=staff.nina, proof=proof)
            assert not AuditEvent.objects.filter(verb="signature.refused").exists()
        rows = AuditEvent.objects.filter(verb="signature.refused")
        assert [(row.actor_id, row.subject_id, row.outcome) for row in rows] == [
            (staff.dana.pk, staff.nina.pk, "refused")
        ] * 2
        assert rows[0].details == {
            "purpose": "override", "how": "proof", "about": "screeningflag", "subject": str(uuid.UUID(int=7)),
        }  # fmt: skip
        assert not any(secret in str(row.details) for row in rows for secret in (make.PASSWORD, "918273"))

    def test_too_many_are_written_once_though_their_transaction_is_undone(self, staff: Cast) -> None:
        with audit.writes_afterwards():
            for n in range(8):
                refused = signatures.WrongProof if n < 5 else signatures.TooManyTries
                with pytest.raises(refused), transaction.atomic():
                    sign(staff.dana, staff.denver, signer=staff.nina, proof=shown("918273"))
        rows = AuditEvent.objects.filter(verb="signature.refused", actor_id=staff.dana.pk, subject_id=staff.nina.pk)
        assert [row.details["how"] for row in rows.order_by("id")] == ["proof"] * 5 + ["too_many"]
        assert "918273" not in str(rows.values_list("details"))

    def test_a_stranger_without_a_password_takes_as_long(self, staff: Cast) -> None:
        """Whoever has no password is hashed for like everybody: Django does it, and this notices if it stops."""
        with (
            mock.patch("django.contrib.auth.hashers.make_password", return_value="x") as hashed,
            pytest.raises(signatures.WrongProof),
        ):
            sign(staff.dana, staff.denver, signer=staff.theo)
        assert hashed.called


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Security D24: one code, twenty threads, one signature."""

    def at_once(self, act: Callable[[], object]) -> list[object]:
        start, outcomes = threading.Barrier(20), []

        def run() -> None:
            try:
                start.wait(10)
                outcomes.append(act())
            except Exception as error:
                outcomes.append(type(error))
            finally:
                connection.close()

        threads = [threading.Thread(target=run) for _n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return outcomes

    @pytest.mark.parametrize("way", ["app", "recovery", "letter"])
    def test_one_code_signs_once(self, way: str, now: datetime) -> None:
        # The clock stands still: a code of the app is good for half a minute, which twenty threads can outlast.
        cast = make_cast()
        make.make_secrets(cast.dana)
        if way == "letter":
            code = mailed(cast.pat_user)
        elif way == "recovery":
            code = RecoveryCodes(Authenticator.objects.get(user=cast.dana, type="recovery_codes")).get_unused_codes()[0]
        else:
            code = make.app_code()

        def act() -> Signature:
            if way == "letter":
                return consent(cast.pat_user, cast.denver, code, subject_id=new_id())
            return sign(cast.dana, cast.denver, proof=shown(code), subject_id=new_id())

        # Twenty at once are more than may try; what is asked here is whether two of them get through.
        with mock.patch.dict(signatures.MOST_WRONG, {"sign-as": 100, "sign-beside": 100}):
            outcomes = self.at_once(act)
        assert len(outcomes) == 20
        assert sum(isinstance(outcome, Signature) for outcome in outcomes) == 1, outcomes
        assert Signature.objects.count() == 1


class TestFields:
    def test_one_choice_among_those_allowed(self, staff: Cast) -> None:
        given = {"signer": str(staff.nina.pk), "password": " pass word ", "code": "123456"}
        form = SignatureFields(given, signers=[staff.nina, staff.nils])
        assert form.is_valid()
        assert (form.chosen_signer(), form.proof()) == (staff.nina, Proof(password=" pass word ", code="123456"))
        for other in (str(staff.omar.pk), "", "x"):
            assert "signer" in SignatureFields({**given, "signer": other}, signers=[staff.nina]).errors

    def test_who_signs_alone_is_not_asked_who_they_are(self, staff: Cast) -> None:
        form = SignatureFields({"signer": str(staff.nina.pk), "password": "x", "code": "1"}, signer=staff.dana)
        assert form.is_valid()
        assert form.chosen_signer() == staff.dana

    def test_secrets_do_not_come_back(self, staff: Cast) -> None:
        form = SignatureFields({"password": "hunter2", "code": "493017"}, signer=staff.dana)
        assert "493017" not in form.as_p()
        assert "hunter2" not in form.as_p()
        assert "hunter2" not in repr(form.is_valid() and form.proof())

    def test_a_patient_is_asked_for_the_code_alone(self, staff: Cast) -> None:
        assert list(SignatureFields(signer=staff.pat_user).fields) == ["code"]

    def test_the_demo_says_what_to_enter(self, staff: Cast) -> None:
        with override_settings(DEMO_MODE=True):
            assert sign(staff.theo, staff.denver, proof=signatures.DEMO_PROOF).pk
            assert SignatureFields(signer=staff.theo).is_demo
            assert consent(staff.pat_user, staff.denver, signatures.DEMO_PROOF.code).pk, (
                "patients are asked for a code alone"
            )
        with pytest.raises(signatures.WrongProof):
            sign(staff.theo, staff.denver, proof=signatures.DEMO_PROOF, subject_id=new_id())


class TestMailSigningCode:
    def test_a_page_and_its_part(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client, url = signed_in(cast.pat_user), reverse("clinic:mail_signing_code")
        with mock.patch("clinic.poke.post_office"):
            assert client.get(url).status_code == 200
            assert not OutboundMessage.objects.filter(kind="signing_code").exists()
            page = client.post(url).content.decode()
            part = client.post(url, headers={"HX-Request": "true"}).content.decode()
            assert OutboundMessage.objects.filter(kind="signing_code", address=cast.pat_user.email).count() == 2
            assert "Close this page" in page
            assert "Send another" in part
            assert "<html" not in part
            statuses = [client.post(url).status_code for _n in range(4)]
        assert statuses == [200, 200, 200, 422]

    def test_staff_get_none(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        assert signed_in(cast.dana).post(reverse("clinic:mail_signing_code")).status_code == 403
