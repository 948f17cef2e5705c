"""The letters whose subjects live in this app."""


def register_own() -> None:
    """Declare this app's letters in clinic.letters."""
