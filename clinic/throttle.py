"""How often may somebody try? Counters in the shared cache, and in this process when the cache is away.

Nothing here is asked of the database: a flood must not reach it. A fixed window is enough for what is guarded.
"""

import hashlib
import threading
from datetime import datetime

from django.core.cache import cache

_own: dict[str, tuple[int, int]] = {}
_lock = threading.Lock()
# Beyond this many keys the process forgets all of them rather than growing.
_MOST = 10_000


def allows(what: str, who: str, *, most: int, seconds: int, now: datetime) -> bool:
    """Count one knock of ``who`` at ``what`` and return whether it is among the first ``most`` of its window."""
    key, window = _key(what, who, seconds, now)
    try:
        cache.add(key, 0, seconds)
        count = cache.incr(key)
    except ValueError:  # evicted between the two: the first of a new count
        count = 1
    except Exception:  # Redis away in any way
        count = _count_here(key, window)
    return count <= most


def give_back(what: str, who: str, *, seconds: int, now: datetime) -> None:
    """Take one knock off again, where only those that failed are to count."""
    key, window = _key(what, who, seconds, now)
    try:
        cache.decr(key)
    except ValueError:  # evicted: there is nothing to give back
        return
    except Exception:  # Redis away in any way
        with _lock:
            kept, count = _own.get(key, (window, 1))
            _own[key] = (kept, max(0, count - 1))


def _key(what: str, who: str, seconds: int, now: datetime) -> tuple[str, int]:
    window = int(now.timestamp()) // seconds
    return "knock:" + hashlib.sha256(f"{what}:{who}:{window}".encode()).hexdigest()[:40], window


def _count_here(key: str, window: int) -> int:
    with _lock:
        if len(_own) > _MOST:
            _own.clear()
        kept, count = _own.get(key, (window, 0))
        count = count + 1 if kept == window else 1
        _own[key] = (window, count)
        return count
