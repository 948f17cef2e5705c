"""The ground floor's configuration: registers its letters, subjects of work and system checks, and listens to allauth."""

from django.apps import AppConfig


class ClinicConfig(AppConfig):
    name = "clinic"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import accounts, checks, own_letters, own_subjects  # noqa: F401  (checks register themselves on import)

        own_letters.register_own()
        own_subjects.register_own()
        accounts.listen()
