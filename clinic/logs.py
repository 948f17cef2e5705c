"""Structured logs: one JSON line an event, with the request's id.

Paths are written as route patterns and never as they were asked for, because record ids, feed keys and search words
sit in them. Nobody's name, address or answer is ever put in a log.
"""

import logging.config
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

# What a log line may hold. Anything else is dropped, so that a careless keyword cannot leak a person.
ALLOWED_KEYS = frozenset(
    {
        "event", "level", "logger", "timestamp", "request_id", "user_id", "method", "route", "code", "exc_info",
        "exception", "count", "seconds", "task", "task_id", "kind", "channel", "reason", "outcome", "migration",
        "record", "subject", "port", "pid", "signal",
    }
)  # fmt: skip


def only_allowed_keys(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Return the event without the keys that nobody vouched for."""
    request = event.pop("request", None)
    if isinstance(request, str):
        event["method"] = request.split(" ", 1)[0]
    return {key: value for key, value in event.items() if key in ALLOWED_KEYS or key.startswith("_")}


def without_the_errors_words(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Return the event with its error as types and lines of code. What an error says may quote a row, or a person."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given
    if error is True:
        error = sys.exc_info()[1]
    if not isinstance(error, BaseException):
        return event
    event["exception"] = where(error)
    record = event.get("_record")
    if record is not None and not event.get("_from_structlog"):
        # Other people's code writes the error into its sentence as well (Celery does): keep the sentence's pattern.
        event["event"] = str(record.msg)
        data = getattr(record, "data", None)
        if isinstance(data, dict) and "name" in data:
            event["task"] = str(data["name"])
    return event


def where(error: BaseException) -> str:
    """Return the stack of an error and of what caused it: lines of code, types, and what the database calls the rule."""
    lines: list[str] = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        rule = getattr(getattr(link, "diag", None), "constraint_name", None)
        named = [type(link).__qualname__, getattr(link, "pgcode", None), rule]
        block = [*traceback.format_tb(link.__traceback__), " ".join(str(part) for part in named if part) + "\n"]
        lines = block + lines
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "".join(lines).rstrip()


def configure(config: dict[str, Any]) -> None:
    """Set up logging for web, worker, beat and commands. ``config`` is ``settings.LOGGING``: {"level": "INFO"}."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_the_errors_words,
        only_allowed_keys,
    ]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.JSONRenderer(),
                    ],
                    "foreign_pre_chain": shared,
                }
            },
            "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["out"], "level": config["level"]},
            "loggers": {
                # Django's own request log repeats the path that was asked for.
                "django.request": {"level": "CRITICAL"},
                "django.server": {"level": "ERROR"},
                "django.security": {"level": "ERROR"},
                # It writes the addresses and headers of its requests.
                "twilio": {"level": "WARNING"},
            },
        }
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def trail(error: BaseException) -> str:
    """Return what went wrong and where in the code, without the error's own words: those may quote a row, or a person."""
    last = traceback.extract_tb(error.__traceback__)[-3:]
    return " < ".join([type(error).__name__, *(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(last))])
