"""What others may want to know of stock; those above listen, so that no import runs upwards."""

from django.dispatch import Signal

# Sent outside any transaction with product_id, after a product's stock changed. May come late or twice.
stock_changed = Signal()

# Sent with `recall` and `was` (state by code id) in the transaction in which codes were called back.
codes_recalled = Signal()
