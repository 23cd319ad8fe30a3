from typing import Any

from django.apps import AppConfig, apps as installed
from django.apps.registry import Apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from inventory.signals import codes_recalled, stock_changed

        # Of the last app: by now every app's permissions are there.
        post_migrate.connect(write_groups, sender=self)
        stock_changed.connect(wake_short_deliveries, dispatch_uid="orders.wake_short_deliveries")
        codes_recalled.connect(exchange_recalled_codes, dispatch_uid="orders.exchange_recalled_codes")


def wake_short_deliveries(product_id: int, **kwargs: object) -> None:
    from orders import fulfilment

    fulfilment.stock_came(product_id)


def exchange_recalled_codes(**facts: Any) -> None:
    from orders import recall

    recall.codes_recalled(**facts)


def write_groups(using: str, apps: Apps = installed, **kwargs: object) -> None:
    from orders import roles

    roles.write_groups(using=using, apps=apps)
