"""Requests as our views know them, and the two ways to answer: a page or its part, and a redirect.

htmx is a courtesy: the same view answers a plain request with the whole page and an htmx request with the part named.
"""

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.encoding import iri_to_uri
from django_htmx.middleware import HtmxDetails

from clinic.models import EnrolledDevice, Location, User

# A form that was refused is shown again with this, so that no cache, script or test takes it for success.
UNPROCESSABLE = 422


class OurRequest(HttpRequest):
    """``now`` is one moment for the whole request, set by clinic.middleware."""

    htmx: HtmxDetails
    now: datetime


class StaffRequest(OurRequest):
    """A request by a member of staff. ``location`` is the one chosen in the top bar."""

    user: User
    location: Location


class PortalRequest(OurRequest):
    user: User


class DeviceRequest(OurRequest):
    """A request by an enrolled screen. Whoever may be signed in on it is nobody here."""

    device: EnrolledDevice


class WentElsewhere(Http404):
    """Nothing is here any more, and whoever asks may know where it went: ``sentence`` says so, ``url`` leads there.

    Raised by doors, and only for somebody who may read what was here. For everybody else there is nothing, and no more is said.
    """

    def __init__(self, sentence: str, *, url: str, label: str) -> None:
        super().__init__(sentence)
        self.sentence, self.url, self.label = sentence, url, label


def answer(
    request: HttpRequest, template: str, context: dict[str, Any], *, part: str = "", status: int = 200
) -> HttpResponse:
    """Return the page, or only its part ``#part`` when htmx asked and the view names one."""
    htmx = getattr(request, "htmx", None)
    if part and htmx and not htmx.boosted:
        template = f"{template}#{part}"
    response = render(request, template, context, status=status)
    # The same URL has two answers; no cache may mix them up.
    response.headers["Vary"] = ", ".join(filter(None, [response.headers.get("Vary", ""), "HX-Request"]))
    return response


def go(request: HttpRequest, to: str, *args: Any, **kwargs: Any) -> HttpResponse:
    """Return a redirect to a URL name, whole-page for htmx too."""
    return go_to(request, reverse(to, args=args, kwargs=kwargs))


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """Return a redirect to a path, whole-page for htmx too."""
    if getattr(request, "htmx", False):
        return redirect_whole_page(url)
    return HttpResponseRedirect(url)


def redirect_whole_page(url: str) -> HttpResponse:
    """Return the answer that makes htmx leave the page it is on."""
    # As Django writes a Location: what is no address, such as a line break, is escaped.
    return HttpResponse(headers={"HX-Redirect": iri_to_uri(url)})
