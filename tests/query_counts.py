"""How many queries a page asks, once a process has filled what it keeps; and the file that remembers the numbers."""

import json
from pathlib import Path

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinic import clock, homelocation, policy

GOLDEN = Path(__file__).with_suffix(".json")


def show(client: Client, address: str) -> None:
    """Show a page once. Refuses what is none."""
    status = client.get(address).status_code
    # 503 is what /healthz says while no worker runs.
    assert status in {200, 302} or (status, address) == (503, "/healthz"), f"{address}: {status}"


def queries(client: Client, address: str, *, shown: int = 0) -> list[str]:
    """Return the queries of the third showing of a page, or of the next where it was shown more often before.

    The policy, a session's clock and the read-audit's mark are kept between showings and asked of the database rarely.
    """
    for _ in range(shown, 2):
        show(client, address)
    # Kept for a minute of the machine's time, which a busy machine may let go by in the middle of this: kept anew just before.
    policy.forget()
    homelocation.forget()
    policy.session_timeouts(clock.now())
    homelocation.public_name()
    with CaptureQueriesContext(connection) as asked:
        client.get(address)
    return [query["sql"] for query in asked.captured_queries]


def golden() -> dict[str, int]:
    """Return the number of queries of each page as it was when somebody last agreed to it."""
    known: dict[str, int] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    return known


def keep(counts: dict[str, int]) -> None:
    """Write the numbers, one line a page, for a reviewer to read."""
    GOLDEN.write_text(json.dumps(counts, indent=2, sort_keys=True) + "\n")
