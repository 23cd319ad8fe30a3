"""An account's page, with what the top floor knows of it: which orders were read."""

from django.contrib import admin
from django.utils.formats import date_format
from django.utils.timezone import localtime

from inventory.admin import SellingAccountAdmin
from marketplaces.models import Account
from orders.models import Order

admin.site.unregister(Account)


@admin.register(Account)
class TradingAccountAdmin(SellingAccountAdmin):
    """The account's page with its last order beside its offers."""

    def get_read(self, account: Account) -> list[tuple[str, bool]]:
        newest = Order.objects.filter(account=account).order_by("-pk")
        last = newest.values_list("seen_at", flat=True).first()
        words = (
            f"Orders: last read {date_format(localtime(last), 'DATETIME_FORMAT')}."
            if last
            else "No order was read yet."
        )
        return [*super().get_read(account), (words, last is not None)]
