import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def name_users(apps, schema_editor):
    for event in apps.get_model('backoffice', 'SecondFactorEvent').objects.select_related('user').iterator():
        event.whose = event.user.username
        event.save(update_fields=['whose'])


class Migration(migrations.Migration):

    dependencies = [
        ('backoffice', '0006_comfort'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='secondfactorevent',
            name='user',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='second_factor_events', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='secondfactorevent',
            name='whose',
            field=models.CharField(default='', max_length=150, verbose_name='user'),
            preserve_default=False,
        ),
        migrations.RunPython(name_users, migrations.RunPython.noop, elidable=True),
    ]
