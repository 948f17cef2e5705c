"""A real Chromium against a real server for the tests in this folder."""

import os
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django import DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from clinic.models import User
from tests import chromium
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

# Playwright's own event loop runs in this thread; Django would refuse the ORM beside it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
expect.set_options(timeout=10_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lives here, so that it can be chosen or left out by name."""
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def opened(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Browser]:
    """A browser that is gone before the database goes: its open connections hold threads of the server, and they one each."""
    with chromium.browser() as browser:
        yield browser
        with django_db_blocker.unblock():
            # While Playwright's loop runs, this thread has connections of its own, which nobody would find afterwards.
            connections.close_all()


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """The cast in a database that the server's own threads can see."""
    return make_cast()


@pytest.fixture
def site(live_server: LiveServer, settings: object) -> str:
    """Return where the server is. Passkeys and cookies want "localhost"."""
    url = live_server.url.replace("127.0.0.1", "localhost")
    settings.SITE_URL = url  # type: ignore[attr-defined]  # pytest-django's own type
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]  # type: ignore[attr-defined]  # the same
    return str(url)


@pytest.fixture
def context(opened: Browser, site: str) -> Iterator[BrowserContext]:
    """A fresh browser that fails the test on any error of a script or of the content security policy."""
    context = opened.new_context(base_url=site, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(10_000)
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    yield context
    context.close()
    # What Chromium and htmx say of a refusal, and of a network that a test takes away.
    expected = ("Failed to load resource", "htmx:sendError", "htmx:afterRequest")
    complaints = [said for said in wrong if not any(words in said for words in expected)]
    assert not complaints, complaints


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


Enter = Callable[[BrowserContext, User], None]


@pytest.fixture
def enter(signed_in: SignedIn, site: str) -> Enter:
    """Return a function that gives a browser the live session of somebody."""

    def come_in(context: BrowserContext, user: User) -> None:
        client: Client = signed_in(user)
        # As after a password and a code a moment ago: pages about how one signs in ask for no less.
        session = client.session
        session["account_authentication_methods"] = [{"method": "password", "at": time.time(), "email": user.email}]
        session.save()
        name = django_settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": site}])

    return come_in
