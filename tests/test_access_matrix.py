"""Every URL x every member of the cast x GET and POST, with the expectation derived from the role table.

The records in the paths are Denver's and Pat's, so Phoenix people and Quinn are strangers to all of them. A URL with an
argument nobody listed in ``RECORDS`` fails: say whose record it is.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse
from django.urls.resolvers import RegexPattern

from clinic.access import GET, ROLE_PERMISSIONS, Permission, Policy
from clinic.checks import every_url, is_ours, policy_of
from clinic.models import AuditEvent, Role, User

from . import matrix_records
from .cast import STAFF, Cast
from .conftest import SignedIn

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


@dataclass
class World:
    cast: Cast
    records: dict[str, Any]

    def path(self, name: str) -> str:
        values = {}
        for argument in arguments(URLS[name]):
            key = f"{name}:{argument}" if f"{name}:{argument}" in self.records else argument
            assert key in self.records, f"{name} takes {argument}: list it in tests/matrix_records.py"
            values[argument] = self.records[key]
        return reverse(name, kwargs=values)


@pytest.fixture
def world(cast: Cast, now: Any) -> World:
    return World(cast, matrix_records.make_all(cast))


def answer_of(client: Client, method: str, path: str) -> int:
    """Return the status, and take back whatever the request did, so that the next person finds the same house."""
    with transaction.atomic():
        status = int(client.generic(method, path, headers={"Accept": "text/html"}).status_code)
        transaction.set_rollback(True)
    return status


WELL = {200, 204, 302, 303, 400, 422}


def policy_named(name: str) -> Policy:
    policy = policy_of(URLS[name])
    assert policy is not None
    return policy


@pytest.mark.parametrize("name", sorted(URLS))
def test_nobody_signed_in(world: World, name: str) -> None:
    policy, path = policy_named(name), world.path(name)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        client = Client()
        got = answer_of(client, method, path)
        if method not in policy.methods:
            assert got == 405, f"{method} {name}"
        elif policy.audience == "public":
            assert got in WELL | {404, 503}, f"{method} {name}: {got}"
        else:
            response = client.generic(method, path)
            assert response.status_code == 302, f"{method} {name}: {got}"
            assert response.headers["Location"].startswith(reverse("account_login")), f"{method} {name}"


@pytest.mark.parametrize("name", sorted(n for n in URLS if policy_named(n).audience == "staff"))
def test_staff_pages(world: World, signed_in: SignedIn, name: str) -> None:
    policy, path = policy_named(name), world.path(name)
    assert policy.permission is not None
    has_record = bool(set(arguments(URLS[name])) - matrix_records.NOT_RECORDS)
    for person in PEOPLE:
        held = held_at(person, policy.permission)
        client = signed_in(getattr(world.cast, person))
        for method in sorted(policy.methods - {"HEAD"}):
            got = answer_of(client, method, path)
            said = f"{method} {name} as {person}: {got}"
            if not held:
                assert got == 403, said
            elif has_record and ("denver" not in held or person in matrix_records.strangers_to(name)):
                assert got == 404, said
            else:
                assert got in WELL, said
    for patient in (world.cast.pat_user, world.cast.quinn_user):
        for method in sorted(policy.methods - {"HEAD"}):
            assert answer_of(signed_in(patient), method, path) == 403, f"{method} {name} as a patient"


@pytest.mark.parametrize("name", sorted(n for n in URLS if policy_named(n).audience == "portal"))
def test_portal_pages(world: World, signed_in: SignedIn, name: str) -> None:
    policy, path = policy_named(name), world.path(name)
    has_record = bool(set(arguments(URLS[name])) - matrix_records.NOT_RECORDS)
    for method in sorted(policy.methods - {"HEAD"}):
        for person in ("frida", "dana", "ada", "petra"):
            assert answer_of(signed_in(getattr(world.cast, person)), method, path) == 403, (
                f"{method} {name} as {person}"
            )
        stranger = answer_of(signed_in(world.cast.quinn_user), method, path)
        own = answer_of(signed_in(world.cast.pat_user), method, path)
        if has_record:
            assert stranger == 404, f"{method} {name} as Quinn on Pat's: {stranger}"
        assert own in WELL, f"{method} {name} as Pat: {own}"


@pytest.mark.parametrize("name", sorted(n for n in URLS if "POST" in policy_named(n).methods))
def test_no_post_without_its_token(world: World, name: str) -> None:
    client = Client(enforce_csrf_checks=True)
    if policy_named(name).audience in {"staff", "signed_in"}:
        client.force_login(world.cast.frida)
    elif policy_named(name).audience == "portal":
        client.force_login(world.cast.pat_user)
    assert client.post(world.path(name), {}).status_code == 403


@pytest.mark.parametrize("name", sorted(n for n in URLS if policy_named(n).methods == frozenset({"POST"})))
def test_links_change_nothing(world: World, signed_in: SignedIn, name: str) -> None:
    """A verb is never reached by GET or HEAD, so no prefetcher and no image tag can pull it."""
    for who in (world.cast.frida, world.cast.pat_user):
        for method in GET:
            assert answer_of(signed_in(who), method, world.path(name)) == 405


def test_a_refusal_is_audited(world: World, signed_in: SignedIn) -> None:
    before = AuditEvent.objects.filter(verb="permission.refused").count()
    signed_in(world.cast.milo).get(reverse("patients:referrals"))
    row = AuditEvent.objects.filter(verb="permission.refused").latest("id")
    assert AuditEvent.objects.filter(verb="permission.refused").count() == before + 1
    assert (row.actor_id, row.details["page"]) == (world.cast.milo.pk, "patients:referrals")


def test_a_leaver_is_out_at_once(world: World, signed_in: SignedIn) -> None:
    client = signed_in(world.cast.felix)
    assert client.get(reverse("patients:patients")).status_code == 200
    User.objects.filter(pk=world.cast.felix.pk).update(is_active=False, left_at=world.cast.felix.created_at)
    assert client.get(reverse("patients:patients")).status_code == 302
