"""The cache in Redis. Values lie there as JSON: whoever can write may spoil one, but never have us run what they wrote."""

import json
from typing import Any

from django.core.cache.backends import redis


class Serializer:
    """Plain JSON. A whole number is written as its digits, so that Redis itself can count with it."""

    def dumps(self, obj: Any) -> str:
        return json.dumps(obj)

    def loads(self, data: bytes) -> Any:
        """Return the value, or None for what is no JSON: as good as not there."""
        try:
            return json.loads(data)
        except ValueError:
            return None


class _Client(redis.RedisCacheClient):
    """Keeps its connection to the server; Django makes another object for each question, which takes as long as the answer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: dict[bool, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        if write not in self._kept:
            self._kept[write] = super().get_client(key, write=write)
        return self._kept[write]


class Cache(redis.RedisCache):
    """The backend that ``settings.CACHES`` names."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
