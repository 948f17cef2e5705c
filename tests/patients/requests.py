"""A request as doors see it, for tests of doors that no page of this floor opens."""

from datetime import datetime
from typing import Any

from django.test import RequestFactory

from clinic.models import User


def request_of(user: User, now: datetime) -> Any:
    """Return a request of that person at that moment."""
    request: Any = RequestFactory().get("/")
    request.user, request.now = User.objects.get(pk=user.pk), now
    return request
