"""Fixtures everybody uses: the cast, clients that are signed in, the application's database role.

Tests run as the application's role and not as the owner of the tables, so that what production may not do fails here
too. The database is made, and emptied between transactional tests, as the owner.
"""

import contextlib
import fcntl
import gc
import os
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client, TransactionTestCase
from pytest_django import DjangoDbBlocker

from clinic import grants, homelocation, policy
from clinic.middleware import schema
from clinic.models import User
from clinic.sessionstore import SessionStore

from . import factories, services
from .cast import Cast, cast_again

# Whitenoise would list every file anew for each test client, which took longer than the requests. What production does
# with collected files is tested in tests/clinic/test_compose.py.
django_settings.WHITENOISE_AUTOREFRESH = True
django_settings.WHITENOISE_MAX_AGE = 600


@pytest.hookimpl(wrapper=True, tryfirst=True)  # last to have its say: pytest-randomly has shuffled by then
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Begin what is marked long first, on every worker, so that at the end nobody waits for one long test."""
    yield
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    rest = [item for item in items if not item.get_closest_marker("long")]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        # pytest-xdist deals the tests out in as many runs as there are workers.
        share, mine = (len(items) - len(ordered)) // (workers - worker), long[worker::workers]
        others = max(share - len(mine), 0)
        ordered += mine + rest[:others]
        rest = rest[others:]
    items[:] = ordered


def pytest_collection_finish() -> None:
    """Leave what is loaded out of every search for garbage: looking through all of it again and again is a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _become(role: str | None) -> None:
    connection.settings_dict["OPTIONS"]["assume_role"] = role
    connection.close()


@contextlib.contextmanager
def owner_rights() -> Iterator[None]:
    """Run the block as the owner of the tables, for what only releases and test clean-up may do."""
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'SET ROLE "{django_settings.DATABASE_APP_ROLE}"')


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Make the tables once for all workers: the first makes a pattern, and the database of each is a copy of it."""
    if "PYTEST_XDIST_WORKER" not in os.environ or services.OWN_DATABASE not in os.environ:
        return
    names, wanted, pattern = connection.settings_dict["TEST"], connection.settings_dict["NAME"], "pattern"
    own = names["NAME"]
    # Any file would do to wait for one another at.
    with Path(__file__).open() as lock, django_db_blocker.unblock():
        fcntl.flock(lock, fcntl.LOCK_EX)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [pattern])
            is_there = cursor.fetchone()
        connection.close()
        if not is_there:
            names["NAME"] = pattern
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            connection.close()
            names["NAME"] = own
            connection.settings_dict["NAME"] = django_settings.DATABASES["default"]["NAME"] = wanted
    names["TEMPLATE"] = pattern


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give the application's role its rights on the new test database, and become it until the end."""
    with django_db_blocker.unblock():
        grants.grant(connection)
        _become(django_settings.DATABASE_APP_ROLE)
    with pytest.MonkeyPatch.context() as patch:
        # What is append-only only the owner can empty.
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty_as_owner)
        yield
    with django_db_blocker.unblock():
        _become(None)


# What TRUNCATE does to every table takes half a second, and after a test a dozen of them hold a few rows. Row triggers refuse
# changes of what is append-only; the checks between tables stay on.
EMPTY = """
DO $body$
DECLARE
    name text;
    has_rows boolean;
    filled text[] := '{}';
BEGIN
    FOR name IN
        SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || name || ')' INTO has_rows;
        IF has_rows THEN
            filled := filled || name;
            EXECUTE 'ALTER TABLE ' || name || ' DISABLE TRIGGER USER';
        END IF;
    END LOOP;
    FOREACH name IN ARRAY filled LOOP EXECUTE 'DELETE FROM ' || name; END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    FOREACH name IN ARRAY filled LOOP EXECUTE 'ALTER TABLE ' || name || ' ENABLE TRIGGER USER'; END LOOP;
END $body$
"""


def _empty_as_owner(self: TransactionTestCase) -> None:
    with owner_rights(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(EMPTY)


@pytest.fixture(autouse=True)
def _fresh_memories() -> Iterator[None]:
    """Forget what processes keep between requests."""
    policy.forget()
    homelocation.forget()
    schema.fits = True
    cache.clear()
    yield
    policy.forget()


@pytest.fixture
def now() -> Iterator[datetime]:
    """Freeze time on a Wednesday at 09:00 in Denver and return that moment."""
    with time_machine.travel(factories.NOON, tick=False):
        yield factories.NOON


@pytest.fixture
def cast(db: None) -> Cast:
    """The whole cast, in the database."""
    return cast_again()


SignedIn = Callable[[User], Client]


@pytest.fixture
def signed_in() -> SignedIn:
    """Return a function that gives a client with a live session of that person, second factor and all."""

    def sign_in(user: User) -> Client:
        # What a sign-in leaves behind; the sign-in itself is tested in tests/clinic/test_sign_in.py.
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = django_settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session["second_factor"] = True
        session.save()
        client = Client()
        client.cookies[django_settings.SESSION_COOKIE_NAME] = str(session.session_key)
        return client

    return sign_in


__all__ = ["SignedIn", "owner_rights"]
