"""The front door: everybody to their own first page."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from clinic import enrolled
from clinic.access import GET, POST, Permission, memberships_of, public_view, staff_view
from clinic.http import StaffRequest, go_to
from clinic.models import EnrolledDevice, Role, User

# The first page by role; the first role held that is listed here wins.
FRONT_PAGES = {
    Role.FRONT_DESK: "sessions:today",
    Role.PRESCRIBER: "sessions:today",
    Role.THERAPIST: "sessions:today",
    Role.NURSE: "sessions:today",
    Role.MONITOR: "sessions:today",
    Role.MANAGER: "clinic:office",
    Role.PRIVACY_OFFICER: "clinic:audit_log",
}


@public_view(
    because="The address people type: strangers read what to expect, everybody else goes to their own page.",
    methods=GET,
)
def home(request: HttpRequest) -> HttpResponse:
    """Return the public page, or a redirect to the first page of whoever is signed in."""
    user = request.user
    if not isinstance(user, User):
        # Whoever wanders off at a kiosk comes back to its start, and nobody has to find it again.
        device = enrolled.device_of(request)
        at_kiosk = device is not None and device.kind == EnrolledDevice.Kind.KIOSK
        return HttpResponseRedirect(reverse("assessments:kiosk" if at_kiosk else "patients:welcome"))
    if user.is_patient:
        return HttpResponseRedirect(reverse("sessions:portal_home"))
    held = {Role(membership.role) for membership in memberships_of(user)}
    target = next((name for role, name in FRONT_PAGES.items() if role in held), "account_reauthenticate")
    return HttpResponseRedirect(reverse(target))


@public_view(because="Crisis numbers are for everybody, at any hour, without signing in.", methods=GET)
def help_now(request: HttpRequest) -> HttpResponse:
    """Return the crisis numbers."""
    return render(request, "clinic/help_now.html")


@staff_view(Permission.STAFF, methods=POST)
def switch_location(request: StaffRequest) -> HttpResponse:
    """Choose the location one works at; only one's own are believed."""
    wanted = request.POST.get("location_id", "")
    if any(str(membership.location_id) == wanted for membership in memberships_of(request.user)):
        request.session["location_id"] = wanted
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return go_to(request, back if safe else reverse("clinic:home"))
