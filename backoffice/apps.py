from typing import Any

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate


class AdminConfig(admin.AdminConfig):
    default_site = "backoffice.site.Site"
    default = False


class BackofficeConfig(AppConfig):
    default = True
    name = "backoffice"
    verbose_name = "Back office"

    def ready(self) -> None:
        from backoffice import checks  # noqa: F401  (registers the system checks)

        user_logged_in.connect(keep_zone, dispatch_uid="backoffice.keep_zone")
        post_migrate.connect(write_schedules, sender=self)


def write_schedules(using: str, **kwargs: object) -> None:
    from backoffice import queue

    if using == "default":
        queue.write_schedules()


def keep_zone(request: Any, user: Any, **kwargs: object) -> None:
    from backoffice import me

    me.keep_zone(request, user)
