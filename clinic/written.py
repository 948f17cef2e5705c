"""Queries that are written once in the life of a process, and asked as often as they are needed.

The ORM takes longer to find the words of a query of many parts than the database takes to answer it. Only the words are
kept here, with marks in the places of what differs from one asking to the next; never a row of an answer.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import QuerySet

# What stands for whom, for where, for the reader and for the moment in a query that is being written, and for the two ends of
# a stretch of time.
WHO, WHERE, BY = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)
WHEN, SINCE, UNTIL = (datetime(1, 1, day, tzinfo=UTC) for day in (1, 2, 3))
MARKS = (WHO, WHERE, BY, WHEN, SINCE, UNTIL)


class Written:
    """One query. ``write`` returns it as the ORM would ask it, with marks; ``rows`` puts the values in their places.

    Rows come as the driver gives them: what is JSON comes as text.
    """

    def __init__(self, write: Callable[[], QuerySet[Any, Any]]) -> None:
        self._write = write

    @cached_property
    def _words(self) -> tuple[str, tuple[Any, ...]]:
        sql, params = self._write().query.sql_with_params()
        return sql, tuple(params)

    def rows(
        self,
        *,
        who: uuid.UUID | None = None,
        where: uuid.UUID | None = None,
        by: uuid.UUID | None = None,
        when: datetime | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[tuple[Any, ...]]:
        """Return the answer. Refuses (ValueError) to ask with a mark left in: that would be about nobody, and look like "nothing"."""
        sql, params = self._words
        values = (who, where, by, when, since, until)
        given = {mark: value for mark, value in zip(MARKS, values, strict=True) if value is not None}
        if not {one for one in params if one in MARKS} <= given.keys():
            raise ValueError("The query needs more than it was given.")
        with connection.cursor() as cursor:
            cursor.execute(sql, [given.get(one, one) if one in MARKS else one for one in params])
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
