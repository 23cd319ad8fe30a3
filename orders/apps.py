from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = "Orders"

    def ready(self) -> None:
        from inventory.signals import stock_changed

        stock_changed.connect(wake_short_deliveries, dispatch_uid="orders.wake_short_deliveries")


def wake_short_deliveries(product_id: int, **kwargs: object) -> None:
    from orders import fulfilment

    fulfilment.stock_came(product_id)
