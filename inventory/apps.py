from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InventoryConfig(AppConfig):
    name = "inventory"
    verbose_name = _("Inventory")

    def ready(self) -> None:
        from marketplaces.signals import job_ended

        job_ended.connect(go_on_with_offers, dispatch_uid="inventory.go_on_with_offers")


def go_on_with_offers(job: object, **kwargs: object) -> None:
    from inventory import publishing
    from marketplaces.models import Job

    if isinstance(job, Job):
        publishing.job_ended(job)
