"""The ground floor's configuration: registers its letters and its system checks."""

from django.apps import AppConfig


class ClinicConfig(AppConfig):
    name = "clinic"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, letters  # noqa: F401  (checks register themselves on import)

        letters.register_own()
