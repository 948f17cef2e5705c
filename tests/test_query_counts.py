"""Every page of ours asks as many queries with thirty rows of everything as with one, and as many as agreed.

    UPDATE_QUERY_COUNTS=1 script/test tests/test_query_counts.py

writes tests/query_counts.json anew. A number that rises is looked at by whoever reviews the change.
"""

import os
from collections import Counter
from datetime import datetime

import pytest
from django.test import Client

from clinic.checks import is_ours

from . import matrix_records, query_counts
from .cast import Cast
from .conftest import SignedIn
from .pages import LOOKS, ROWS, fill, get_urls, more_records, paths_of, person

# Pages of a link that is good for one person: without the link there is only the sentence that it is no good.
AWAY = {"assessments:answer_link(token)", "clinic:join(token)", "patients:join_portal(token)"}


def test_every_page_is_listed() -> None:
    """A new page says who opens it in tests/pages.py; one that went away leaves the list."""
    assert sorted(LOOKS) == sorted(get_urls())


@pytest.mark.long
def test_pages_ask_no_more_when_they_are_full(cast: Cast, signed_in: SignedIn, now: datetime) -> None:
    records = more_records(cast, matrix_records.make_all(cast))
    fill(cast, rows=1)
    pages: dict[str, tuple[Client, str]] = {}
    for key in sorted(key for key, pattern in get_urls().items() if is_ours(pattern) and key not in AWAY):
        who = person(cast, LOOKS[key])
        for query, path in zip(LOOKS[key].queries, paths_of(key, records), strict=True):
            # A session of its own: pages remember how they were looked at last.
            pages[f"{LOOKS[key].who or 'anybody'} {key}{query}"] = (signed_in(who) if who else Client(), path)
    for client, path in pages.values():
        # What one page writes to the audit, another one reads.
        query_counts.show(client, path)
    few = {name: query_counts.queries(*page, shown=1) for name, page in pages.items()}
    fill(cast, rows=ROWS - 1, start=1)
    many = {name: query_counts.queries(*page, shown=1) for name, page in pages.items()}
    grown = {name: (len(few[name]), len(many[name])) for name in pages if len(few[name]) != len(many[name])}
    assert not grown, "\n".join(f"{name}: {grown[name]}\n{_more(few[name], many[name])}" for name in grown)
    counts = {name: len(asked) for name, asked in few.items()}
    if os.environ.get("UPDATE_QUERY_COUNTS"):
        query_counts.keep(counts)
    known = query_counts.golden()
    changed = {
        name: (known.get(name), counts.get(name)) for name in known | counts if known.get(name) != counts.get(name)
    }
    assert not changed, f"{changed}: look whether that is meant, then UPDATE_QUERY_COUNTS=1"


def _more(few: list[str], many: list[str]) -> str:
    """Return the queries that a full page asks and the other does not, by their shape, with how often."""
    more = Counter(_shape(sql) for sql in many) - Counter(_shape(sql) for sql in few)
    return "\n".join(f"    {times} x {shape}" for shape, times in more.items())


def _shape(sql: str) -> str:
    verb, _from, rest = sql.partition(" FROM ")
    return f"{verb.split()[0]} FROM {rest[:120]}" if rest else sql[:120]
