"""Coming in and going out: allauth's views with our policies on them, the demo's cast, and one's own sessions.

Each of allauth's views is wrapped one by one: a view that is not here is not served (the reasons are in
clinic.accounts.THIRD_PARTY_URLS).
"""

import dataclasses
import functools
import uuid
from collections.abc import Callable
from typing import Any

from allauth.account import views as account_views
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.mfa.base import views as mfa_views
from allauth.mfa.recovery_codes import views as recovery_views
from allauth.mfa.totp import views as totp_views
from allauth.mfa.webauthn import views as webauthn_views
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from redis.exceptions import RedisError

from clinic import keptforms, localtime, sessionlife, tokens
from clinic.access import GET, GET_POST, POST, Permission, public_view, signed_in_view, staff_view
from clinic.accounts import THIRD_PARTY_URLS, device_text, live_sessions
from clinic.actions import invitations, people
from clinic.errors import Refused
from clinic.forms import words
from clinic.forms.accounts import JoinForm
from clinic.homelocation import location_of
from clinic.http import UNPROCESSABLE, OurRequest, answer, go, go_to
from clinic.models import Membership, Role, StaffInvitation, User

View = Callable[..., HttpResponseBase]

# The cast's addresses end in a name that no real person can have (RFC 2606).
DEMO_DOMAIN = ".example"
PATIENTS_IN_CAST = 3

WHAT_I_DO: dict[str, Any] = {
    Role.FRONT_DESK: gettext_lazy("Answers enquiries, books visits, checks people in."),
    Role.MONITOR: gettext_lazy("Watches over the room while somebody is under effect."),
    Role.NURSE: gettext_lazy("Takes vitals, gives doses, sees people home."),
    Role.THERAPIST: gettext_lazy("Prepares, sits beside, and follows up."),
    Role.PRESCRIBER: gettext_lazy("Assesses, clears and prescribes."),
    Role.MANAGER: gettext_lazy("Runs the place: people, rooms, hours. Reads no charts."),
    Role.PRIVACY_OFFICER: gettext_lazy("Reads the audit and reviews emergency openings."),
    User.Kind.PATIENT: gettext_lazy("Sees the next visit and what to bring."),
}


def _layout(request: HttpRequest) -> str:
    """Return the frame for pages about one's own account; a bare one until staff have their second factor."""
    user = request.user
    if not isinstance(user, User):
        return "layouts/public.html"
    if user.is_patient:
        return "layouts/portal.html"
    fenced = not settings.DEMO_MODE and not request.session.get("second_factor")
    return "layouts/public.html" if fenced else "layouts/staff.html"


def _in_our_manner(context: dict[str, Any]) -> None:
    """Give allauth's forms our words for what is wrong, and take off placeholders: the label above stays when one types."""
    for value in context.values():
        if isinstance(value, BaseForm):
            if value.is_bound:
                words.reword(value)
            for field in value.fields.values():
                field.widget.attrs.pop("placeholder", None)


def _theirs(view: View) -> View:
    """Return allauth's view as we serve it: our frame, 422 for a refused form, no entry while nobody counts attempts."""

    @functools.wraps(view)
    def served(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except RedisError:
            # Limits live in Redis. Letting people try without a limit would be worse than asking them to wait.
            return render(request, "account/sign_in_away.html", status=503)
        if isinstance(response, TemplateResponse):
            response.context_data = {
                **(response.context_data or {}), "layout": _layout(request), "kept_waits": keptforms.waits(request),
            }  # fmt: skip
            _in_our_manner(response.context_data)
            if request.method == "POST" and response.status_code == 200:
                response.status_code = UNPROCESSABLE
        return response

    return served


def _public(name: str, view: View, methods: tuple[str, ...] = GET_POST) -> View:
    return public_view(because=THIRD_PARTY_URLS[name], methods=methods)(_theirs(view))


def _signed_in(name: str, view: View, methods: tuple[str, ...] = GET_POST) -> View:
    return signed_in_view(because=THIRD_PARTY_URLS[name], methods=methods)(_theirs(view))


def _staff(view: View, methods: tuple[str, ...] = GET_POST) -> View:
    return staff_view(Permission.STAFF, methods=methods)(_theirs(view))


def _cast() -> list[dict[str, Any]]:
    """Return who may be played in the demo, front desk first: everybody of the staff, and a few patients."""
    order = list(WHAT_I_DO)
    cast: dict[uuid.UUID, tuple[int, User, Any, Any]] = {}
    held = Membership.objects.live().filter(user__is_active=True, user__email__endswith=DEMO_DOMAIN)
    rows = held.select_related("user", "location")
    # Whoever plays two parts from the same day is known by the one that stands first here.
    for membership in sorted(rows, key=lambda row: (row.location.name, row.started_at, order.index(row.role))):
        role = Role(membership.role)
        cast.setdefault(membership.user_id, (order.index(role), membership.user, role.label, WHAT_I_DO[role]))
    kind = User.Kind.PATIENT
    patients = User.objects.filter(is_active=True, email__endswith=DEMO_DOMAIN, kind=kind)
    for user in patients.order_by("created_at", "name")[:PATIENTS_IN_CAST]:
        cast[user.pk] = (order.index(kind), user, kind.label, WHAT_I_DO[kind])
    return [
        {"id": str(user.pk), "name": user.name, "short_name": user.short_name, "initials": user.initials, "role": role,
         "line": line}
        for _place, user, role, line in sorted(cast.values(), key=lambda row: (row[0], row[1].name))
    ]  # fmt: skip


@functools.wraps(account_views.login)
def _login(request: HttpRequest) -> HttpResponseBase:
    response: HttpResponseBase = account_views.login(request)
    if isinstance(response, TemplateResponse):
        cast = _cast() if settings.DEMO_MODE else []
        response.context_data = {**(response.context_data or {}), "demo_cast": cast}
    return response


@functools.wraps(account_views.password_change)
def _password_change(request: HttpRequest) -> HttpResponseBase:
    """Send whoever has no password yet (the demo's cast) to the letter that sets one."""
    user = request.user
    if isinstance(user, User) and not user.has_usable_password():
        return HttpResponseRedirect(reverse("account_reset_password"))
    response: HttpResponseBase = account_views.password_change(request)
    return response


@functools.wraps(webauthn_views.add_webauthn)
def _add_webauthn(request: HttpRequest) -> HttpResponseBase:
    """Spare patients the recovery codes: their passkey stands beside the code by e-mail and locks nothing."""
    response: HttpResponseBase = webauthn_views.add_webauthn(request)
    user = request.user
    if (
        isinstance(user, User)
        and user.is_patient
        and response.headers.get("Location") == reverse("mfa_view_recovery_codes")
    ):
        return HttpResponseRedirect(reverse("mfa_list_webauthn"))
    return response


account_login = _public("account_login", _login)
account_logout = _public("account_logout", account_views.logout)
account_signup = _public("account_signup", account_views.signup, GET)
account_inactive = _public("account_inactive", account_views.account_inactive, GET)
account_request_login_code = _public("account_request_login_code", account_views.request_login_code)
account_confirm_login_code = _public("account_confirm_login_code", account_views.confirm_login_code)
account_reset_password = _public("account_reset_password", account_views.password_reset)
account_reset_password_done = _public("account_reset_password_done", account_views.password_reset_done, GET)
account_reset_password_from_key = _public("account_reset_password_from_key", account_views.password_reset_from_key)
account_reset_password_from_key_done = _public(
    "account_reset_password_from_key_done", account_views.password_reset_from_key_done, GET
)
account_reauthenticate = _staff(account_views.reauthenticate)
account_change_password = _staff(_password_change)
mfa_authenticate = _public("mfa_authenticate", mfa_views.authenticate)
mfa_login_webauthn = _public("mfa_login_webauthn", webauthn_views.login_webauthn)
mfa_reauthenticate = _signed_in("mfa_reauthenticate", mfa_views.reauthenticate)
mfa_reauthenticate_webauthn = _signed_in("mfa_reauthenticate_webauthn", webauthn_views.reauthenticate_webauthn)
mfa_index = _signed_in("mfa_index", mfa_views.index, GET)
mfa_activate_totp = _staff(totp_views.activate_totp)
mfa_deactivate_totp = _staff(totp_views.deactivate_totp)
mfa_view_recovery_codes = _staff(recovery_views.view_recovery_codes, GET)
mfa_generate_recovery_codes = _staff(recovery_views.generate_recovery_codes)
mfa_download_recovery_codes = _staff(recovery_views.download_recovery_codes, GET)
mfa_list_webauthn = _signed_in("mfa_list_webauthn", webauthn_views.list_webauthn, GET)
mfa_add_webauthn = _signed_in("mfa_add_webauthn", _add_webauthn)
mfa_edit_webauthn = _signed_in("mfa_edit_webauthn", webauthn_views.edit_webauthn)
mfa_remove_webauthn = _signed_in("mfa_remove_webauthn", webauthn_views.remove_webauthn)


@public_view(
    because="The demo's cast is played without passwords; outside of the demo there is nothing here.", methods=POST
)
def continue_as(request: HttpRequest) -> HttpResponseBase:
    """Sign in as a member of the demo's cast. 404 outside demo mode, and for anybody who is not of the cast."""
    if not settings.DEMO_MODE:
        raise Http404
    try:
        wanted = uuid.UUID(request.POST.get("person", ""))
    except ValueError as error:
        raise Http404 from error
    cast = User.objects.filter(is_active=True, email__endswith=DEMO_DOMAIN).exclude(kind=User.Kind.SYSTEM)
    person = get_object_or_404(cast, pk=wanted)
    response: HttpResponseBase = perform_login(request, Login(user=person))
    return response


@public_view(
    because="Whoever was invited to the team sets up their account; the token of the letter is the key.",
    methods=GET_POST,
)
def join(request: OurRequest, token: str) -> HttpResponseBase:
    """Take the answer to a staff invitation, and let the new colleague in as far as setting up a second factor."""
    invitation = (
        StaffInvitation.objects.open(request.now)
        .select_related("location", "invited_by")
        .filter(token_hash=tokens.hash_of(token))
        .first()
    )
    if invitation is None:
        return answer(request, "clinic/_join_over.html", {"refusal": invitations.InvitationOver()}, status=404)
    form = JoinForm(request.POST or None, email=invitation.email, initial={"name": invitation.name})
    if request.method == "POST" and form.is_valid():
        name, password = form.cleaned_data["name"], form.cleaned_data["password"]
        try:
            user = invitations.join(by=None, token=token, name=name, password=password, now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            if request.user.is_authenticated:
                logout(request)
            record_authentication(request, user, method="password", email=user.email)
            response: HttpResponseBase = perform_login(request, Login(user=user))
            return response
    status = UNPROCESSABLE if form.is_bound else 200
    return answer(request, "clinic/join.html", {"form": form, "invitation": invitation}, status=status)


@signed_in_view(because="Everybody sees where they are signed in, staff and patients.")
def my_sessions(request: OurRequest) -> HttpResponse:
    """Return the page of one's own live sessions, the newest first."""
    user = _me(request)
    location = location_of(user)
    tz = localtime.zone(location.time_zone if location else "UTC")
    rows = [
        {
            "id": session.pk,
            "device": device_text(session.user_agent),
            "since": localtime.moment_text(session.created_at, tz),
            "address": session.ip,
            "is_current": session.session_key == request.session.session_key,
        }
        for session in live_sessions(user, request.now)
    ]
    has_others = any(not row["is_current"] for row in rows)
    context = {"sessions": rows, "has_others": has_others, "layout": _layout(request)}
    return answer(request, "clinic/my_sessions.html", context)


@signed_in_view(
    because="Everybody ends their own sessions, staff and patients; somebody else's are not found.", methods=POST
)
def end_session(request: OurRequest, session_id: int) -> HttpResponse:
    """End one of one's own sessions. 404 for anybody else's."""
    user = _me(request)
    session = get_object_or_404(live_sessions(user, request.now), pk=session_id)
    people.end_session(by=user, session=session, now=request.now)
    messages.success(request, _("Signed out there."))
    return go(request, "clinic:my_sessions")


@signed_in_view(because="Everybody ends their own sessions, staff and patients.", methods=POST)
def end_other_sessions(request: OurRequest) -> HttpResponse:
    """End all of one's own sessions but this one."""
    people.end_other_sessions(by=_me(request), keep=request.session.session_key or "", now=request.now)
    messages.success(request, _("Signed out everywhere else."))
    return go(request, "clinic:my_sessions")


@signed_in_view(because="The pages of whoever is signed in say here that somebody types, staff or patient.")
def still_here(request: OurRequest) -> JsonResponse:
    """Return how many seconds are left, counted from now: asking is a sign of life like opening a page.

    static/js/awake.js asks after real keys and touches, at most once a minute. A GET, because it does what every GET does.
    """
    return JsonResponse(dataclasses.asdict(sessionlife.left(request, _me(request))))


@signed_in_view(because="The pages of whoever is signed in ask here before they warn of the end.", is_poll=True)
def time_left(request: OurRequest) -> JsonResponse:
    """Return how many seconds are left. It keeps nothing alive: another page of the same person may have."""
    return JsonResponse(dataclasses.asdict(sessionlife.left(request, _me(request))))


@signed_in_view(because="Whoever was signed out while typing finds it here: staff and patients, their own only.")
def kept_form(request: OurRequest) -> HttpResponse:
    """Return the page for a kept form that has no page of its own; its frame shows what was typed."""
    return answer(request, "clinic/kept_form.html", {"layout": _layout(request), "kept": keptforms.of(request)})


@signed_in_view(because="Everybody throws away what is kept for them, staff and patients.", methods=POST)
def drop_kept_form(request: OurRequest) -> HttpResponse:
    """Throw away the form that is kept for this person, and go back to its page."""
    page = keptforms.way_back(request)
    if page:
        keptforms.drop(request)
        messages.success(request, _("Thrown away."))
    return go_to(request, page or reverse("clinic:home"))


def _me(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
