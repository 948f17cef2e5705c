"""The pages for what went wrong. Each says a sentence and a way on; none says what exists and what does not."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from clinic import audit
from clinic.models import Outcome, User


def _page(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    return render(request, f"{status}.html", {"sentence": sentence}, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the 400 page."""
    return _page(request, 400, _("We could not read that request. Go back and try again."))


def not_permitted(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the 403 page and leave an audit row: somebody tried a door that is not theirs."""
    user = request.user if isinstance(getattr(request, "user", None), User) else None
    match = request.resolver_match
    audit.record(
        user, audit.Verb.PERMISSION_REFUSED, None, now=request.now, outcome=Outcome.REFUSED,  # type: ignore[attr-defined]
        details={"page": match.view_name if match else "", "method": request.method},
    )  # fmt: skip
    sentence = str(exception) if isinstance(exception, PermissionDenied) and str(exception) else ""
    return _page(request, 403, sentence or _("Your role does not include this. Ask a manager if it should."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the 404 page; the same one for "not there" and "not yours"."""
    return _page(
        request, 404, _("There is nothing here that you can open. It may have moved, or it is not yours to see.")
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the 500 page, rendered without anything that could fail again."""
    return render(request, "500.html", status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the page for a form that came without its proof, usually because the sign-in ended meanwhile."""
    return render(request, "errors/csrf.html", status=403)
