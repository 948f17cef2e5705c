"""Every URL x every member of the cast x GET and POST, with the expectation derived from the role table.

The records in the paths are Denver's and Pat's, so Phoenix people and Quinn are strangers to all of them. A URL with an
argument nobody listed in ``RECORDS`` fails: say whose record it is.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse
from django.urls.resolvers import RegexPattern
from pytest_django import DjangoDbBlocker

from clinic.access import GET, ROLE_PERMISSIONS, Permission, Policy
from clinic.checks import every_url, is_ours, policy_of
from clinic.models import AuditEvent, Role, User

from . import factories, matrix_records
from .cast import STAFF, Cast, make_cast

pytestmark = pytest.mark.django_db

URLS = {name: pattern for name, pattern in every_url() if is_ours(pattern)}
PEOPLE = [name.split()[0].lower() for name in STAFF]


def arguments(pattern: URLPattern) -> list[str]:
    """Return the names of a path's arguments, whether it is written as a route or as a regular expression."""
    if isinstance(pattern.pattern, RegexPattern):
        return sorted(pattern.pattern.regex.groupindex)
    return sorted(pattern.pattern.converters)


def held_at(first_name: str, permission: Permission) -> set[str]:
    """Return the places ("denver", "phoenix") at which the cast's role table gives a permission."""
    rows = next(rows for name, rows in STAFF.items() if name.split()[0].lower() == first_name)
    return {place for place, role, _flags in rows if permission in ROLE_PERMISSIONS[Role(role)]}


def roles_of(first_name: str) -> frozenset[Role]:
    """Return which roles somebody of the cast has, wherever that is."""
    rows = next(rows for name, rows in STAFF.items() if name.split()[0].lower() == first_name)
    return frozenset(role for _place, role, _flags in rows)


def turns(name: str) -> int:
    """Return 1 or -1, the same for a URL in every run: where one of two like people is asked, they take turns."""
    return 1 if zlib.crc32(name.encode()) % 2 else -1


@dataclass
class World:
    """The house with everybody in it, made once for the whole module; ``answer_of`` leaves it as it was."""

    cast: Cast
    records: dict[str, Any]
    sessions: dict[User, str]

    def path(self, name: str) -> str:
        values = {}
        for argument in arguments(URLS[name]):
            assert argument in self.records, f"{name} takes {argument}: list it in tests/matrix_records.py"
            values[argument] = self.records[argument]
        return reverse(name, kwargs=values)

    def client(self, user: User) -> Client:
        """Return a fresh client with that person's live session, whatever an earlier request did to its cookies."""
        client = Client()
        client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[user]
        return client


def _session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    session = client.session
    session["second_factor"] = True
    # What the first request would write, at every request of which the writing is taken back.
    session["began_at"] = session["seen_at"] = factories.NOON.timestamp()
    session.save()
    return str(session.session_key)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with (
        django_db_blocker.unblock(),
        time_machine.travel(factories.NOON, tick=False),
        transaction.atomic(),
    ):
        cast = make_cast()
        records = matrix_records.make_all(cast)
        people = [*cast.staff().values(), cast.pat_user, cast.quinn_user]
        yield World(cast, records, {user: _session_of(user) for user in people})
        transaction.set_rollback(True)


def response_of(client: Client, method: str, path: str) -> Any:
    """Return the answer, and take back whatever the request did, so that the next person finds the same house."""
    with transaction.atomic():
        response = client.generic(method, path, headers={"Accept": "text/html"})
        transaction.set_rollback(True)
    return response


def answer_of(client: Client, method: str, path: str) -> int:
    """Return the status alone."""
    return int(response_of(client, method, path).status_code)


WELL = {200, 204, 302, 303, 400, 422}


def policy_named(name: str) -> Policy:
    policy = policy_of(URLS[name])
    assert policy is not None
    return policy


@pytest.mark.parametrize("name", sorted(URLS))
def test_nobody_signed_in(world: World, name: str) -> None:
    policy, path = policy_named(name), world.path(name)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        response = response_of(Client(), method, path)
        got = response.status_code
        if method not in policy.methods:
            assert got == 405, f"{method} {name}"
        elif policy.audience == "public":
            assert got in WELL | {404, 503}, f"{method} {name}: {got}"
        elif policy.audience == "device":
            # No sign-in opens the page of an enrolled screen: tests/assessments/test_kiosk.py.
            assert response.headers["Location"] == reverse("clinic:set_up_device"), name
        else:
            assert got == 302, f"{method} {name}: {got}"
            assert response.headers["Location"].startswith(reverse("account_login")), f"{method} {name}"


@pytest.mark.parametrize("name", sorted(n for n in URLS if policy_named(n).audience == "staff"))
def test_staff_pages(world: World, name: str) -> None:
    policy, path = policy_named(name), world.path(name)
    assert policy.permission is not None
    has_record = bool(set(arguments(URLS[name])) - matrix_records.NOT_RECORDS)
    refused: set[frozenset[Role]] = set()
    for person in PEOPLE[:: turns(name)]:
        held = held_at(person, policy.permission)
        # A role that does not hold the permission is refused before any record is looked at: one of each is asked, by turns
        # at the record's own place and at the other.
        if not held and roles_of(person) in refused:
            continue
        if not held:
            refused.add(roles_of(person))
        client = world.client(getattr(world.cast, person))
        for method in sorted(policy.methods - {"HEAD"}):
            got = answer_of(client, method, path)
            said = f"{method} {name} as {person}: {got}"
            if not held:
                assert got == 403, said
            elif has_record and ("denver" not in held or person in matrix_records.strangers_to(name)):
                assert got == 404, said
            else:
                assert got in WELL, said
    # No patient is staff, whoever the record is about.
    patient = world.cast.pat_user if turns(name) > 0 else world.cast.quinn_user
    for method in sorted(policy.methods - {"HEAD"}):
        assert answer_of(world.client(patient), method, path) == 403, f"{method} {name} as a patient"


@pytest.mark.parametrize("name", sorted(n for n in URLS if policy_named(n).audience == "portal"))
def test_portal_pages(world: World, name: str) -> None:
    policy, path = policy_named(name), world.path(name)
    has_record = bool(set(arguments(URLS[name])) - matrix_records.NOT_RECORDS)
    for method in sorted(policy.methods - {"HEAD"}):
        for person in ("frida", "dana", "ada", "petra"):
            assert answer_of(world.client(getattr(world.cast, person)), method, path) == 403, (
                f"{method} {name} as {person}"
            )
        stranger = answer_of(world.client(world.cast.quinn_user), method, path)
        own = answer_of(world.client(world.cast.pat_user), method, path)
        if has_record:
            assert stranger == 404, f"{method} {name} as Quinn on Pat's: {stranger}"
        assert own in WELL, f"{method} {name} as Pat: {own}"


@pytest.mark.parametrize("name", sorted(n for n in URLS if policy_named(n).audience == "device"))
def test_pages_of_screens(world: World, name: str) -> None:
    """Nobody's sign-in counts on the page of an enrolled screen, and no other screen's credential."""
    policy, path = policy_named(name), world.path(name)
    for person in (*PEOPLE, "pat_user", "quinn_user"):
        for method in sorted(policy.methods - {"HEAD"}):
            client = world.client(getattr(world.cast, person))
            client.cookies[settings.DEVICE_COOKIE_NAME] = "made-up"
            assert answer_of(client, method, path) == 302, f"{method} {name} as {person}"


@pytest.mark.parametrize("name", sorted(n for n in URLS if "POST" in policy_named(n).methods))
def test_no_post_without_its_token(world: World, name: str) -> None:
    client = Client(enforce_csrf_checks=True)
    owner = {"staff": world.cast.frida, "signed_in": world.cast.frida, "portal": world.cast.pat_user}
    if (who := owner.get(policy_named(name).audience)) is not None:
        client.cookies = world.client(who).cookies
    assert client.post(world.path(name), {}).status_code == 403


@pytest.mark.parametrize("name", sorted(n for n in URLS if policy_named(n).methods == frozenset({"POST"})))
def test_links_change_nothing(world: World, name: str) -> None:
    """A verb is never reached by GET or HEAD, so no prefetcher and no image tag can pull it."""
    for who in (world.cast.frida, world.cast.pat_user):
        for method in GET:
            assert answer_of(world.client(who), method, world.path(name)) == 405


def test_a_refusal_is_audited(world: World) -> None:
    before = AuditEvent.objects.filter(verb="permission.refused").count()
    world.client(world.cast.milo).get(reverse("patients:referrals"))
    row = AuditEvent.objects.filter(verb="permission.refused").latest("id")
    assert AuditEvent.objects.filter(verb="permission.refused").count() == before + 1
    assert (row.actor_id, row.details["page"]) == (world.cast.milo.pk, "patients:referrals")


def test_a_refusal_says_why_and_what_next(world: World) -> None:
    said = world.client(world.cast.milo).get(reverse("patients:referrals")).content.decode()
    assert "Your role does not include this. Ask a manager if it should." in said


def test_a_closed_door_is_audited(world: World) -> None:
    """Somebody else's record answers 404 like one that is not there, and leaves the id that was tried."""
    path = reverse("sessions:portal_visit", kwargs={"appointment_id": world.records["appointment_id"]})
    assert world.client(world.cast.quinn_user).get(path).status_code == 404
    row = AuditEvent.objects.filter(verb="permission.refused").latest("id")
    assert row.actor_id == world.cast.quinn_user.pk
    assert row.details["appointment_id"] == str(world.records["appointment_id"])


def test_a_leaver_is_out_at_once(world: World) -> None:
    client, page = world.client(world.cast.felix), reverse("patients:patients")
    assert client.get(page).status_code == 200
    with transaction.atomic():
        User.objects.filter(pk=world.cast.felix.pk).update(is_active=False, left_at=world.cast.felix.created_at)
        assert client.get(page).status_code == 302
        transaction.set_rollback(True)
