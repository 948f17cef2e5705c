"""What production refuses to start with. Pure: settings.py calls it with its own values before anything is served."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

# Keys made by script/demo and the tests begin with this, so that one of them is known anywhere.
DEVELOPMENT_PREFIX = "development-"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def refusals(values: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every value that must not be served with; empty when all is well.

    ``values`` are the names of settings.py. With ``DEVELOPMENT`` on, the only demand is that nobody else can reach the
    place: its address must be this machine's own.
    """
    host = urlsplit(values["SITE_URL"]).hostname or ""
    if values["DEVELOPMENT"]:
        return (
            [] if host in LOOPBACK else ["DEVELOPMENT=1 is for localhost only. Unset it, or set SITE_URL to localhost."]
        )
    found: list[str] = []
    for name in ("SECRET_KEY", "AUDIT_KEY"):
        key = str(values[name])
        if len(key) < 32 or key.startswith(DEVELOPMENT_PREFIX):
            found.append(
                f"{name} is missing, short or a development key. Make one of 50 random characters and keep it safe."
            )
    if not values["FIELD_KEYS"]:
        found.append("FIELD_KEYS is missing. Encrypted fields could be neither written nor read; see docs/runbook.md.")
    if not values["AUDIT_ANCHOR_FILE"]:
        found.append("AUDIT_ANCHOR_FILE is missing. Name a file outside the database that is backed up.")
    if values["DEBUG"]:
        found.append("DEBUG=1 shows records to whoever causes an error. Unset it.")
    if values["DEMO_MODE"]:
        found.append("DEMO_MODE=1 lets anybody sign in as anybody. Unset it.")
    if not values["SECURE"]:
        found.append("SITE_URL must begin with https://, or cookies travel in the clear.")
    if any("*" in name or name.startswith(".") for name in values["ALLOWED_HOSTS"]):
        found.append("ALLOWED_HOSTS must name hosts and no wildcards.")
    if values["CLOCK_OFFSET_SECONDS"] or values["CLOCK_FROZEN_AT"]:
        found.append("The clock is shifted or frozen. Unset CLOCK_OFFSET_SECONDS and CLOCK_FROZEN_AT.")
    return found
