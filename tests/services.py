"""A pytest plugin: PostgreSQL and Redis for the tests, started before Django reads its settings.

Loaded by ``-p tests.services``. It starts what DATABASE_URL and REDIS_URL do not name already; the workers of
pytest-xdist inherit the variables, so one pair of servers serves them all, and the controller stops it at the end.
The tests connect as the owner, who may create the test databases; the app's role is there for tests of its rights.
"""

import atexit
import os
import re
from collections.abc import Iterator

import pytest

from clinic import devservices

# Set where the database server is ours and goes away with the run.
OWN_DATABASE = "TESTS_OWN_DATABASE"
_services: devservices.Services | None = None


def _stop() -> None:
    global _services
    if _services is not None:
        _services.stop()
        _services = None


def _own_redis_database() -> None:
    """Give each pytest-xdist worker its own numbered database, so that one's clean-up is not another's surprise."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        os.environ["REDIS_URL"] = (
            re.sub(r"/\d*$", "", os.environ["REDIS_URL"]) + f"/{int(worker.removeprefix('gw')) + 1}"
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Start the services around the hook in which pytest-django reads the settings."""
    global _services
    option = early_config.known_args_namespace
    if not (option.help or option.version):
        needs_database, needs_redis = not os.environ.get("DATABASE_URL"), not os.environ.get("REDIS_URL")
        if needs_database or needs_redis:
            try:
                _services = devservices.start(fast=True, database=needs_database, redis=needs_redis)
            except devservices.CannotStart as refusal:
                raise pytest.UsageError(str(refusal)) from refusal
            atexit.register(_stop)
            os.environ |= _services.environment()
            if needs_database:
                os.environ[OWN_DATABASE] = "yes"
        os.environ |= devservices.development_environment()
        _own_redis_database()
    yield


def pytest_unconfigure() -> None:
    _stop()
