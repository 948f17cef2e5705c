"""The django-allauth adapters: nobody signs up alone, staff need a second factor, codes by e-mail are for patients.

What allauth has no setting for is decided here: who may come in by which way, that its letters leave by our post
office with neutral words, that its secrets are sealed, and that each step is audited. Its URLs are listed one by one in
``clinic/urls.py`` with the policy each wears (clinic/views/accounts.py); nothing of it is included wholesale.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from allauth.account import signals as account_signals
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.mfa import signals as mfa_signals
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic import audit, clock, keptforms, keyring, own_letters, poke, tokens
from clinic.actions import outbox
from clinic.homelocation import location_of, patient_behind
from clinic.http import go
from clinic.letters import UnknownLetter
from clinic.localtime import zone
from clinic.middleware import client_address
from clinic.models import AuditEvent, OutboundMessage, Outcome, User, new_id

# Every URL of allauth that we serve, and why. The rest (signing up, e-mail management, verification links, setting a
# first password) is not in clinic/urls.py at all.
THIRD_PARTY_URLS: dict[str, str] = {
    "account_login": "Staff sign in with e-mail and password; in demo mode the page shows the cast.",
    "account_logout": "Signing out, by POST; GET only asks.",
    "account_signup": "People type this address: a sentence says that one is invited. It takes no POST.",
    "account_inactive": "What somebody whose account was closed is told, after a correct password.",
    "account_reauthenticate": "Staff show their password again before they change how they sign in.",
    "account_change_password": "Staff change their password.",
    "account_reset_password": "Staff ask for a link to set a new password; the answer is the same for everybody.",
    "account_reset_password_done": "The neutral answer to that.",
    "account_reset_password_from_key": "The link of that letter. The second factor is still asked at the next sign-in.",
    "account_reset_password_from_key_done": "Says that the new password is set.",
    "account_request_login_code": "Patients ask for a code by e-mail; staff get the same answer and no code.",
    "account_confirm_login_code": "Patients enter the code: three attempts, ten minutes.",
    "mfa_authenticate": "Staff show their second factor while signing in.",
    "mfa_reauthenticate": "The second factor shown again before a change.",
    "mfa_index": "How I sign in: factors, passkeys, recovery codes.",
    "mfa_activate_totp": "Staff enrol an authenticator app.",
    "mfa_deactivate_totp": "Staff remove it; the next page asks them to enrol another factor.",
    "mfa_view_recovery_codes": "Staff read their recovery codes, after showing who they are.",
    "mfa_generate_recovery_codes": "Staff make new recovery codes.",
    "mfa_download_recovery_codes": "The same codes as a text file.",
    "mfa_list_webauthn": "My passkeys.",
    "mfa_add_webauthn": "Add a passkey, staff or patient.",
    "mfa_edit_webauthn": "Name a passkey of mine.",
    "mfa_remove_webauthn": "Remove a passkey of mine.",
    "mfa_login_webauthn": "Sign in with a passkey.",
    "mfa_reauthenticate_webauthn": "A passkey shown again before a change.",
}

# allauth's letters, and ours that stand for them.
_LETTERS = {
    "account/email/login_code": "sign_in_code",
    "account/email/password_reset_key": "password_reset",
}


def live_sessions(user: User, now: datetime) -> QuerySet[UserSession]:
    """Return the sessions of ``user`` that the server still knows, the newest first."""
    known = Session.objects.filter(expire_date__gt=now).values("session_key")
    sessions: QuerySet[UserSession] = UserSession.objects.filter(user_id=user.pk, session_key__in=known)
    return sessions.order_by("-created_at")


_BROWSERS = (("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"),
    ("CrOS", "Chromebook"), ("Linux", "Linux"),
)  # fmt: skip


def device_text(user_agent: str) -> str:
    """Return what a browser says it is in a few words, like "Firefox on Windows"."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return gettext("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or gettext("A device we do not recognise")


class SealedCode(str):
    """A sign-in code as allauth may put it away: a keyed hash, with the code itself beside it until the letter is queued.

    allauth keeps what it is given in the session, in Redis and in a table, for the code's ten minutes.
    """

    clear: str

    def __new__(cls, code: str) -> "SealedCode":
        sealed = super().__new__(cls, tokens.hash_of_code(code))
        sealed.clear = code
        return sealed


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _(
            "This e-mail and password do not belong together. Check both, or set a new password below."
        ),
        "too_many_login_attempts": _("That was tried too often. Wait five minutes, then try again."),
        "incorrect_code": _("That is not the code. Codes are used once and run out after a few minutes."),
        "incorrect_password": _("That is not your password."),
        "rate_limited": _("That was asked too often. Wait a few minutes, then try again."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: people come in by an invitation."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address limits and session lists go by: the same that the audit writes."""
        return client_address(request) or "0.0.0.0"  # a socket without an address: all such share one limit

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link of a password letter under our own name, whatever Host the request claimed."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.SITE_URL + path.replace("UID-KEY", key)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask again before changes, but not of somebody who has just signed in and has no factor yet to show.

        Nor in the minutes after enrolling: the recovery codes are shown then.
        """
        request, now = self.request, clock.now().timestamp()
        since = request.session.get("enrolled_at", 0)
        if not is_mfa_enabled(request.user):
            since = max(since, request.session.get("began_at", 0))
        if now - since < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def get_login_stages(self) -> list[str]:
        """Return allauth's stages with ours in place of its second factor."""
        ours = f"{SecondFactorStage.__module__}.{SecondFactorStage.__qualname__}"
        theirs = f"{AuthenticateStage.__module__}.{AuthenticateStage.__qualname__}"
        return [ours if stage == theirs else stage for stage in super().get_login_stages()]

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Refuse the ways in that are not this person's: staff by an e-mailed code, patients by a password.

        The forms refuse both before it comes to this; the lock is here too, because forms are replaced.
        """
        ways = {record["method"] for record in get_authentication_records(request, user)}
        if (
            (user.is_staff_member and "code" in ways)
            or (user.is_patient and "password" in ways)
            or not _is_person(user)
        ):
            refuse_sign_in(user, how="wrong_way")
            request.session.flush()
            return go(request, "account_login")
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def login(self, request: HttpRequest, user: User) -> None:
        """Start the session: a new id, a new clock, and its row in the audit."""
        ways = get_authentication_records(request, user)
        super().login(request, user)
        keptforms.claim(request, user)
        now = clock.now()
        request.session["began_at"] = request.session["seen_at"] = now.timestamp()
        key = request.session.session_key or ""
        audit.facts.set(
            dataclasses.replace(audit.facts.get(), session_hash=hashlib.sha256(key.encode()).hexdigest()[:16])
        )
        audit.record(
            user, audit.Verb.SIGNED_IN, user, now=now,
            details={"ways": [way.get("type") or way["method"] for way in ways]},
        )  # fmt: skip

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Return the page of the form that is kept for this person, else the front door."""
        return keptforms.way_back(request) or str(super().get_login_redirect_url(request))

    def logout(self, request: HttpRequest) -> None:
        if isinstance(request.user, User):
            audit.record(request.user, audit.Verb.SIGNED_OUT, request.user, now=clock.now())
        super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Audit a wrong password. Limits come before it, so that a flood of attempts is not a flood of rows."""
        known = User.objects.filter(email=str(credentials.get("email", "")).lower()).first()
        refuse_sign_in(known, how="password")

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Send the link to staff only: a patient has no password, and none can be given to them from outside.

        And to staff only while a second factor stands behind the password. Without one, whoever reads their mail could
        set a password and then a factor of their own; until they have enrolled, their invitation is the one way in.
        The founders' invitation is this very link, for as long as they have set no password by it.
        """
        if not user.is_staff_member:
            return
        if is_mfa_enabled(user) or not user.has_usable_password() or _was_vouched_for(user):
            super().send_password_reset_mail(user, email, context)

    def generate_login_code(self) -> str:
        """Return a sign-in code as the session keeps it: its letter alone has it in clear."""
        return SealedCode(super().generate_login_code())

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue allauth's letter as one of ours, urgent and sealed. Refuses a letter that we have no words for."""
        event = template_prefix.rsplit("/", 1)[-1]
        kind = _LETTERS.get(template_prefix) or ("security_notice" if event in own_letters.NOTICES else "")
        if not kind:
            raise UnknownLetter(template_prefix)
        user = User.objects.filter(email=email.lower(), is_active=True).first()
        if user is None:
            return
        secrets: dict[str, dict[str, Any]] = {
            "sign_in_code": {"code": getattr(context.get("code"), "clear", None)},
            "password_reset": {"url": context.get("password_reset_url")},
            "security_notice": {"event": event},
        }
        queue_security_letter(user, kind, secrets[kind])


class MFAAdapter(DefaultMFAAdapter):
    """How second factors are named, shown and kept."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("That is not the code. Wait for the next one in your app and enter it."),
    }

    def encrypt(self, text: str) -> str:
        return keyring.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return keyring.unseal(encrypted_text)

    def generate_authenticator_name(self, user: User, type: Any) -> str:  # allauth's name for it
        return str(_("Passkey"))


class SecondFactorStage(AuthenticateStage):
    """Staff show their second factor. A patient's passkey is another way in beside the code, not a second lock."""

    def _should_handle(self, request: HttpRequest) -> bool:
        user = self.login.user
        return isinstance(user, User) and user.is_staff_member and bool(super()._should_handle(request))


def _was_vouched_for(user: User) -> bool:
    """Return whether a manager, having checked who this is, lately took their factor off so that they can begin anew."""
    since = clock.now() - timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    resets = AuditEvent.objects.filter(verb=audit.Verb.SECOND_FACTOR_RESET, subject_type="user", subject_id=user.pk)
    return resets.filter(at__gte=since).exists()


def _is_person(user: User) -> bool:
    return user.is_staff_member or user.is_patient


def queue_security_letter(user: User, kind: str, secret: dict[str, Any]) -> OutboundMessage:
    """Queue a letter of ours about somebody's own sign-in, poke the post office, and return it.

    Each is a subject of its own, so that the rule "one letter a subject" never swallows a second code.
    """
    location, known, now = location_of(user), patient_behind(user), clock.now()
    kinds = OutboundMessage.RecipientKind
    message = outbox.queue(
        by=None,
        kind=kind,
        to=outbox.Recipient(
            kind=kinds.STAFF if user.is_staff_member else kinds.PATIENT,
            # A patient's letter is part of the patient's trail, which goes by the record and not by the sign-in.
            id=known.id if known else user.pk,
            address=user.email,
            tz=zone(location.time_zone if location else "UTC"),
        ),
        subject_type="user",
        subject_id=new_id(),
        now=now,
        useful_until=now + timedelta(seconds=settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT)
        if kind == "sign_in_code"
        else None,
        location_id=location.pk if location else None,
        secret=secret,
    )
    poke.post_office()
    return message


def refuse_sign_in(user: User | None, *, how: str) -> None:
    """Write that somebody did not get in. The person is named when the address is known, never the address."""
    audit.record(None, audit.Verb.SIGN_IN_FAILED, user, now=clock.now(), outcome=Outcome.REFUSED, details={"how": how})


def forget_second_factor(request: HttpRequest) -> None:
    """Have the next request ask again whether this person has a second factor (clinic.middleware remembers it)."""
    request.session.pop("second_factor", None)


def _code_rejected(*, user: User, last_attempt: bool, **kwargs: Any) -> None:
    refuse_sign_in(user, how="code")


def _factor_rejected(*, user: User, authenticator: Any, **kwargs: Any) -> None:
    refuse_sign_in(user, how=str(authenticator.type))


def _factor_changed(verb: audit.Verb) -> Callable[..., None]:
    def write(*, request: HttpRequest, user: User, authenticator: Any, **kwargs: Any) -> None:
        forget_second_factor(request)
        if verb == audit.Verb.SECOND_FACTOR_ADDED:
            request.session["enrolled_at"] = clock.now().timestamp()
        audit.record(user, verb, user, now=clock.now(), details={"type": str(authenticator.type)})

    return write


def _password_changed(*, user: User, **kwargs: Any) -> None:
    audit.record(user, audit.Verb.PASSWORD_CHANGED, user, now=clock.now())


_LISTENERS: tuple[tuple[Any, Callable[..., None]], ...] = (
    (account_signals.login_code_rejected, _code_rejected),
    (account_signals.password_changed, _password_changed),
    (account_signals.password_reset, _password_changed),
    (mfa_signals.authentication_failed, _factor_rejected),
    (mfa_signals.authenticator_added, _factor_changed(audit.Verb.SECOND_FACTOR_ADDED)),
    (mfa_signals.authenticator_reset, _factor_changed(audit.Verb.SECOND_FACTOR_ADDED)),
    (mfa_signals.authenticator_removed, _factor_changed(audit.Verb.SECOND_FACTOR_REMOVED)),
)


def listen() -> None:
    """Hear from allauth what it has no adapter hook for: wrong codes, and factors and passwords that changed.

    The only signals of the house: they are allauth's, and there is no other way to be told.
    """
    for signal, listener in _LISTENERS:
        signal.connect(listener, weak=False, dispatch_uid=f"{listener.__module__}.{listener.__qualname__}.{id(signal)}")
