"""Configuration of the assessments floor: registers its letters and its subjects of work."""

from django.apps import AppConfig


class AssessmentsConfig(AppConfig):
    name = "assessments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from patients.consentneeds import register_routes

        from . import letters, subjects
        from .standing import routes_of

        letters.register_own()
        subjects.register_own()
        register_routes(routes_of)
