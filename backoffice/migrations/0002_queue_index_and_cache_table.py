"""An index on django-q2's table, which ships without one, and the table of the default cache."""

from django.conf import settings
from django.core.management import call_command
from django.db import migrations


def create_cache_table(apps, schema_editor):
    # Made even when CACHE_URL names a Redis today, so that dropping that setting later needs no step of its own.
    with schema_editor.connection.cursor() as cursor:
        if settings.CACHE_TABLE not in schema_editor.connection.introspection.table_names(cursor):
            call_command("createcachetable", settings.CACHE_TABLE, database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0001_initial"), ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more")]

    operations = [
        migrations.RunSQL(
            'CREATE INDEX IF NOT EXISTS backoffice_queue_due ON django_q_ormq ("key", "lock")',
            "DROP INDEX IF EXISTS backoffice_queue_due",
        ),
        migrations.RunPython(create_cache_table, migrations.RunPython.noop),
    ]
