"""Asking for a code to sign with. What is signed, and by whom, is the business of each page that asks for it."""

from typing import Any

from django.http import HttpResponse

from clinic import poke
from clinic.access import GET_POST, portal_view
from clinic.actions import signatures
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, answer


@portal_view(methods=GET_POST)
def mail_signing_code(request: PortalRequest) -> HttpResponse:
    """Mail the patient who asks a new code, and say so; in place when the page of a form asked for it."""
    context: dict[str, Any] = {"is_part": bool(request.htmx)}
    if request.method == "POST":
        try:
            signatures.mail_code(by=request.user, now=request.now)
        except Refused as refusal:
            context["refusal"] = str(refusal)
        else:
            poke.post_office()
            context["is_sent"] = True
    status = UNPROCESSABLE if "refusal" in context else 200
    return answer(request, "clinic/mail_signing_code.html", context, part="signing_code", status=status)
