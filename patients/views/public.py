"""What strangers see: what to expect, asking us, and the way into the portal with a link."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from clinic import clock
from clinic.access import GET, GET_POST, public_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, answer, go
from clinic.middleware import client_address
from clinic.models import Location
from patients import crisis
from patients.actions import portal, referrals
from patients.forms.portal import JoinPortalForm
from patients.forms.referrals import EnquireForm

# Where the address waits between joining and asking for a code; never in a URL.
JOINED = "joined_address"


def _locations() -> list[Location]:
    return list(Location.objects.active().order_by("name"))


@public_view(because="Whoever thinks about coming reads here what to expect, before anybody knows them.", methods=GET)
def welcome(request: HttpRequest) -> HttpResponse:
    """Return what to expect, in four steps and plain words."""
    return answer(request, "patients/welcome.html", {"locations": _locations()})


@public_view(because="People ask us before they have any account.", methods=GET_POST)
def enquire(request: HttpRequest) -> HttpResponse:
    """Take a stranger's message. The answer is the same whether or not we know the person."""
    locations = _locations()
    if request.method != "POST":
        form = EnquireForm(locations=locations, initial={"entry_key": uuid.uuid4()})
        return answer(request, "patients/enquire.html", {"form": form})
    form = EnquireForm(request.POST, locations=locations)
    if form.is_valid():
        data = form.cleaned_data
        try:
            referrals.receive(
                location=data["location"],
                entry_key=data["entry_key"] or uuid.uuid4(),
                given_name=data["given_name"],
                family_name=data["family_name"],
                email=data["email"],
                phone=data["phone"],
                reach_by=data["reach_by"],
                message=data["message"],
                agrees_to_email=data["agrees_to_email"],
                address=client_address(request) or "",
                now=clock.now(),
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return go(request, "patients:enquiry_sent")
    needs_numbers = crisis.may_mean_danger(request.POST.get("message", ""))
    return answer(
        request, "patients/enquire.html", {"form": form, "needs_numbers": needs_numbers}, status=UNPROCESSABLE
    )


@public_view(because="The page after a message was sent; it says the same to everybody.", methods=GET)
def enquiry_sent(request: HttpRequest) -> HttpResponse:
    """Return the confirmation, which names nobody."""
    return answer(request, "patients/enquiry_sent.html", {"locations": _locations()})


@public_view(
    because="A patient invited to the portal has no sign-in yet: the link and the birth date are what they have.",
    methods=GET_POST,
)
def join_portal(request: HttpRequest, token: str) -> HttpResponse:
    """Ask for the birth date and open the portal. Looking at the page uses nothing up: mail scanners follow links."""
    form = JoinPortalForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            patient = portal.join_portal(
                token=token,
                birth_date=form.cleaned_data["birth_date"],
                address=client_address(request) or "",
                now=clock.now(),
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            assert patient.portal_user is not None
            request.session[JOINED] = patient.portal_user.email
            return go(request, "patients:joined")
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/join_portal.html", {"form": form, "token": token}, status=status)


@public_view(because="Between joining and the first code nobody is signed in yet.", methods=GET)
def joined(request: HttpRequest) -> HttpResponse:
    """Offer to send the first code to the address the invitation went to; without a fresh join, the sign-in page."""
    address = request.session.get(JOINED, "")
    if not address:
        return go(request, "account_login")
    context = {"address": address, "code_url": reverse("account_request_login_code")}
    return answer(request, "patients/joined.html", context)
