"""Registers the letters and the work whose subjects live in this app, and the count of its visits. The label keeps clear of ``django.contrib.sessions``."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "clinic_sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import bookings, letters, subjects

        bookings.register_own()
        letters.register_own()
        subjects.register_own()
