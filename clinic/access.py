"""May a person of this kind do this kind of thing? One enum, one table, and the decorators every view wears.

The table follows domain.md 9.3 and is printed to docs/access.md; a test compares the two. A permission is always held
*somewhere*: ``locations_where`` says at which locations, and doors and querysets ask it at the record's location.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Concatenate, Literal, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.utils.translation import gettext_lazy as _

from clinic.http import PortalRequest, StaffRequest, redirect_whole_page
from clinic.models import CLINICIANS, Membership, Role, User

P = ParamSpec("P")


class Permission(StrEnum):
    """Everything a member of staff may be allowed to do: ``resource:action``, in alphabetical order."""

    APPOINTMENT_BOOK = "appointment:book"
    APPOINTMENT_CHECK_IN = "appointment:check_in"
    APPOINTMENT_READ = "appointment:read"
    AUDIT_READ = "audit:read"
    BREAK_GLASS = "break_glass:use"
    BREAK_GLASS_REVIEW = "break_glass:review"
    CARE_TEAM_MANAGE = "care_team:manage"
    CHART_READ = "chart:read"
    DEVICE_MANAGE = "device:manage"
    HOURS_MANAGE = "hours:manage"
    MESSAGE_READ = "message:read"
    MESSAGE_SETTLE = "message:settle"
    PATIENT_CORRECT_DEATH = "patient:correct_death"
    PATIENT_READ = "patient:read"
    PATIENT_WRITE = "patient:write"
    PEOPLE_MANAGE = "people:manage"
    PLACES_MANAGE = "places:manage"
    POLICY_READ = "policy:read"
    REFERRAL_MANAGE = "referral:manage"
    REFERRAL_READ = "referral:read"
    STAFF = "staff:be"
    WORK_ITEM_CLOSE = "work_item:close"


_EVERYBODY = frozenset(
    {Permission.STAFF, Permission.PATIENT_READ, Permission.APPOINTMENT_READ, Permission.WORK_ITEM_CLOSE}
)

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.FRONT_DESK: _EVERYBODY
    | {
        Permission.APPOINTMENT_BOOK,
        Permission.APPOINTMENT_CHECK_IN,
        Permission.MESSAGE_READ,
        Permission.MESSAGE_SETTLE,
        Permission.PATIENT_WRITE,
        Permission.REFERRAL_MANAGE,
        Permission.REFERRAL_READ,
    },
    Role.MONITOR: _EVERYBODY | {Permission.APPOINTMENT_CHECK_IN, Permission.BREAK_GLASS, Permission.CHART_READ},
    Role.NURSE: _EVERYBODY
    | {
        Permission.APPOINTMENT_BOOK,
        Permission.APPOINTMENT_CHECK_IN,
        Permission.BREAK_GLASS,
        Permission.CHART_READ,
        Permission.MESSAGE_READ,
        Permission.POLICY_READ,
    },
    Role.THERAPIST: _EVERYBODY
    | {
        Permission.APPOINTMENT_BOOK,
        Permission.BREAK_GLASS,
        Permission.CARE_TEAM_MANAGE,
        Permission.CHART_READ,
        Permission.MESSAGE_READ,
        Permission.POLICY_READ,
    },
    Role.PRESCRIBER: _EVERYBODY
    | {
        Permission.APPOINTMENT_BOOK,
        Permission.BREAK_GLASS,
        Permission.CARE_TEAM_MANAGE,
        Permission.CHART_READ,
        Permission.MESSAGE_READ,
        Permission.POLICY_READ,
        Permission.REFERRAL_READ,
    },
    Role.MANAGER: _EVERYBODY
    | {
        Permission.CARE_TEAM_MANAGE,
        Permission.DEVICE_MANAGE,
        Permission.HOURS_MANAGE,
        Permission.MESSAGE_READ,
        Permission.PATIENT_CORRECT_DEATH,
        Permission.PEOPLE_MANAGE,
        Permission.PLACES_MANAGE,
        Permission.POLICY_READ,
        Permission.REFERRAL_READ,
    },
    Role.PRIVACY_OFFICER: _EVERYBODY
    | {Permission.AUDIT_READ, Permission.BREAK_GLASS, Permission.BREAK_GLASS_REVIEW, Permission.CHART_READ},
}

# Held at the location *and* through a care team or an emergency grant.
CARE_TEAM_PERMISSIONS = frozenset({Permission.CHART_READ})


def memberships_of(user: User) -> tuple[Membership, ...]:
    """Return the live memberships of ``user`` with their locations: one query a request, however often it is asked."""
    cached: tuple[Membership, ...] | None = getattr(user, "_live_memberships", None)
    if cached is None:
        rows: Iterable[Membership] = ()
        if user.is_authenticated and user.is_active and user.kind == User.Kind.STAFF:
            rows = (
                Membership.objects.live()
                .filter(user=user)
                .select_related("location")
                .order_by("location__name", "role")
            )
        cached = tuple(rows)
        user._live_memberships = cached  # type: ignore[attr-defined]  # a per-request cache on the instance
    return cached


def locations_where(user: User, permission: Permission) -> frozenset[uuid.UUID]:
    """Return the ids of the locations at which ``user`` holds ``permission``; empty for patients and strangers."""
    return frozenset(m.location_id for m in memberships_of(user) if permission in ROLE_PERMISSIONS[Role(m.role)])


def holds(user: User, permission: Permission, location_id: uuid.UUID | None = None) -> bool:
    """Return whether ``user`` holds ``permission`` at a location, or anywhere when none is named."""
    where = locations_where(user, permission)
    return bool(where) if location_id is None else location_id in where


def role_at(user: User, location_id: uuid.UUID | None) -> str:
    """Return the role in which ``user`` acts at a location, for the audit row: the first that is held there."""
    if user.kind != User.Kind.STAFF:
        return user.kind
    return next((m.role for m in memberships_of(user) if location_id is None or m.location_id == location_id), "")


@dataclass(frozen=True)
class Policy:
    """What a view's decorator promised. ``clinic/checks.py`` refuses to start while a view of ours has none."""

    audience: Literal["staff", "portal", "signed_in", "device", "public"]
    permission: Permission | None = None
    because: str = ""
    methods: frozenset[str] = frozenset({"GET", "HEAD"})
    # A poll answers what changed and must never keep a session alive.
    is_poll: bool = False


StaffView = Callable[Concatenate[StaffRequest, P], HttpResponseBase]
PortalView = Callable[Concatenate[PortalRequest, P], HttpResponseBase]
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

GET = ("GET", "HEAD")
POST = ("POST",)
GET_POST = ("GET", "HEAD", "POST")


def _sign_in(request: HttpRequest) -> HttpResponse:
    if getattr(request, "htmx", False):
        return redirect_whole_page(redirect_to_login(request.headers.get("HX-Current-URL-Abs-Path", "/")).url)
    return redirect_to_login(request.get_full_path() if request.method in GET else "/")


def _with_policy(
    policy: Policy, view: Callable[..., HttpResponseBase], guard: Callable[[HttpRequest], HttpResponse | None]
) -> Callable[..., HttpResponseBase]:
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in policy.methods:
            return HttpResponseNotAllowed(sorted(policy.methods))
        refusal = guard(request)
        return refusal if refusal is not None else view(request, *args, **kwargs)

    guarded.policy = policy  # type: ignore[attr-defined]  # read by clinic/checks.py and the access matrix
    return guarded


def staff_view(
    permission: Permission, *, methods: tuple[str, ...] = GET, is_poll: bool = False
) -> Callable[[StaffView[P]], View[P]]:
    """Let in members of staff who hold ``permission`` somewhere: 302 when signed out, 403 otherwise, 405 by other methods."""

    def decorate(view: StaffView[P]) -> View[P]:
        def guard(request: HttpRequest) -> HttpResponse | None:
            if not request.user.is_authenticated:
                return _sign_in(request)
            if not isinstance(request.user, User) or not holds(request.user, permission):
                raise PermissionDenied(_("Your role does not include this. Ask a manager if it should."))
            return None

        return _with_policy(Policy("staff", permission, methods=frozenset(methods), is_poll=is_poll), view, guard)

    return decorate


def portal_view(*, methods: tuple[str, ...] = GET, is_poll: bool = False) -> Callable[[PortalView[P]], View[P]]:
    """Let in patients: 302 when signed out, 403 for staff. ``request.patient`` is set by patients.access.my_patient."""

    def decorate(view: PortalView[P]) -> View[P]:
        def guard(request: HttpRequest) -> HttpResponse | None:
            if not request.user.is_authenticated:
                return _sign_in(request)
            if not isinstance(request.user, User) or not request.user.is_patient:
                raise PermissionDenied(_("This page belongs to a patient. Staff find the same visit on the schedule."))
            return None

        return _with_policy(Policy("portal", methods=frozenset(methods), is_poll=is_poll), view, guard)

    return decorate


def public_view(*, because: str, methods: tuple[str, ...] = GET) -> Callable[[View[P]], View[P]]:
    """Let in anybody, and say why that is right."""

    def decorate(view: View[P]) -> View[P]:
        return _with_policy(Policy("public", because=because, methods=frozenset(methods)), view, lambda request: None)

    return decorate


def signed_in_view(*, because: str, methods: tuple[str, ...] = GET) -> Callable[[View[P]], View[P]]:
    """Let in whoever is signed in, staff or patient, for what belongs to both; and say why that is right."""

    def decorate(view: View[P]) -> View[P]:
        def guard(request: HttpRequest) -> HttpResponse | None:
            return None if request.user.is_authenticated else _sign_in(request)

        return _with_policy(Policy("signed_in", because=because, methods=frozenset(methods)), view, guard)

    return decorate


__all__ = [
    "CARE_TEAM_PERMISSIONS", "CLINICIANS", "GET", "GET_POST", "POST", "ROLE_PERMISSIONS", "Permission", "Policy", "holds",
    "locations_where", "memberships_of", "portal_view", "public_view", "role_at", "signed_in_view", "staff_view",
]  # fmt: skip
