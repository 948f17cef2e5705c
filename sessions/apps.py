"""Registers the letters whose subjects live in this app. The label keeps clear of ``django.contrib.sessions``."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "clinic_sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import letters

        letters.register_own()
