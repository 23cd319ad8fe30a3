"""The pages of the orders app, each in a module of its own; importing one registers it."""

from orders import (
    account_admin as account_admin,
    code_admin as code_admin,
    delivery_admin as delivery_admin,
    difference_admin as difference_admin,
    order_admin as order_admin,
    purchase_order_admin as purchase_order_admin,
    reading_admin as reading_admin,
    recall_admin as recall_admin,
    reservation_admin as reservation_admin,
    shipment_admin as shipment_admin,
)
