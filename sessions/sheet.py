"""Rows as a spreadsheet opens them: CSV in UTF-8 with its mark. Pure: words in, bytes out.

A spreadsheet reckons whatever begins like a formula, and what it reckons may send the sheet elsewhere. Names and notes come
from people, some of them from the enquiry form that anybody fills in (security.md D27).
"""

import csv
import io
from collections.abc import Iterable, Sequence

# What begins a formula, in the wide letters of East Asian keyboards too.
FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")


def write(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return the sheet: every cell quoted, one line a row, nothing in it that is reckoned."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([safe(cell) for cell in head])
    writer.writerows([safe(cell) for cell in row] for row in rows)
    # Without the mark Excel takes UTF-8 for the letters of the machine it runs on.
    return text.getvalue().encode("utf-8-sig")


def safe(cell: str) -> str:
    """Return the words of a cell on one line, as words: an apostrophe goes before what would be a formula."""
    line = " ".join("".join(char if char.isprintable() else " " for char in cell).split())
    return f"'{line}" if line[:1] in FORMULA and line else line
