"""The bare application that everything is compared with: the same database, and nothing between request and view."""

from clinic.settings import *  # noqa: F403 - a settings module over another

ROOT_URLCONF = "tests.bench.limit"
MIDDLEWARE = []
INSTALLED_APPS = []
