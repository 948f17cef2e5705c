"""What the application's database role may do. Run by ``manage.py release`` after every migration.

Migrations run as the owner; the web, worker and beat processes run as the role named here and own nothing. They may
read, insert, update and delete rows, except where the law or the house says that rows stay.
"""

from django.apps import apps
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2 import sql

# Insert and read only. History tables (pghistory) are added by their name, other tables by their models' ``is_append_only``.
APPEND_ONLY = ("clinic_auditevent", "clinic_auditseal")
# Read only: what a migration put there.
READ_ONLY = ("django_migrations",)


def append_only_tables() -> list[str]:
    """Return every table whose rows may be added and never changed."""
    history = [model._meta.db_table for model in apps.get_models() if hasattr(model, "pgh_tracked_model")]
    facts = [model._meta.db_table for model in apps.get_models() if getattr(model, "is_append_only", False)]
    return sorted({*APPEND_ONLY, *history, *facts})


def grant(connection: BaseDatabaseWrapper) -> None:
    """Give the application role its rights on every table, and take away what it must not have."""
    role = sql.Identifier(settings.DATABASE_APP_ROLE)
    with connection.cursor() as cursor:
        raw = cursor.cursor if hasattr(cursor, "cursor") else cursor
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
            "REVOKE TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA public FROM {role}",
        ):
            raw.execute(sql.SQL(statement).format(role=role))
        for table in append_only_tables():
            raw.execute(
                sql.SQL("REVOKE UPDATE, DELETE ON {table} FROM {role}").format(table=sql.Identifier(table), role=role)
            )
        for table in READ_ONLY:
            raw.execute(
                sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {table} FROM {role}").format(
                    table=sql.Identifier(table), role=role
                )
            )
