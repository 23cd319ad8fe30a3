from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BackofficeConfig(AppConfig):
    name = "backoffice"
    verbose_name = "Back office"

    def ready(self) -> None:
        from backoffice import checks  # noqa: F401  (registers the system checks)

        post_migrate.connect(write_schedules, sender=self)


def write_schedules(using: str, **kwargs: object) -> None:
    from backoffice import queue

    if using == "default":
        queue.write_schedules()
