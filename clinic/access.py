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

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from clinic import enrolled, keptforms
from clinic.http import DeviceRequest, OurRequest, PortalRequest, StaffRequest, go_to, redirect_whole_page
from clinic.models import (
    CLINICIANS,
    Closure,
    Device,
    EnrolledDevice,
    Location,
    Membership,
    OnCall,
    OutboundMessage,
    Page,
    PageCall,
    Role,
    Room,
    StaffInvitation,
    TimeOff,
    User,
    WorkItem,
)

P = ParamSpec("P")


class Permission(StrEnum):
    """Everything a member of staff may be allowed to do: ``resource:action``, in alphabetical order."""

    ABSENCE_REPLAN = "absence:replan"
    ALERT_ANSWER = "alert:answer"
    ALERT_READ = "alert:read"
    ALERT_STATUS = "alert:status"
    APPOINTMENT_BOOK = "appointment:book"
    APPOINTMENT_CHECK_IN = "appointment:check_in"
    APPOINTMENT_CONDUCT = "appointment:conduct"
    APPOINTMENT_READ = "appointment:read"
    AUDIT_READ = "audit:read"
    BREAK_GLASS = "break_glass:use"
    BREAK_GLASS_REVIEW = "break_glass:review"
    CARE_TEAM_MANAGE = "care_team:manage"
    CHART_READ = "chart:read"
    CLEARANCE_DECIDE = "clearance:decide"
    CLEARANCE_READ = "clearance:read"
    CLEARANCE_STATUS = "clearance:status"
    CONSENT_READ = "consent:read"
    CONSENT_STATUS = "consent:status"
    CONSENT_TAKE = "consent:take"
    CONSENT_TEXT_MANAGE = "consent_text:manage"
    CONSENT_WITHDRAW = "consent:withdraw"
    DEVICE_MANAGE = "device:manage"
    HEALTH_READ = "health:read"
    HEALTH_WRITE = "health:write"
    HOURS_MANAGE = "hours:manage"
    INSTRUMENT_MANAGE = "instrument:manage"
    KIOSK_HAND_OUT = "kiosk:hand_out"
    MESSAGE_READ = "message:read"
    MESSAGE_SETTLE = "message:settle"
    PACKET_INVITE = "packet:invite"
    PACKET_STATUS = "packet:status"
    PATIENT_CORRECT_DEATH = "patient:correct_death"
    PATIENT_MERGE = "patient:merge"
    PATIENT_READ = "patient:read"
    PATIENT_WRITE = "patient:write"
    PEOPLE_MANAGE = "people:manage"
    PLACES_MANAGE = "places:manage"
    POLICY_APPROVE = "policy:approve"
    POLICY_DRAFT = "policy:draft"
    POLICY_READ = "policy:read"
    QUESTIONNAIRE_ASK = "questionnaire:ask"
    QUESTIONNAIRE_ENTER = "questionnaire:enter"
    QUESTIONNAIRE_READ = "questionnaire:read"
    QUESTIONNAIRE_STATUS = "questionnaire:status"
    REFERRAL_MANAGE = "referral:manage"
    REFERRAL_READ = "referral:read"
    ROTA_MANAGE = "rota:manage"
    ROTA_READ = "rota:read"
    STAFF = "staff:be"
    WORK_ITEM_CLOSE = "work_item:close"


_EVERYBODY = frozenset(
    {Permission.STAFF, Permission.PATIENT_READ, Permission.APPOINTMENT_READ, Permission.WORK_ITEM_CLOSE}
)

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.FRONT_DESK: _EVERYBODY
    | {
        Permission.ABSENCE_REPLAN,
        Permission.ALERT_STATUS,
        Permission.APPOINTMENT_BOOK,
        Permission.APPOINTMENT_CHECK_IN,
        Permission.APPOINTMENT_CONDUCT,
        Permission.CLEARANCE_STATUS,
        Permission.CONSENT_STATUS,
        Permission.CONSENT_WITHDRAW,
        Permission.KIOSK_HAND_OUT,
        Permission.MESSAGE_READ,
        Permission.MESSAGE_SETTLE,
        Permission.PACKET_INVITE,
        Permission.PACKET_STATUS,
        Permission.PATIENT_WRITE,
        Permission.QUESTIONNAIRE_STATUS,
        Permission.REFERRAL_MANAGE,
        Permission.REFERRAL_READ,
        Permission.ROTA_READ,
    },
    Role.MONITOR: _EVERYBODY
    | {
        Permission.ALERT_STATUS,
        Permission.APPOINTMENT_CHECK_IN,
        Permission.APPOINTMENT_CONDUCT,
        Permission.BREAK_GLASS,
        Permission.CHART_READ,
        Permission.CLEARANCE_STATUS,
        Permission.CONSENT_STATUS,
        Permission.KIOSK_HAND_OUT,
        Permission.PACKET_STATUS,
        Permission.QUESTIONNAIRE_STATUS,
        Permission.ROTA_READ,
    },
    Role.NURSE: _EVERYBODY
    | {
        Permission.ALERT_ANSWER,
        Permission.ALERT_READ,
        Permission.ALERT_STATUS,
        Permission.APPOINTMENT_BOOK,
        Permission.APPOINTMENT_CHECK_IN,
        Permission.APPOINTMENT_CONDUCT,
        Permission.BREAK_GLASS,
        Permission.CHART_READ,
        Permission.CLEARANCE_READ,
        Permission.CLEARANCE_STATUS,
        Permission.CONSENT_READ,
        Permission.CONSENT_STATUS,
        Permission.CONSENT_TAKE,
        Permission.CONSENT_WITHDRAW,
        Permission.HEALTH_READ,
        Permission.HEALTH_WRITE,
        Permission.KIOSK_HAND_OUT,
        Permission.MESSAGE_READ,
        Permission.PACKET_INVITE,
        Permission.PACKET_STATUS,
        Permission.POLICY_READ,
        Permission.QUESTIONNAIRE_ASK,
        Permission.QUESTIONNAIRE_ENTER,
        Permission.QUESTIONNAIRE_READ,
        Permission.QUESTIONNAIRE_STATUS,
        Permission.ROTA_READ,
    },
    Role.THERAPIST: _EVERYBODY
    | {
        Permission.ALERT_ANSWER,
        Permission.ALERT_READ,
        Permission.ALERT_STATUS,
        Permission.APPOINTMENT_BOOK,
        Permission.APPOINTMENT_CONDUCT,
        Permission.BREAK_GLASS,
        Permission.CARE_TEAM_MANAGE,
        Permission.CHART_READ,
        Permission.CLEARANCE_READ,
        Permission.CLEARANCE_STATUS,
        Permission.CONSENT_READ,
        Permission.CONSENT_STATUS,
        Permission.CONSENT_TAKE,
        Permission.CONSENT_WITHDRAW,
        Permission.HEALTH_READ,
        Permission.HEALTH_WRITE,
        Permission.KIOSK_HAND_OUT,
        Permission.MESSAGE_READ,
        Permission.PACKET_INVITE,
        Permission.PACKET_STATUS,
        Permission.POLICY_READ,
        Permission.QUESTIONNAIRE_ASK,
        Permission.QUESTIONNAIRE_ENTER,
        Permission.QUESTIONNAIRE_READ,
        Permission.QUESTIONNAIRE_STATUS,
        Permission.ROTA_READ,
    },
    Role.PRESCRIBER: _EVERYBODY
    | {
        Permission.ALERT_ANSWER,
        Permission.ALERT_READ,
        Permission.ALERT_STATUS,
        Permission.APPOINTMENT_BOOK,
        Permission.APPOINTMENT_CONDUCT,
        Permission.BREAK_GLASS,
        Permission.CARE_TEAM_MANAGE,
        Permission.CHART_READ,
        Permission.CLEARANCE_DECIDE,
        Permission.CLEARANCE_READ,
        Permission.CLEARANCE_STATUS,
        Permission.CONSENT_READ,
        Permission.CONSENT_STATUS,
        Permission.CONSENT_TAKE,
        Permission.CONSENT_TEXT_MANAGE,
        Permission.CONSENT_WITHDRAW,
        Permission.HEALTH_READ,
        Permission.HEALTH_WRITE,
        Permission.INSTRUMENT_MANAGE,
        Permission.KIOSK_HAND_OUT,
        Permission.MESSAGE_READ,
        Permission.PACKET_INVITE,
        Permission.PACKET_STATUS,
        Permission.POLICY_APPROVE,
        Permission.POLICY_DRAFT,
        Permission.POLICY_READ,
        Permission.QUESTIONNAIRE_ASK,
        Permission.QUESTIONNAIRE_ENTER,
        Permission.QUESTIONNAIRE_READ,
        Permission.QUESTIONNAIRE_STATUS,
        Permission.REFERRAL_READ,
        Permission.ROTA_READ,
    },
    Role.MANAGER: _EVERYBODY
    | {
        Permission.ABSENCE_REPLAN,
        Permission.CARE_TEAM_MANAGE,
        Permission.CLEARANCE_STATUS,
        Permission.CONSENT_TEXT_MANAGE,
        Permission.DEVICE_MANAGE,
        Permission.HOURS_MANAGE,
        Permission.INSTRUMENT_MANAGE,
        Permission.MESSAGE_READ,
        Permission.MESSAGE_SETTLE,
        Permission.PATIENT_CORRECT_DEATH,
        Permission.PATIENT_MERGE,
        Permission.PEOPLE_MANAGE,
        Permission.PLACES_MANAGE,
        Permission.POLICY_DRAFT,
        Permission.POLICY_READ,
        Permission.REFERRAL_READ,
        Permission.ROTA_MANAGE,
        Permission.ROTA_READ,
    },
    Role.PRIVACY_OFFICER: _EVERYBODY
    | {
        Permission.AUDIT_READ,
        Permission.BREAK_GLASS,
        Permission.BREAK_GLASS_REVIEW,
        Permission.CHART_READ,
        Permission.CLEARANCE_STATUS,
        Permission.PATIENT_MERGE,
    },
}

# Held at the location *and* through a care team or an emergency grant.
CARE_TEAM_PERMISSIONS = frozenset(
    {
        Permission.CHART_READ,
        Permission.CLEARANCE_DECIDE,
        Permission.CLEARANCE_READ,
        Permission.CONSENT_READ,
        Permission.CONSENT_TAKE,
        Permission.HEALTH_READ,
        Permission.HEALTH_WRITE,
        Permission.QUESTIONNAIRE_ASK,
        Permission.QUESTIONNAIRE_ENTER,
        Permission.QUESTIONNAIRE_READ,
    }
)


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
DeviceView = Callable[Concatenate[DeviceRequest, P], HttpResponseBase]
OurView = Callable[Concatenate[OurRequest, P], HttpResponseBase]
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

GET = ("GET", "HEAD")
POST = ("POST",)
GET_POST = ("GET", "HEAD", "POST")


def _sign_in(request: HttpRequest, methods: frozenset[str]) -> HttpResponse:
    """Return the way to the sign-in page. A form that came too late is kept for whoever was signed in here."""
    htmx = getattr(request, "htmx", False)
    if request.method == "POST":
        if key := keptforms.keep(request, keptforms.page_of(request, methods)):
            # Where to go on is kept with the form, and not in an address.
            response = go_to(request, reverse("account_login"))
            keptforms.hand_over(response, key)
            return response
        messages.warning(
            request,
            _("You were signed out before that arrived. Nothing was saved, and what you typed could not be kept."),
        )
        return go_to(request, redirect_to_login(request.path if "GET" in methods else "/").url)
    if htmx:
        return redirect_whole_page(redirect_to_login(request.htmx.current_url_abs_path or "/").url)  # type: ignore[attr-defined]  # django_htmx
    return redirect_to_login(request.get_full_path())


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
                return _sign_in(request, frozenset(methods))
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
                return _sign_in(request, frozenset(methods))
            if not isinstance(request.user, User) or not request.user.is_patient:
                raise PermissionDenied(_("This page belongs to a patient. Staff find the same visit on the schedule."))
            return None

        return _with_policy(Policy("portal", methods=frozenset(methods), is_poll=is_poll), view, guard)

    return decorate


def device_view(*kinds: EnrolledDevice.Kind, methods: tuple[str, ...] = GET) -> Callable[[DeviceView[P]], View[P]]:
    """Let in enrolled screens of these kinds, at whichever location: 302 to being set up for every other browser.

    Nobody's sign-in counts here, and a revoked screen is out at once. ``request.device`` is the screen.
    """

    def decorate(view: DeviceView[P]) -> View[P]:
        def guard(request: HttpRequest) -> HttpResponse | None:
            device = enrolled.device_of(request)
            if device is None or device.kind not in kinds:
                return go_to(request, reverse("clinic:set_up_device"))
            request.device = device  # type: ignore[attr-defined]  # DeviceRequest.device
            return None

        return _with_policy(Policy("device", methods=frozenset(methods)), view, guard)

    return decorate


def public_view(*, because: str, methods: tuple[str, ...] = GET) -> Callable[[OurView[P]], View[P]]:
    """Let in anybody, and say why that is right."""

    def decorate(view: OurView[P]) -> View[P]:
        return _with_policy(Policy("public", because=because, methods=frozenset(methods)), view, lambda request: None)

    return decorate


def signed_in_view(
    *, because: str, methods: tuple[str, ...] = GET, is_poll: bool = False
) -> Callable[[OurView[P]], View[P]]:
    """Let in whoever is signed in, staff or patient, for what belongs to both; and say why that is right."""

    def decorate(view: OurView[P]) -> View[P]:
        def guard(request: HttpRequest) -> HttpResponse | None:
            return None if request.user.is_authenticated else _sign_in(request, frozenset(methods))

        return _with_policy(
            Policy("signed_in", because=because, methods=frozenset(methods), is_poll=is_poll), view, guard
        )

    return decorate


def managed_location(request: StaffRequest, permission: Permission) -> Location:
    """Return the location chosen in the top bar if this person manages it in that respect; else 403 with a way on."""
    location = request.location
    if location is None or location.pk not in locations_where(request.user, permission):
        raise PermissionDenied(_("You do not manage this location. Choose one that you manage at the top of the page."))
    return location


def get_person_or_404(request: StaffRequest, person_id: uuid.UUID, *, to_change: bool = False) -> User:
    """Return the member of staff if they work, or worked, at a location whose people this person manages; else 404.

    ``to_change`` leaves out who went on to work elsewhere: their manager there decides about them now.
    """
    here = Membership.objects.filter(location_id__in=locations_where(request.user, Permission.PEOPLE_MANAGE))
    people = User.objects.staff().filter(pk__in=here.values("user_id"))
    if to_change:
        live = Membership.objects.live()
        people = people.filter(Q(pk__in=here.filter(pk__in=live).values("user_id")) | ~Q(pk__in=live.values("user_id")))
    return get_object_or_404(people, pk=person_id)


def get_membership_or_404(request: StaffRequest, membership_id: uuid.UUID) -> Membership:
    """Return the role if it is held at a location whose people this person manages; else 404."""
    managed = locations_where(request.user, Permission.PEOPLE_MANAGE)
    held = Membership.objects.filter(location_id__in=managed).select_related("user", "location", "supervisor")
    return get_object_or_404(held, pk=membership_id)


def get_invitation_or_404(request: StaffRequest, invitation_id: uuid.UUID) -> StaffInvitation:
    """Return the invitation if it is to a location whose people this person manages; else 404."""
    managed = locations_where(request.user, Permission.PEOPLE_MANAGE)
    return get_object_or_404(StaffInvitation.objects.filter(location_id__in=managed), pk=invitation_id)


def get_work_item_or_404(request: StaffRequest, item_id: uuid.UUID) -> WorkItem:
    """Return the work item if it is this person's, or unowned and their role's at its location, open or closed; else 404."""
    items = WorkItem.objects.belonging_to(request.user, memberships_of(request.user))
    return get_object_or_404(items.select_related("location"), pk=item_id)


def get_message_or_404(
    request: StaffRequest, message_id: uuid.UUID, permission: Permission = Permission.MESSAGE_READ
) -> OutboundMessage:
    """Return the letter if this person holds ``permission`` at its location; else 404."""
    here = OutboundMessage.objects.filter(location_id__in=locations_where(request.user, permission))
    return get_object_or_404(here, pk=message_id)


def get_location_or_404(request: StaffRequest, location_id: uuid.UUID, permission: Permission) -> Location:
    """Return the location if this person holds ``permission`` there; else 404."""
    return get_object_or_404(Location.objects.filter(pk__in=locations_where(request.user, permission)), pk=location_id)


def get_room_or_404(request: StaffRequest, room_id: uuid.UUID) -> Room:
    """Return the room if this person manages the places of its location; else 404."""
    here = Room.objects.at(locations_where(request.user, Permission.PLACES_MANAGE))
    return get_object_or_404(here.select_related("location"), pk=room_id)


def get_equipment_or_404(request: StaffRequest, equipment_id: uuid.UUID) -> Device:
    """Return the equipment if this person manages the places of its location; else 404."""
    here = Device.objects.filter(location_id__in=locations_where(request.user, Permission.PLACES_MANAGE))
    return get_object_or_404(here.select_related("location"), pk=equipment_id)


def get_colleague_or_404(request: StaffRequest, location: Location, person_id: uuid.UUID) -> User:
    """Return the member of staff who works at a location whose hours this person manages; else 404."""
    managed = locations_where(request.user, Permission.HOURS_MANAGE) & {location.pk}
    here = Membership.objects.live().filter(location_id__in=managed)
    return get_object_or_404(User.objects.staff().filter(pk__in=here.values("user_id")), pk=person_id)


def get_time_off_or_404(request: StaffRequest, location: Location, time_off_id: uuid.UUID) -> TimeOff:
    """Return the time off of somebody who works at a location whose hours this person manages; else 404."""
    managed = locations_where(request.user, Permission.HOURS_MANAGE) & {location.pk}
    here = Membership.objects.live().filter(location_id__in=managed)
    rows = TimeOff.objects.filter(user_id__in=here.values("user_id")).select_related("user")
    return get_object_or_404(rows, pk=time_off_id)


def get_closure_or_404(request: StaffRequest, closure_id: uuid.UUID) -> Closure:
    """Return the closure of a location whose hours this person manages; else 404."""
    here = Closure.objects.filter(location_id__in=locations_where(request.user, Permission.HOURS_MANAGE))
    return get_object_or_404(here.select_related("location"), pk=closure_id)


def get_duty_or_404(request: StaffRequest, duty_id: uuid.UUID) -> OnCall:
    """Return the duty of a location whose rota this person manages; else 404."""
    here = OnCall.objects.filter(location_id__in=locations_where(request.user, Permission.ROTA_MANAGE))
    return get_object_or_404(here.select_related("location", "user"), pk=duty_id)


def pages_open_to(user: User) -> QuerySet[Page]:
    """Return the pages this person was called about, and those where they answer alarms or manage the rota."""
    called = PageCall.objects.filter(user=user).values("page_id")
    here = locations_where(user, Permission.ALERT_ANSWER) | locations_where(user, Permission.ROTA_MANAGE)
    return Page.objects.filter(Q(location_id__in=here) | Q(pk__in=called)).select_related("location")


def get_page_or_404(request: StaffRequest, page_id: uuid.UUID) -> Page:
    """Return the page if it is open to this person; else 404."""
    return get_object_or_404(pages_open_to(request.user).select_related("acknowledged_by", "closed_by"), pk=page_id)


def get_enrolled_device_or_404(request: StaffRequest, device_id: uuid.UUID) -> EnrolledDevice:
    """Return the enrolled screen of a location whose devices this person manages; else 404."""
    here = EnrolledDevice.objects.filter(location_id__in=locations_where(request.user, Permission.DEVICE_MANAGE))
    return get_object_or_404(here.select_related("location"), pk=device_id)


__all__ = [
    "CARE_TEAM_PERMISSIONS", "CLINICIANS", "GET", "GET_POST", "POST", "ROLE_PERMISSIONS", "Permission", "Policy",
    "device_view", "get_closure_or_404", "get_colleague_or_404", "get_duty_or_404", "get_enrolled_device_or_404", "get_equipment_or_404", "get_invitation_or_404",
    "get_location_or_404", "get_membership_or_404", "get_message_or_404", "get_page_or_404", "get_person_or_404", "get_room_or_404",
    "get_time_off_or_404", "get_work_item_or_404", "holds",
    "locations_where", "managed_location", "memberships_of", "pages_open_to", "portal_view", "public_view", "role_at", "signed_in_view", "staff_view",
]  # fmt: skip
