"""Answering by the link in a letter: the birth date first, then that one questionnaire and no other page.

The session of a link is nobody's sign-in. It knows one link and when that was opened, so that opening it on another
screen closes it here, and it ends like the portal's when nothing happens.
"""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from assessments.access import get_request_or_404
from assessments.actions import links
from assessments.forms.links import OpenLinkForm
from assessments.models import AnswerLink, AssessmentResponse
from assessments.views import answering
from assessments.views.answering import Way
from clinic import policy
from clinic.access import GET, GET_POST, POST, Permission, public_view, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, OurRequest, StaffRequest, answer, go
from clinic.middleware import client_address

# In the session: {"link": id, "opened": moment, "seen": moment}.
HERE = "answering_by_link"
ALONE = "assessments/_answering_alone.html"


@public_view(
    because="Whoever has the letter and knows the birth date answers one questionnaire, without a sign-in.",
    methods=GET_POST,
)
def answer_link(request: OurRequest, token: str) -> HttpResponse:
    """Ask for the birth date and open the one questionnaire. Looking changes nothing: mail scanners follow links."""
    form = OpenLinkForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            link = links.open_link(
                token=token, birth_date=form.cleaned_data["birth_date"], address=client_address(request) or "",
                now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            # Whoever was signed in here is not who answers now, and what they left goes with them.
            request.session.flush()
            request.session[HERE] = {
                "link": str(link.pk), "opened": link.opened_at.isoformat() if link.opened_at else "",
                "seen": request.now.timestamp(),
            }  # fmt: skip
            return go(request, "assessments:answer_by_link")
    status = UNPROCESSABLE if form.is_bound else 200
    return answer(request, "assessments/answer_link.html", {"form": form, "token": token}, status=status)


def _link_of(request: OurRequest) -> AnswerLink | None:
    """Return the link this browser has open.

    None when it was opened elsewhere since, withdrawn, or idle too long, its mailbox is the patient's alone no more, or
    somebody has signed in here since: nobody was, when it was opened.
    """
    here: dict[str, Any] = request.session.get(HERE) or {}
    idle = policy.session_timeouts(request.now)["portal"] * 60
    if not here or request.user.is_authenticated or request.now.timestamp() - here["seen"] > idle:
        request.session.pop(HERE, None)
        return None
    link = (
        AnswerLink.objects.filter(pk=uuid.UUID(here["link"]), withdrawn_at=None)
        .select_related("request__patient__home_location", "request__patient__portal_user")
        .first()
    )
    is_here = link is not None and link.opened_at is not None and link.opened_at.isoformat() == here["opened"]
    if link is None or not is_here or not links.is_theirs(link):
        request.session.pop(HERE, None)
        return None
    request.session[HERE] = {**here, "seen": request.now.timestamp()}
    return link


@public_view(
    because="The session of an opened link reaches this one questionnaire, and nobody without one gets further than a sentence.",
    methods=GET_POST,
)
def answer_by_link(request: OurRequest) -> HttpResponse:
    """Let whoever opened a link answer its questionnaire."""
    link = _link_of(request)
    if link is None or (link.used_at is not None and request.method != "POST"):
        status = UNPROCESSABLE if request.method == "POST" else 200
        return answer(request, "assessments/answer_by_link.html", {"layout": ALONE}, status=status, part="saved")
    way = Way(
        mode=AssessmentResponse.Mode.LINK, url=reverse("assessments:answer_by_link"), layout=ALONE, home_url="",
        home_label="", finish_url=reverse("assessments:answers_sent"),
        settle=lambda: links.use(link=link, now=request.now),
    )  # fmt: skip
    return answering.page(request, way, link.request)


@public_view(because="The page after answers were handed in by a link; it says the same to everybody.", methods=GET)
def answers_sent(request: HttpRequest) -> HttpResponse:
    """Return the thanks, which name nobody, and forget the link."""
    request.session.pop(HERE, None)
    return answer(request, "assessments/answers_sent.html", {"layout": ALONE})


@staff_view(Permission.QUESTIONNAIRE_ASK, methods=POST)
def send_answer_link(request: StaffRequest, request_id: uuid.UUID) -> HttpResponse:
    """Send the patient a letter with a link to one questionnaire."""
    asked = get_request_or_404(request, request_id, Permission.QUESTIONNAIRE_ASK)
    try:
        links.send(by=request.user, request=asked, now=request.now)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        said = _("A letter with a link goes to %(address)s.")
        messages.success(request, said % {"address": asked.patient.email})
    return go(request, "assessments:chart_questionnaires", asked.patient_id)
