"""Count what was sold of each product lately, whichever way it left, and let inventory say how long stock lasts."""

from datetime import datetime, timedelta

from django.db import connection

from inventory import cover
from inventory.models import Code, Product, StockSettings, Upload
from marketplaces.models import Account
from orders.models import Delivery, DeliveryItem, OrderLine, Shipment, ShipmentItem

# A code that was handed over, units that a person topped up, a parcel's units, a code sold out of an offer's own inventory.
# Codes that left with a parcel were handed over, so they are not counted with its units again.
# Each part begins at an index by the time, so that the cost follows the days and not the years.
_SOLD = f"""
SELECT product_id, SUM(units) FROM (
    SELECT line.product_id, COUNT(*) AS units
      FROM {DeliveryItem._meta.db_table} item
      JOIN {Delivery._meta.db_table} delivery ON delivery.id = item.delivery_id
      JOIN {OrderLine._meta.db_table} line ON line.id = delivery.line_id
      JOIN {Account._meta.db_table} account ON account.id = delivery.account_id
     WHERE item.sent_at >= %(since)s AND item.withdrawn_at IS NULL AND item.returned_at IS NULL
       AND NOT delivery.is_replacement AND account.is_sandbox = %(is_play)s
     GROUP BY line.product_id
    UNION ALL
    SELECT line.product_id, SUM(delivery.reported)
      FROM {Delivery._meta.db_table} delivery
      JOIN {OrderLine._meta.db_table} line ON line.id = delivery.line_id
      JOIN {Account._meta.db_table} account ON account.id = delivery.account_id
     WHERE delivery.report_sent_at >= %(since)s AND delivery.reported > 0
       AND delivery.status IN ('submitted', 'delivered', 'partial')
       AND NOT delivery.is_replacement AND account.is_sandbox = %(is_play)s
     GROUP BY line.product_id
    UNION ALL
    SELECT line.product_id,
           SUM(COALESCE(item.confirmed, item.wanted, 0) - CASE product.kind WHEN 'codes' THEN item.taken ELSE 0 END)
      FROM {Shipment._meta.db_table} shipment
      JOIN {ShipmentItem._meta.db_table} item ON item.shipment_id = shipment.id
      JOIN {OrderLine._meta.db_table} line ON line.id = item.line_id
      JOIN {Product._meta.db_table} product ON product.id = line.product_id
      JOIN {Account._meta.db_table} account ON account.id = shipment.account_id
     WHERE shipment.announced_at >= %(since)s AND shipment.deleted_at IS NULL
       AND COALESCE(shipment.remote_created_at, shipment.announced_at) >= %(since)s
       AND account.is_sandbox = %(is_play)s
     GROUP BY line.product_id
    UNION ALL
    SELECT code.product_id, COUNT(*)
      FROM {Upload._meta.db_table} upload
      JOIN {Code._meta.db_table} code ON code.id = upload.code_id
      JOIN {Account._meta.db_table} account ON account.id = upload.account_id
     WHERE upload.sold_at >= %(since)s AND upload.status = 'sold' AND account.is_sandbox = %(is_play)s
     GROUP BY code.product_id
) sales WHERE product_id IS NOT NULL GROUP BY product_id
"""  # noqa: S608  (names of our own tables)


def sold_since(since: datetime) -> dict[int, int]:
    """Units of every product that left since then, without replacements.

    Play accounts are left out, but where there are no others: who tries the program out sees it all.
    """
    is_play = not Account.objects.filter(is_sandbox=False).exists()
    with connection.cursor() as cursor:
        cursor.execute(_SOLD, {"since": connection.ops.adapt_datetimefield_value(since), "is_play": is_play})
        return {product_id: int(units) for product_id, units in cursor.fetchall() if units}


def refresh(now: datetime) -> int:
    """Count the sales of the days that count, and with them every product's cover; returns how many changed."""
    days = StockSettings.current().sales_days
    return cover.refresh(sold_since(now - timedelta(days=days)), days=days)
