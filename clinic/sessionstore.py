"""Sessions in Redis with the database behind it, readable while Redis is away.

Django's own store falls over when it wants to put back what it has just read from the database. Then nobody could hand
in an answer, and answers are when somebody may need help. Ending a session still asks both: one that only the database
forgot would be alive again when Redis is back.
"""

from typing import Any

from django.contrib.sessions.backends import cached_db, db
from redis.exceptions import RedisError


class SessionStore(cached_db.SessionStore):
    """The store that ``settings.SESSION_ENGINE`` names."""

    def load(self) -> dict[str, Any]:
        """Return what the session holds, from the database when Redis does not answer."""
        try:
            return dict(super().load())
        except RedisError:
            row = self._get_session_from_db()  # type: ignore[attr-defined]  # Django's, left out of the stubs
            return dict(self.decode(row.session_data)) if row else {}

    def exists(self, session_key: str) -> bool:
        """Return whether there is such a session; the database knows all of them."""
        try:
            return bool(super().exists(session_key))
        except RedisError:
            return bool(db.SessionStore.exists(self, session_key))
