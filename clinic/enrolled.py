"""Which enrolled screen a request comes from: known by the credential in a cookie that only this browser has.

The credential is looked up at every request, so that a screen is closed the moment a manager revokes it.
"""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from clinic import tokens
from clinic.models import EnrolledDevice

# A screen stays enrolled until it is revoked; browsers forget a cookie after some 400 days.
KEPT_FOR = timedelta(days=390)


def device_of(request: HttpRequest) -> EnrolledDevice | None:
    """Return the screen that this browser was set up as, with its location; None when it is none, or revoked."""
    credential = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
    if not credential:
        return None
    rows = EnrolledDevice.objects.filter(credential_hash=tokens.hash_of(credential), revoked_at=None)
    return rows.select_related("location").first()


def remember(response: HttpResponse, credential: str) -> None:
    """Give the browser the credential of the screen that it is from now on."""
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME, credential, max_age=KEPT_FOR, secure=settings.SECURE, httponly=True,
        samesite="Strict",
    )  # fmt: skip
