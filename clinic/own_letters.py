"""The ground floor's own letters: ways in, notices about them, and invitations of staff.

Each carries what it needs sealed in ``message.secret``; none of them says more than that there is an account.
"""

import json
import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from clinic import keyring
from clinic.actions import pages
from clinic.letters import Letter, greeting_name, register, register_names
from clinic.models import Category, OutboundMessage, PageCall, StaffInvitation, User

# Minutes a sign-in code lasts, as settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT has it.
CODE_MINUTES = 10

# Notices about a change, told apart by the last part of the name allauth gives its own letter.
NOTICES: dict[str, Any] = {
    "password_changed": _("Your password was changed."),
    "password_reset": _("Your password was reset."),
    "totp_activated": _("An authenticator app was added to your account."),
    "totp_deactivated": _("The authenticator app was removed from your account."),
    "webauthn_added": _("A passkey was added to your account."),
    "webauthn_removed": _("A passkey was removed from your account."),
    "recovery_codes_generated": _("New recovery codes were made for your account."),
    "second_factor_reset": _("A manager removed the second factor of your account, so that you can set up a new one."),
}

NO_ACCOUNT = "account_closed"
INVITATION_OVER = "invitation_over"


def _nothing(_message: OutboundMessage) -> dict[str, Any]:
    """Return nothing: the templates read the letter's secret."""
    return {}


def _code(_message: OutboundMessage) -> dict[str, Any]:
    return {"minutes": CODE_MINUTES}


def _notice(message: OutboundMessage) -> dict[str, Any]:
    event = json.loads(keyring.unseal(message.secret))["event"] if message.secret else ""
    return {"what": NOTICES.get(event, _("How you sign in was changed."))}


def _account_open(message: OutboundMessage, _now: datetime) -> str:
    """Return why the letter should not go: its reader may not sign in any more."""
    open_still = User.objects.filter(is_active=True, email=message.address).exists()
    return "" if open_still else NO_ACCOUNT


def _invitation(message: OutboundMessage) -> dict[str, Any]:
    invitation = StaffInvitation.objects.select_related("invited_by").get(pk=message.subject_id)
    token = json.loads(keyring.unseal(message.secret))["token"]
    return {
        "called": invitation.name,
        "invited_by": greeting_name(invitation.invited_by.name) or _("A manager"),
        "url": settings.SITE_URL + reverse("clinic:join", args=[token]),
    }


def _invitation_open(message: OutboundMessage, now: datetime) -> str:
    """Return why the letter should not go: the invitation was withdrawn, used or has run out."""
    return "" if StaffInvitation.objects.open(now).filter(pk=message.subject_id).exists() else INVITATION_OVER


def _page(message: OutboundMessage) -> dict[str, Any]:
    call = PageCall.objects.select_related("user").get(pk=message.subject_id)
    url = settings.SITE_URL + reverse("clinic:page", kwargs={"page_id": call.page_id})
    return {"called": greeting_name(call.user.name), "url": url}


def _page_still_rings(message: OutboundMessage, _now: datetime) -> str:
    """Return why nobody needs to be called any more: somebody answered, or the reader works here no more."""
    call = PageCall.objects.select_related("page", "user").get(pk=message.subject_id)
    return pages.why_not(call.page, call.user)


def _page_not_sent(by: User, message: OutboundMessage, reason: str, now: datetime) -> None:
    pages.letter_not_sent(by=by, message=message, reason=reason, now=now)


def _staff_names(ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "name"))


def register_own() -> None:
    """Declare the ground floor's own letters, and that it knows the names of staff."""
    register_names(OutboundMessage.RecipientKind.STAFF, _staff_names)
    for kind, label, context, still_wanted, reasons in (
        ("sign_in_code", _("Sign-in code"), _code, _account_open, {NO_ACCOUNT: _("The account was closed.")}),
        ("signing_code", _("Code to sign with"), _code, _account_open, {NO_ACCOUNT: _("The account was closed.")}),
        ("password_reset", _("Link for a new password"), _nothing, _account_open, {NO_ACCOUNT: _("The account was closed.")}),
        ("security_notice", _("Notice about the account"), _notice, _account_open, {NO_ACCOUNT: _("The account was closed.")}),
        (
            "staff_invitation", _("Invitation to the team"), _invitation, _invitation_open,
            {
                INVITATION_OVER: _("The invitation was withdrawn, used or has run out."),
                "withdrawn": _("The invitation was withdrawn before the letter left."),
            },
        ),
    ):  # fmt: skip
        register(
            Letter(
                kind=kind,
                label=label,
                folder=f"clinic/letters/{kind}",
                category=Category.SECURITY,
                context=context,
                still_wanted=still_wanted,
                reasons=reasons,
            )
        )
    register(
        Letter(
            kind=pages.LETTER,
            label=_("Call about an alarm"),
            folder="clinic/letters/page",
            category=Category.STAFF_PAGE,
            context=_page,
            still_wanted=_page_still_rings,
            not_sent=_page_not_sent,
            in_trouble=_page_not_sent,
            reasons={
                pages.ANSWERED: _("Somebody had answered the call before this left."),
                pages.NOT_HERE: _("They no longer work here."),
            },
        )
    )
