"""A progress bar on one line, for what takes longer than a second."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
WIDTH = 30


def bar(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the items, and show how many of ``total`` are done and how long it took."""
    began, shown = time.monotonic(), 0.0
    for done, item in enumerate(items, 1):
        yield item
        # Into a file only the last state goes.
        if done == total or (sys.stderr.isatty() and time.monotonic() - shown > 0.1):
            shown = time.monotonic()
            filled = WIDTH * done // max(1, total)
            sys.stderr.write(f"\r  {label:<28} [{'#' * filled}{' ' * (WIDTH - filled)}] {done:>9,} of {total:,}")
            sys.stderr.flush()
    sys.stderr.write(f"  {time.monotonic() - began:.1f} s\n")
