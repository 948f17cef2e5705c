"""The kiosk: a code from the desk opens what one patient has to answer, and leaves nothing behind.

Every page is of an enrolled kiosk; who stands before it is known by the pass in the session, which ends with the last
answer, with a press, or when nothing happens for the minutes of ``timeouts_min.kiosk``.
"""

import uuid
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from assessments.actions import kiosks, requests
from assessments.forms.links import KioskCodeForm
from assessments.models import AssessmentRequest, AssessmentResponse, KioskPass
from assessments.views import answering
from assessments.views.answering import Way
from clinic import localtime, policy
from clinic.access import GET_POST, POST, Permission, device_view, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, DeviceRequest, StaffRequest, answer, go
from clinic.models import EnrolledDevice
from patients.access import get_patient_or_404

KIOSK = EnrolledDevice.Kind.KIOSK
# In the session: {"pass": id, "seen": moment, "is_me": whether they said so}.
HERE = "kiosk_pass"
ALONE = "assessments/_answering_alone.html"
# Seconds that the last page stays.
THANKS_FOR = 15


def _pass_of(request: DeviceRequest) -> KioskPass | None:
    """Return the pass that is open on this screen; None when there is none, or nothing happened for too long."""
    here: dict[str, Any] = request.session.get(HERE) or {}
    if not here or request.now.timestamp() - here["seen"] > _idle(request):
        return None
    rows = KioskPass.objects.filter(pk=uuid.UUID(here["pass"]), device=request.device, closed_at=None)
    found = rows.select_related("patient__home_location", "patient__portal_user").first()
    if found is not None:
        request.session[HERE] = {**here, "seen": request.now.timestamp()}
    return found


def _idle(request: DeviceRequest) -> int:
    return policy.session_timeouts(request.now)["kiosk"] * 60


@device_view(KIOSK, methods=GET_POST)
def kiosk(request: DeviceRequest) -> HttpResponse:
    """Ask for the code from the desk. What another person left open on this screen is closed by the next one's code."""
    if request.method == "GET" and _pass_of(request) is not None:
        return go(request, "assessments:kiosk_answering")
    form = KioskCodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            opened = kiosks.open_with_code(device=request.device, code=form.cleaned_data["digits"], now=request.now)
        except Refused as refusal:
            form.add_error("digits", str(refusal))
        else:
            request.session.flush()
            request.session[HERE] = {"pass": str(opened.pk), "seen": request.now.timestamp(), "is_me": False}
            return go(request, "assessments:kiosk_answering")
    context = {"form": form, "layout": ALONE, "place": request.device.location}
    return answer(request, "assessments/kiosk.html", context, status=UNPROCESSABLE if form.is_bound else 200)


@device_view(KIOSK, methods=GET_POST)
def kiosk_answering(request: DeviceRequest) -> HttpResponse:
    """Let the patient with the code answer what is open, one questionnaire after another."""
    found = _pass_of(request)
    if found is None:
        request.session.flush()
        return go(request, "assessments:kiosk")
    if request.POST.get("me") == "yes":
        request.session[HERE] = {**request.session[HERE], "is_me": True}
        return go(request, "assessments:kiosk_answering")
    if not request.session[HERE]["is_me"]:
        # The name, too, goes from the glass when nobody answers.
        context = {"called": _masked(found), "layout": ALONE, "way": _way(request)}
        return answer(request, "assessments/kiosk_answering.html", context)
    asked = _next(request, found)
    if asked is None:
        kiosks.close(kiosk_pass=found, now=request.now)
        request.session.flush()
        return go(request, "assessments:kiosk_done")
    if request.method == "POST":
        kiosks.touch(kiosk_pass=found, now=request.now)
    return answering.page(request, _way(request), asked)


def _next(request: DeviceRequest, found: KioskPass) -> AssessmentRequest | None:
    """Return what is on the screen: what a form was sent for, else the most urgent that is open."""
    if request.method == "POST" and "asked" in request.POST:
        asked = AssessmentRequest.objects.for_patient(found.patient).filter(pk=_id(request.POST["asked"])).first()
    else:
        asked = next(iter(requests.answerable(patient=found.patient, now=request.now)), None)
    if asked is not None:
        asked.patient = found.patient
    return asked


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        # Nobody's: no record has this id.
        return uuid.UUID(int=0)


def _masked(found: KioskPass) -> str:
    """Return the name for "is this you?": enough to know oneself by, and not more than a waiting room may read."""
    return f"{found.patient.called} {found.patient.family_name[:1]}."


def _way(request: DeviceRequest) -> Way:
    url = reverse("assessments:kiosk_answering")
    return Way(
        mode=AssessmentResponse.Mode.KIOSK, url=url, layout=ALONE, home_url=url, home_label=_("Go on"), finish_url=url,
        device=request.device, idle=_idle(request),
    )  # fmt: skip


@device_view(KIOSK, methods=POST)
def leave_kiosk(request: DeviceRequest) -> HttpResponse:
    """Close what is open on this screen. What was answered is kept, and the desk can give another code."""
    found = _pass_of(request)
    if found is not None:
        kiosks.close(kiosk_pass=found, now=request.now)
    request.session.flush()
    return go(request, "assessments:kiosk")


@device_view(KIOSK)
def kiosk_done(request: DeviceRequest) -> HttpResponse:
    """Return the thanks, which name nobody; after some seconds the screen goes back to its start by itself."""
    response = answer(request, "assessments/kiosk_done.html", {"layout": ALONE, "seconds": THANKS_FOR})
    response.headers["Refresh"] = f"{THANKS_FOR};url={reverse('assessments:kiosk')}"
    return response


@staff_view(Permission.KIOSK_HAND_OUT, methods=GET_POST)
def give_kiosk_code(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Show the desk what waits in words, and give a code, in this answer and never again."""
    patient = get_patient_or_404(request, patient_id, Permission.KIOSK_HAND_OUT)
    waiting = requests.answerable(patient=patient, now=request.now)
    context: dict[str, Any] = {
        "patient": patient, "waiting": len(waiting), "begun": sum(row.is_begun for row in waiting), "refusal": "",
    }  # fmt: skip
    status = 200
    if request.method == "POST":
        try:
            place = patient.home_location
            given = kiosks.give_code(by=request.user, patient=patient, location=place, now=request.now)
        except Refused as refusal:
            context["refusal"], status = str(refusal), UNPROCESSABLE
        else:
            # No redirect: the code would have to be kept somewhere on the way.
            until = localtime.clock_text(given.kiosk_pass.expires_at, place.tz)
            context |= {"code": f"{given.code[:3]} {given.code[3:]}", "until": until}
    return answer(request, "assessments/give_kiosk_code.html", context, status=status)
