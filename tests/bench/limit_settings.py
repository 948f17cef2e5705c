"""The bare application that everything is compared with: no middleware, no session, one view an item."""

from clinic.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.limit"
MIDDLEWARE: list[str] = []
