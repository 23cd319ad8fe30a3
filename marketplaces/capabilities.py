"""What a marketplace can do, in words for people: every operation of MarketplaceService stands in one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketplaces.models import Account

# What people call it, and the operations of which one is enough.
LINES: Mapping[str, Sequence[str]] = {
    "Test the connection": ("check",),
    "Tell us of orders and changes by itself": ("verify",),
    "Have its missed notifications read again": ("missed_events",),
    "Read its catalogue": ("fetch_catalogue", "fetch_categories"),
    "Search its catalogue for a product": ("search_catalogue",),
    "Show what sells best": ("fetch_bestsellers",),
    "Read our offers": ("fetch_offers", "get_offer", "get_offers"),
    "Create offers": ("create_offer",),
    "Create many offers as a list": ("feed_offers",),
    "Change price, quantity and texts of offers": ("update_offer",),
    "Change many offers in one request": ("update_offers",),
    "Replace an offer's pictures": ("replace_images",),
    "Delete offers": ("delete_offer",),
    "Say what a price leaves for us": ("simulate_price",),
    "Show competitors' offers": ("fetch_competing_offers",),
    "Keep codes in its own inventory": ("upload_code", "upload_codes", "upload_keys"),
    "Keep codes that are files there": ("upload_files",),
    "Show and take back codes kept there": ("fetch_uploaded", "get_uploaded", "delete_uploaded"),
    "Read orders": ("fetch_order", "fetch_orders", "get_orders"),
    "Accept orders": ("accept_order",),
    "Deliver codes to an order": ("send_codes",),
    "Report top-ups as delivered": ("report_units",),
    "Read purchase orders": ("fetch_purchase_orders", "get_purchase_order"),
    "Announce and follow parcels": ("create_shipment", "fetch_shipments"),
    "Buy codes from others": ("create_purchase",),
}
# Parts of the lines above, which nobody asks for by themselves.
PARTS = frozenset(
    {
        "read_notice", "process", "answer", "get_category", "offer_form", "rehearse", "find_offer", "attach_upload",
        "fetch_job", "search_products", "get_product", "fetch_purchase", "pay_purchase", "fetch_purchased_key",
        "fetch_delivery", "fetch_deliveries", "fetch_made_orders", "get_shipment", "update_shipment", "delete_shipment",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Capability:
    """One line of what an account's marketplace can do; `instead` says what people do where it can't."""

    words: str
    is_there: bool
    instead: str = ""


def of(account: Account) -> list[Capability]:
    """Say line by line what can be done through an account, the way that it speaks with its marketplace. Asks nobody."""
    elsewhere = account.service_class.elsewhere
    return [
        Capability(
            words,
            any(account.can(name) for name in names),
            next((elsewhere[name] for name in names if name in elsewhere), ""),
        )
        for words, names in LINES.items()
    ]
