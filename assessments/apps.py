"""Configuration of the assessments floor: registers its letters and its subjects of work."""

from django.apps import AppConfig


class AssessmentsConfig(AppConfig):
    name = "assessments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from patients.actions.patients import register_identity_changed
        from patients.consentneeds import register_routes

        from . import letters, subjects
        from .actions.flags import identity_changed
        from .standing import routes_of

        letters.register_own()
        subjects.register_own()
        register_routes(routes_of)
        register_identity_changed(identity_changed)
