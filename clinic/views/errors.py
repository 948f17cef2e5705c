"""The pages for what went wrong. Each says a sentence and a way on; none says what exists and what does not.

A view that answers a closed door with a page of its own (the chart does) audits it here like every other.
"""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from clinic import audit, clock
from clinic.http import WentElsewhere
from clinic.models import Outcome, User


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the 400 page."""
    return render(request, "400.html", status=400)


def not_permitted(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the 403 page and leave an audit row: somebody tried what is not theirs to do."""
    audit_refusal(request)
    said = str(exception) if isinstance(exception, PermissionDenied) else ""
    return render(request, "403.html", {"reason": said}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the 404 page; the same one for "not there" and "not yours". A door may know where the thing went, and for whom.

    When somebody who is signed in asked for a record by its id, the try is audited: a door was closed to them.
    """
    if isinstance(exception, WentElsewhere):
        return render(request, "404.html", {"went": exception}, status=404)
    match = request.resolver_match
    if match is not None and match.kwargs and isinstance(getattr(request, "user", None), User):
        audit_refusal(request)
    return render(request, "404.html", status=404)


def audit_refusal(request: HttpRequest) -> None:
    """Write who tried which page of ours on which record. Ids only: a token or anything else in a path is a secret."""
    user = getattr(request, "user", None)
    match = request.resolver_match
    ids = {name: str(value) for name, value in (match.kwargs if match else {}).items() if isinstance(value, UUID)}
    audit.record(
        user if isinstance(user, User) else None,
        audit.Verb.PERMISSION_REFUSED,
        None,
        now=getattr(request, "now", None) or clock.now(),
        outcome=Outcome.REFUSED,
        details={"page": match.view_name if match else "", "method": request.method, **ids},
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the 500 page, rendered without anything that could fail again."""
    return render(request, "500.html", status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the page for a form that came without its proof, usually because the sign-in ended meanwhile."""
    return render(request, "errors/csrf.html", status=403)
