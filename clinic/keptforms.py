"""What somebody typed into a form that arrived after their sign-in had ended: kept for them, for half an hour.

Kept sealed in the cache under a random key that only a cookie of the browser knows, bound to the person who was signed in
there, and shown to nobody else (docs/decisions/0014-kept-forms.md). The server never sends it again by itself: the page
of the form shows it, fills it in where a browser can, and the person presses the button.
"""

import contextlib
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from clinic import keyring, tokens
from clinic.models import User

KEPT_FOR = timedelta(minutes=30)
# Characters of a sealed form; longer ones are not kept, and the person is told.
MOST = 200_000
# Late forms of one person that are kept within KEPT_FOR: more than anybody types, and too few to fill Redis.
MOST_AT_ONCE = 10

# In the session: who was signed in here last.
_LAST_HERE = "last_here"

# Parts of names whose values are never kept, wherever they stand.
SECRET_PARTS = frozenset(
    {"password", "password1", "password2", "oldpassword", "secret", "token", "csrfmiddlewaretoken", "otp", "pin", "code",
     "credential"}
)  # fmt: skip
# Names that pages send along and nobody types.
_MACHINE_NAMES = frozenset({"entry_key", "next", "website", "go", "revision"})
# Which version of a record one typed over. It goes back into the form unseen, so that whoever changed the record since
# is not overruled by a form that looks as if it knew.
_SEEN = "version"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)


@dataclass(frozen=True)
class KeptField:
    name: str
    values: list[str]

    @property
    def label(self) -> str:
        """Return the name in words; the field's own label stands in the form."""
        return self.name.replace("_", " ").capitalize()

    @property
    def is_words(self) -> bool:
        """Return whether a person reads something in it, and not only a machine."""
        return self.name != _SEEN and any(
            value.strip() and not _ID.search(value) and value != "on" for value in self.values
        )


@dataclass(frozen=True)
class KeptForm:
    """``page`` is where its form stands, ``action`` where it was sent to; both are paths of ours."""

    page: str
    action: str
    fields: list[KeptField]

    @property
    def has_words(self) -> bool:
        return any(field.is_words for field in self.fields)


def is_secret(name: str) -> bool:
    """Return whether a field of that name may hold what must never be kept: a password, a code, a token."""
    return bool(SECRET_PARTS & set(re.split(r"[^a-z0-9]+", name.lower())))


def remember_who_left(request: HttpRequest, user: User, location_id: object, session_key: str) -> None:
    """Note in the new, empty session whose sign-in has just run out here, so that their form is kept for them alone.

    A minute long the old session's key tells it too: a form that is on its way while a poll hears of the end still
    carries that one.
    """
    left = {"user": str(user.pk), "location": str(location_id) if location_id else ""}
    request.session[_LAST_HERE] = left
    with contextlib.suppress(RedisError):
        cache.set(_ended(session_key), left, timeout=60)


def _who_left(request: HttpRequest) -> dict[str, str] | None:
    left: dict[str, str] | None = request.session.get(_LAST_HERE)
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    if left is None and cookie:
        with contextlib.suppress(RedisError):
            left = cache.get(_ended(cookie))
    return left


def keep(request: HttpRequest, page: str) -> str:
    """Keep the form that a signed-out browser has just sent, and return its key for ``hand_over``; "" when it is not kept.

    Refuses what nobody can be told to own: without a sign-in that ran out here there is no one to keep it for. allauth's
    forms hold passwords and codes and are never kept, and files are not read at all.
    """
    left = _who_left(request)
    match = request.resolver_match
    if not left or match is None or not match.namespaces:
        return ""
    fields = [
        [name, request.POST.getlist(name)]
        for name in request.POST
        if name not in _MACHINE_NAMES and not is_secret(name) and any(request.POST.getlist(name))
    ]
    now: datetime = request.now  # type: ignore[attr-defined]  # set by clinic.middleware
    said = {"user": left["user"], "location": left["location"], "page": page, "action": request.path, "fields": fields,
            "until": (now + KEPT_FOR).timestamp()}  # fmt: skip
    sealed = keyring.seal(json.dumps(said))
    if len(sealed) > MOST:
        return ""
    drop(request)
    key = tokens.new()
    try:
        if _one_more_of(left["user"]) > MOST_AT_ONCE:
            return ""
        cache.set(_address(key), sealed, timeout=KEPT_FOR.total_seconds())
    except RedisError:
        return ""
    return key


def _one_more_of(user_id: str) -> int:
    """Return how many late forms of this person came within the last half hour, with this one."""
    counter = f"kept-forms-of:{user_id}"
    cache.add(counter, 0, timeout=KEPT_FOR.total_seconds())
    try:
        return int(cache.incr(counter))
    except ValueError:
        # It ran out between the two questions.
        return 1


def hand_over(response: HttpResponse, key: str) -> None:
    """Give the browser the key of its form: in a cookie of its own, because the session changes hands just now.

    A poll that hears of the end at the same moment starts a session too, and whichever comes last would win.
    """
    response.set_cookie(
        settings.KEPT_COOKIE_NAME, key, max_age=KEPT_FOR, secure=settings.SECURE, httponly=True, samesite="Lax"
    )


def waits(request: HttpRequest) -> str:
    """Return the sentence for the sign-in page when a form waits here: that it does, and never what or whose."""
    said = _read(request)
    if said is None:
        return ""
    if any(KeptField(name, values).is_words for name, values in said["fields"]):
        return _(
            "You were signed out before that was saved. What you typed is kept for half an hour: sign in again, as the same "
            "person, and it is there. Nobody else sees it."
        )
    return _("You were signed out before that was done. Nothing was changed: sign in again, and press it once more.")


def claim(request: HttpRequest, user: User) -> None:
    """Give whoever has just signed in their form back. Somebody else's is thrown away, and so is the note of who left."""
    left = request.session.pop(_LAST_HERE, None)
    said = _read(request)
    if said is None or said["user"] != str(user.pk):
        drop(request)
        return
    if left and left["location"]:
        request.session["location_id"] = left["location"]


def of(request: HttpRequest) -> KeptForm | None:
    """Return the form that is kept for the person who is signed in here; None for everybody else, and after its time."""
    said = _read(request)
    user = getattr(request, "user", None)
    if said is None or not isinstance(user, User) or said["user"] != str(user.pk):
        return None
    return KeptForm(said["page"], said["action"], [KeptField(name, values) for name, values in said["fields"]])


def on_this_page(request: HttpRequest) -> KeptForm | None:
    """Return the kept form whose page this is. A page that answers a form shows what was typed just now instead."""
    kept = of(request) if request.method == "GET" else None
    return kept if kept is not None and kept.page == request.get_full_path() else None


def way_back(request: HttpRequest) -> str:
    """Return the path of the page that a kept form stands on; "" when none is kept for this person."""
    kept = of(request)
    return kept.page if kept else ""


def settle(request: HttpRequest, response: HttpResponseBase) -> None:
    """Throw the kept form away once the same form was sent again and taken."""
    if request.method == "POST" and response.status_code < 400:
        kept = of(request)
        if kept is not None and kept.action == request.path:
            drop(request)


def drop(request: HttpRequest) -> None:
    """Throw away what is kept in this browser, if anything is."""
    key = request.COOKIES.get(settings.KEPT_COOKIE_NAME)
    if key:
        # Without Redis it goes by itself, sealed as it is.
        with contextlib.suppress(RedisError):
            cache.delete(_address(key))


def page_of(request: HttpRequest, methods: frozenset[str]) -> str:
    """Return where the form of a POST stands: at its own address, else on the page it was pressed on, else on a page of its own."""
    if "GET" in methods:
        return request.get_full_path()
    sent_from = urlsplit(request.headers.get("HX-Current-URL") or request.headers.get("Referer") or "")
    if sent_from.netloc != request.get_host() or not _is_our_page(sent_from.path):
        return reverse("clinic:kept_form")
    return sent_from.path + (f"?{sent_from.query}" if sent_from.query else "")


def _is_our_page(path: str) -> bool:
    """Return whether a path is a page that a form of ours can stand on. allauth's send on whoever is signed in."""
    try:
        match = resolve(path)
    except Resolver404:
        return False
    policy = getattr(match.func, "policy", None)
    # Files and what machines read end without a slash.
    return (
        path.endswith("/")
        and bool(match.namespaces)
        and policy is not None
        and "GET" in policy.methods
        and not policy.is_poll
    )


def _address(key: str) -> str:
    return f"kept-form:{tokens.hash_of(key)}"


def _ended(session_key: str) -> str:
    return f"ended-session:{tokens.hash_of(session_key)}"


def _read(request: HttpRequest) -> dict[str, Any] | None:
    """Return what is kept in this browser, or None when nothing is, when its time is over or its key was lost."""
    key = request.COOKIES.get(settings.KEPT_COOKIE_NAME)
    if not key:
        return None
    try:
        sealed = cache.get(_address(key))
        said: dict[str, Any] | None = json.loads(keyring.unseal(sealed)) if sealed else None
    except (RedisError, keyring.KeyLost):
        return None
    now: datetime = request.now  # type: ignore[attr-defined]  # set by clinic.middleware
    return said if said and said["until"] >= now.timestamp() else None
