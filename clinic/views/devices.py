"""Enrolled screens: which there are, a new one with its credential shown once, and revoking one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import clock, enrolled, localtime
from clinic.access import (
    GET_POST,
    POST,
    Permission,
    get_enrolled_device_or_404,
    get_location_or_404,
    managed_location,
    public_view,
    staff_view,
)
from clinic.actions import devices as actions
from clinic.errors import Refused
from clinic.forms.devices import EnrollDeviceForm, SetUpDeviceForm
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go, go_to
from clinic.middleware import client_address
from clinic.models import EnrolledDevice, Location, Room

REVOKED_SHOWN = 10

# The first page of each kind of screen that has pages of its own.
START: dict[str, str] = {EnrolledDevice.Kind.KIOSK: "assessments:kiosk"}


def _row(device: EnrolledDevice, location: Location) -> dict[str, Any]:
    def said(moment: Any) -> str:
        return localtime.moment_text(moment, location.tz) if moment else ""

    return {
        "id": device.pk,
        "name": device.name,
        "kind": device.get_kind_display(),
        "room": device.room.name if device.room else "",
        "enrolled": said(device.enrolled_at),
        "enrolled_by": device.enrolled_by.name,
        "seen": said(device.last_seen_at),
        "revoked": said(device.revoked_at),
        "revoked_by": device.revoked_by.name if device.revoked_by else "",
    }


@staff_view(Permission.DEVICE_MANAGE)
def devices(request: StaffRequest) -> HttpResponse:
    """Return the screens enrolled at the location, and those revoked last."""
    location = managed_location(request, Permission.DEVICE_MANAGE)
    rows = EnrolledDevice.objects.filter(location=location).select_related("room", "enrolled_by", "revoked_by")
    context = {
        "location": location,
        "devices": [_row(device, location) for device in rows.filter(revoked_at=None).order_by("name")],
        "revoked": [
            _row(device, location) for device in rows.exclude(revoked_at=None).order_by("-revoked_at")[:REVOKED_SHOWN]
        ],
    }
    return answer(request, "clinic/devices.html", context)


@staff_view(Permission.DEVICE_MANAGE, methods=GET_POST)
def enroll_device(request: StaffRequest, location_id: UUID) -> HttpResponse:
    """Enroll a screen and show its credential, in this answer and never again."""
    location = get_location_or_404(request, location_id, Permission.DEVICE_MANAGE)
    rooms = Room.objects.in_use().filter(location=location).order_by("name")
    form = EnrollDeviceForm(request.POST if request.method == "POST" else None, rooms=rooms)
    if form.is_valid():
        try:
            made = actions.enroll(by=request.user, location=location, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            about_room = isinstance(refusal, actions.RoomNeeded | actions.NoRoomForThis)
            form.add_error("room" if about_room else "name", str(refusal))
        else:
            # No redirect: the credential would have to be kept somewhere on the way.
            context = {"form": form, "location": location, "device": made.device, "credential": made.credential}
            return answer(request, "clinic/enroll_device.html", context)
    context = {"form": form, "location": location}
    return answer(request, "clinic/enroll_device.html", context, status=UNPROCESSABLE if form.is_bound else 200)


@staff_view(Permission.DEVICE_MANAGE, methods=POST)
def revoke_device(request: StaffRequest, device_id: UUID) -> HttpResponse:
    """Take a screen's credential away, at once."""
    device = get_enrolled_device_or_404(request, device_id)
    try:
        actions.revoke(by=request.user, device=device, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(
            request, _("%(name)s is revoked. Its credential opens nothing any more.") % {"name": device.name}
        )
    return go(request, "clinic:devices")


@public_view(
    because="A screen that is being set up is nobody yet: the credential a manager copied is what it has.",
    methods=GET_POST,
)
def set_up_device(request: HttpRequest) -> HttpResponse:
    """Take a screen's credential and keep it in this browser. Whoever is signed in on it is signed out."""
    form = SetUpDeviceForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        credential = form.cleaned_data["credential"]
        try:
            device = actions.set_up(credential=credential, address=client_address(request) or "", now=clock.now())
        except Refused as refusal:
            form.add_error("credential", str(refusal))
        else:
            logout(request)
            start = START.get(device.kind)
            if start is None:
                messages.success(request, _("%(name)s is set up.") % {"name": device.name})
            response = go_to(request, reverse(start or "clinic:set_up_device"))
            enrolled.remember(response, credential)
            return response
    return answer(request, "clinic/set_up_device.html", {"form": form}, status=UNPROCESSABLE if form.is_bound else 200)
