"""System checks: every URL of ours has a policy, and every URL of somebody else's is on a list with a reason.

What production refuses in its settings is in clinic/production.py; it must hold before Django is set up at all.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.urls import URLPattern, URLResolver, get_resolver

from clinic.access import Policy
from clinic.accounts import THIRD_PARTY_URLS

OURS = ("clinic.", "patients.", "assessments.", "sessions.", "fhir.", "reports.")


def every_url() -> Iterator[tuple[str, URLPattern]]:
    """Yield (full name, pattern) of every URL of the project, with namespaces: "patients:referrals"."""
    yield from _walk(get_resolver(), "")


def _walk(resolver: URLResolver, namespace: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _walk(entry, inner)
        else:
            yield f"{namespace}{entry.name or '(nameless)'}", entry


def policy_of(pattern: URLPattern) -> Policy | None:
    """Return the policy the view's decorator left on it, or None."""
    found: Policy | None = getattr(pattern.callback, "policy", None)
    return found


def is_ours(pattern: URLPattern) -> bool:
    """Return whether the view is written in this project."""
    return f"{pattern.callback.__module__}.".startswith(OURS)


@register()
def every_view_has_a_policy(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse to start with a view of ours without a policy, or a third party's that nobody vouched for."""
    found: list[CheckMessage] = []
    for name, pattern in every_url():
        if is_ours(pattern):
            if policy_of(pattern) is None:
                found.append(
                    Error(
                        f"{name} has no policy.",
                        hint="Decorate the view with staff_view, portal_view, device_view or public_view(because=...).",
                        id="stillwater.E001",
                    )
                )
        elif name not in THIRD_PARTY_URLS:
            found.append(
                Error(
                    f"{name} belongs to somebody else and is not on the list.",
                    hint="Add it to clinic.accounts.THIRD_PARTY_URLS with the reason why it may be reached, or remove it.",
                    id="stillwater.E002",
                )
            )
    return found
