"""Signatures: somebody shows again that it is them, and their name stands under exactly these words.

The proof is asked for at the moment of signing and belongs to the signer alone: staff show their password and a second
factor, patients the code of a letter. Whose session the screen belongs to is written beside it and proves nothing.
"""

import hashlib
import hmac
import secrets
import unicodedata
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import validate_totp_code
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

from clinic import audit, homelocation, throttle, tokens
from clinic.access import role_at
from clinic.actions import outbox
from clinic.errors import Refused, violated
from clinic.localtime import zone
from clinic.models import EnrolledDevice, Location, OutboundMessage, Outcome, Signature, SigningCode, User, new_id

CODE_LASTS = timedelta(minutes=10)
# Consonants that cannot be taken for one another: 20 of them, six times, and no word comes of it.
CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LENGTH = 6

# Wrong proofs in five minutes, as the settings have it for signing in: against one signer, from one session's person,
# and from one address, behind which a whole clinic may sit.
WINDOW_SECONDS = 300
MOST_WRONG = {"sign-as": 5, "sign-beside": 10, "sign-from": 30}
MOST_CODES = 5

# Only patients sign for themselves that they agree, and they sign nothing else.
BY_PATIENTS = frozenset({Signature.Purpose.CONSENT})


@dataclass(frozen=True)
class Proof:
    """What somebody shows to sign. ``code``: of the authenticator app, a recovery code, or of the letter to a patient."""

    password: str = field(default="", repr=False)
    code: str = field(default="", repr=False)


# Everybody may play anybody in the demo, where nobody has a password; production refuses to start in that mode.
DEMO_PROOF = Proof(password="demo", code="000000")


class WrongProof(Refused):
    """The password or the code does not belong to the signer. Which of the two is not said."""

    said = _(
        "Nothing was signed: the password or the code is not right. Each code signs once; wait for the next one in the app and enter both again."
    )

    def __init__(self) -> None:
        super().__init__(self.said)


class WrongCode(WrongProof):
    """The code is not the one of the last letter, was used, or is older than ten minutes."""

    said = _(
        "Nothing was signed: that is not the code of our last letter, or it is older than ten minutes. Ask for a new code and enter it here."
    )


class TooManyTries(Refused):
    """Too many wrong proofs, or too many letters with codes."""

    def __init__(self) -> None:
        super().__init__(_("That was tried too often. Nothing was signed. Wait five minutes, then try again."))


class NotAllowedToSign(Refused):
    """This person does not sign this here, whatever they show."""

    def __init__(self) -> None:
        super().__init__(
            _("This cannot be signed here by that person. Choose somebody of this location, or sign in yourself and sign then.")
        )  # fmt: skip


class NoFactorToSignWith(Refused):
    """A passkey opens the door but cannot be shown on this screen."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Signing asks for a code, and a passkey gives none. Add an authenticator app under “How I sign in” first."
            )
        )


class SigningAway(Refused):
    """What keeps a code from signing twice does not answer."""

    def __init__(self) -> None:
        super().__init__(
            _("Signing does not work at the moment. Nothing was signed. Please try again in a few minutes.")
        )


class AlreadySigned(Refused):
    """One person signs one text once."""

    def __init__(self) -> None:
        super().__init__(_("They have signed exactly this already. Reload the page to see it."))


def hash_of(content: str) -> str:
    """Return the SHA-256 of a text: its NFC form in UTF-8, so that one text typed in two ways is one text."""
    return hashlib.sha256(unicodedata.normalize("NFC", content).encode()).hexdigest()


def matches(signature: Signature, content: str) -> bool:
    """Return whether it is this text that was signed."""
    return hmac.compare_digest(signature.content_hash, hash_of(content))


@transaction.atomic
def sign(
    *,
    by: User,
    signer: User,
    proof: Proof,
    purpose: Signature.Purpose,
    subject_type: str,
    subject_id: uuid.UUID,
    content: str,
    location: Location,
    device: EnrolledDevice | None = None,
    patient_id: uuid.UUID | None = None,
    now: datetime,
) -> Signature:
    """Return the signature of ``signer`` under exactly ``content``, made in the session of ``by``.

    Refuses a signer who does not sign such a thing here, a wrong proof and too many of them (counted and audited even
    though what they were for is undone), and the same text twice. A code signs once.
    """
    signer = User.objects.get(pk=signer.pk)
    beside = None if by.pk == signer.pk else by
    _guard_allowed(by, signer, purpose, location, device, now)
    try:
        tries = _count_try(by, signer, now)
    except TooManyTries:
        # Once for each window: whoever hammers on fills no table.
        if throttle.allows("sign-told", f"{signer.pk}:{by.pk}", most=1, seconds=WINDOW_SECONDS, now=now):
            _audit_refusal(by, signer, purpose, subject_type, subject_id, location, "too_many", now)
        raise
    try:
        method = _prove(signer, proof, purpose, now)
    except WrongProof:
        _audit_refusal(by, signer, purpose, subject_type, subject_id, location, "proof", now)
        raise
    _give_back(tries, now)
    try:
        with transaction.atomic():
            signature = Signature.objects.create(
                signer=signer, role=role_at(signer, location.pk) if signer.is_staff_member else "", location=location,
                beside=beside, device=device, purpose=purpose, subject_type=subject_type, subject_id=subject_id,
                method=method, content_hash=hash_of(content), signed_at=now,
            )  # fmt: skip
    except IntegrityError as error:
        if violated(error) == "signature_once_a_text":
            raise AlreadySigned from error
        raise
    audit.record(
        signer, audit.Verb.SIGNED, signature, now=now, patient_id=patient_id or _patient_id(signer),
        details={"purpose": purpose, "method": method, "subject": str(subject_id), **_beside(beside)},
    )  # fmt: skip
    return signature


@transaction.atomic
def mail_code(
    *, by: User, now: datetime, signer: User | None = None, purpose: Signature.Purpose = Signature.Purpose.CONSENT
) -> None:
    """Mail ``signer``, ``by`` unless somebody else is named, a new code for one purpose; an earlier one stops working.

    Refuses whoever is no patient who may sign in, a patient's session that asks for somebody else, and too many letters.
    """
    signer = by if signer is None else User.objects.get(pk=signer.pk)
    mine = by.pk == signer.pk or by.is_staff_member
    if not (mine and signer.is_patient and signer.is_active and purpose in BY_PATIENTS):
        raise NotAllowedToSign
    if not throttle.allows("signing-code", str(signer.pk), most=MOST_CODES, seconds=2 * WINDOW_SECONDS, now=now):
        raise TooManyTries
    code = "".join(secrets.choice(CODE_LETTERS) for _letter in range(CODE_LENGTH))
    SigningCode.objects.update_or_create(
        user=signer, purpose=purpose,
        defaults={"code_hash": _code_hash(signer, purpose, code), "expires_at": now + CODE_LASTS, "used_at": None},
    )  # fmt: skip
    known, location = homelocation.patient_behind(signer), homelocation.location_of(signer)
    outbox.queue(
        by=by,
        kind="signing_code",
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=known.id if known else signer.pk, address=signer.email,
            tz=zone(location.time_zone if location else "UTC"),
        ),
        subject_type="user", subject_id=new_id(), now=now, useful_until=now + CODE_LASTS,
        location_id=location.pk if location else None, secret={"code": f"{code[:3]}-{code[3:]}"},
    )  # fmt: skip


def has_code_app(user: User) -> bool:
    """Return whether this member of staff has something that gives codes: an app, or recovery codes."""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
    return settings.DEMO_MODE or Authenticator.objects.filter(user=user, type__in=kinds).exists()


def _guard_allowed(
    by: User, signer: User, purpose: Signature.Purpose, location: Location, device: EnrolledDevice | None, now: datetime
) -> None:
    """Refuse who does not sign this here: staff of the location sign for staff, patients only that they agree.

    On a patient's session nobody else signs: it is how a patient would put a clinician's name under something.
    """
    works_here = User.objects.staff().working_at(location.pk)
    here = set(works_here.filter(pk__in={by.pk, signer.pk}).values_list("pk", flat=True))
    if signer.is_patient:
        may = signer.is_active and purpose in BY_PATIENTS and (by.pk == signer.pk or by.pk in here)
    else:
        may = purpose not in BY_PATIENTS and {by.pk, signer.pk} <= here
    if device is not None and (device.location_id != location.pk or device.revoked_at is not None):
        may = False
    if not may:
        _audit_refusal(by, signer, purpose, "user", signer.pk, location, "not_allowed", now)
        raise NotAllowedToSign


def _prove(signer: User, proof: Proof, purpose: Signature.Purpose, now: datetime) -> Signature.Method:
    """Return how ``signer`` was made sure of. Refuses anything but their own password and code."""
    methods = Signature.Method
    # A patient's page asks for no password.
    needed = Proof(password="", code=DEMO_PROOF.code) if signer.is_patient and not proof.password else DEMO_PROOF
    if settings.DEMO_MODE and proof == needed:
        return methods.MAILED_CODE if signer.is_patient else methods.PASSWORD_AND_FACTOR
    if signer.is_staff_member:
        _prove_staff(signer, proof)
        return methods.PASSWORD_AND_FACTOR
    if signer.has_usable_password() and proof.password:
        if not signer.check_password(proof.password):
            raise WrongProof
        return methods.PASSWORD
    _use_code(signer, proof.code, purpose, now)
    return methods.MAILED_CODE


def _prove_staff(signer: User, proof: Proof) -> None:
    """Check the password, then the code, and use the code up.

    A wrong password costs no code, and as much time as a right one: Django hashes something for an account without a
    password, and the code is compared with the app's in any case.
    """
    factors = {one.type: one for one in Authenticator.objects.filter(user=signer)}
    app = factors.get(Authenticator.Type.TOTP)
    recovery = factors.get(Authenticator.Type.RECOVERY_CODES)
    code = "".join(proof.code.split())
    if not signer.check_password(proof.password):
        validate_totp_code(_NOBODYS_SECRET, code)
        raise WrongProof
    if app is None and recovery is None:
        raise NoFactorToSignWith
    try:
        fits = any(factor.wrap().validate_code(code) for factor in (app, recovery) if factor is not None)
    except RedisError as error:
        raise SigningAway from error
    if not fits:
        raise WrongProof


# Compared with when the password is wrong, so that this takes no less time.
_NOBODYS_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def _use_code(signer: User, code: str, purpose: Signature.Purpose, now: datetime) -> None:
    """Use up the code of the last letter. The row's lock lets one of many at once have it."""
    row = SigningCode.objects.select_for_update(no_key=True).filter(user=signer, purpose=purpose).first()
    wanted = row.code_hash if row is not None and row.used_at is None and now < row.expires_at else ""
    if row is None or not hmac.compare_digest(wanted, _code_hash(signer, purpose, code)):
        raise WrongCode
    row.used_at = now
    row.save(update_fields=["used_at"])


def _code_hash(signer: User, purpose: Signature.Purpose, code: str) -> str:
    """Return what is kept of a code: bound to the person and the purpose, so that it opens nothing else."""
    return tokens.hash_of_code(f"{signer.pk}{purpose}{code}")


Tries = list[tuple[str, str]]


def _count_try(by: User, signer: User, now: datetime) -> Tries:
    """Count one try against the signer, the session's person and the address. Refuses when any had too many.

    Counted before the proof is looked at, so that many at once gain nothing, and given back when it was right.
    """
    who = {"sign-as": str(signer.pk), "sign-beside": str(by.pk), "sign-from": audit.facts.get().address or ""}
    tries = [(what, name) for what, name in who.items() if name]
    fine = [throttle.allows(what, name, most=MOST_WRONG[what], seconds=WINDOW_SECONDS, now=now) for what, name in tries]
    if not all(fine):
        raise TooManyTries
    return tries


def _give_back(tries: Tries, now: datetime) -> None:
    for what, name in tries:
        throttle.give_back(what, name, seconds=WINDOW_SECONDS, now=now)


def _audit_refusal(
    by: User,
    signer: User,
    purpose: Signature.Purpose,
    subject_type: str,
    subject_id: uuid.UUID,
    location: Location,
    how: str,
    now: datetime,
) -> None:
    """Write that somebody did not sign, after the refusal has undone what it was to be signed for."""
    audit.record_afterwards(
        by, audit.Verb.SIGNATURE_REFUSED, signer, now=now, location_id=location.pk, patient_id=_patient_id(signer),
        outcome=Outcome.REFUSED,
        details={"purpose": purpose, "how": how, "about": subject_type, "subject": str(subject_id)},
    )  # fmt: skip


def _patient_id(signer: User) -> uuid.UUID | None:
    known = homelocation.patient_behind(signer)
    return known.id if known else None


def _beside(beside: User | None) -> dict[str, str]:
    return {"beside": str(beside.pk)} if beside else {}
