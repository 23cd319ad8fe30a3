"""The admin's look: its title, colours and sidebar. Read by the settings, so it imports no model."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _

Allowed = Callable[[HttpRequest], bool]


def _may_view(app: str, model: str) -> Allowed:
    names = [f"{app}.{verb}_{model}" for verb in ("view", "change")]
    return lambda request: any(request.user.has_perm(name) for name in names)


def _page(title: str | Promise, icon: str, model: str, **more: str) -> dict[str, Any]:
    """One line of the sidebar: the list of a model, for those who may see it."""
    app, name = model.split(".")
    return _line(title, icon, reverse_lazy(f"admin:{app}_{name}_changelist"), _may_view(app, name), **more)


def _line(title: str | Promise, icon: str, link: Any, permission: Allowed, badge: str = "") -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": link, "permission": permission, "badge": badge}


def _may(permission: str) -> Allowed:
    return lambda request: bool(request.user.has_perm(permission))


NAVIGATION: list[dict[str, Any]] = [
    {
        "title": _("Sales"),
        "items": [
            _page(_("Orders"), "receipt_long", "orders.order"),
            _page(_("Deliveries"), "outbox", "orders.delivery"),
            _page(_("Shipments"), "local_shipping", "orders.shipment"),
            _page(_("Reservations"), "bookmark", "orders.reservation"),
            _page(_("Remedies"), "healing", "orders.remedy"),
            _page(_("Purchase orders"), "request_quote", "orders.purchaseorder"),
            _page(_("Timeline"), "timeline", "orders.orderevent"),
            _line(_("Reports"), "monitoring", reverse_lazy("reports:index"), _may("orders.view_reports")),
        ],
    },
    {
        "title": _("Stock"),
        "items": [
            _page(_("Products"), "inventory_2", "inventory.product"),
            _page(_("Offers"), "sell", "inventory.offer"),
            _page(_("Differences"), "difference", "inventory.difference"),
            _page(_("Quantity rules"), "tune", "inventory.quantityrule"),
            _page(_("Pauses"), "pause_circle", "inventory.pause"),
            _page(_("Feeds"), "list_alt_add", "inventory.feed"),
            _page(_("Codes"), "key", "inventory.code"),
            _page(_("Uploaded codes"), "cloud_upload", "inventory.upload"),
            _page(_("Purchases"), "shopping_cart", "inventory.purchase"),
            _page(_("Imports of codes"), "upload_file", "inventory.codeimport"),
            _page(_("Batches"), "package_2", "inventory.batch"),
            _page(_("Movements"), "swap_vert", "inventory.movement"),
            _page(_("Suppliers"), "factory", "inventory.supplier"),
            _page(_("Stock warnings"), "notification_important", "inventory.stocksettings"),
            _page(_("Holds"), "lock_clock", "inventory.hold"),
            _page(_("Recalls"), "undo", "inventory.recall"),
            _page(_("Reveals"), "visibility", "inventory.codereveal"),
        ],
    },
    {
        "title": _("Prices"),
        "items": [
            _page(_("Price rules"), "auto_graph", "inventory.pricerule"),
            _page(_("Price history"), "history", "inventory.pricechange"),
            _page(_("Competitors"), "groups", "inventory.competitorwatch"),
            _page(_("Fees"), "percent", "inventory.fee"),
            _page(_("Exchange rates"), "currency_exchange", "inventory.exchangerate"),
        ],
    },
    {
        "title": _("Marketplaces"),
        "items": [
            _page(_("Accounts"), "storefront", "marketplaces.account"),
            _page(_("Events received"), "call_received", "marketplaces.webhookevent"),
            _page(_("Calls"), "call_made", "marketplaces.apicall"),
            _page(_("Jobs"), "hourglass_top", "marketplaces.job"),
            _page(_("Catalogue"), "menu_book", "marketplaces.catalogueproduct"),
            _page(_("Orders to read"), "move_to_inbox", "orders.orderreading"),
            _page(_("Lists read"), "sync", "orders.poll"),
            _page(_("Comparisons"), "compare_arrows", "inventory.reconciliation"),
        ],
    },
    {
        "title": _("Operations"),
        "items": [
            _page(_("Alerts"), "notifications", "backoffice.alert", badge="backoffice.alert_admin.open_alerts"),
            _page(_("Alert rules"), "rule", "backoffice.alertrule"),
            _page(_("Alert messages"), "outgoing_mail", "backoffice.alertmessage"),
            _page(_("Runs"), "playlist_play", "backoffice.run"),
            _page(_("Changes"), "manage_history", "backoffice.change"),
            _page(_("Queue"), "stacks", "django_q.ormq"),
            _page(_("Failed tasks"), "error", "django_q.failure"),
            _page(_("Finished tasks"), "task_alt", "django_q.success"),
            _page(_("Schedules"), "schedule", "django_q.schedule"),
            _page(_("Second factors"), "phonelink_lock", "backoffice.authenticator"),
            _page(_("Second factor events"), "shield_person", "backoffice.secondfactorevent"),
            _page(_("Users"), "person", "auth.user"),
            _page(_("Groups"), "group", "auth.group"),
        ],
    },
]

SHOWN = ("title", "icon", "badge")


def _navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar for one person: only what may be opened, its addresses written out, what is open marked.

    The theme would work all of it out for every line and leave to the template what to hide, on every page.
    """
    return [
        {
            "title": group["title"],
            "items": [
                {name: item[name] for name in SHOWN} | {"link": link, "active": link in request.path}
                for item, link in zip(group["items"], _links(number), strict=True)
                if item["permission"](request)
            ],
        }
        for number, group in enumerate(NAVIGATION)
    ]


@cache
def _links(group: int) -> list[str]:
    return [str(item["link"]) for item in NAVIGATION[group]["items"]]


def _account_links(request: HttpRequest) -> list[dict[str, Any]]:
    links = [
        {"title": gettext("Your settings"), "link": reverse_lazy("me:settings")},
        {"title": gettext("Change password"), "link": reverse_lazy("admin:password_change")},
    ]
    if settings.TWO_FACTOR != "off":
        links.append({"title": gettext("Two-factor sign-in"), "link": reverse_lazy("second_factor")})
    return links


# The letter after “g”, and the list that it leads to.
GO = {
    "o": "orders.order", "d": "orders.delivery", "s": "orders.shipment", "p": "inventory.product", "f": "inventory.offer",
    "c": "inventory.code", "b": "inventory.batch", "a": "marketplaces.account", "e": "marketplaces.webhookevent",
    "l": "backoffice.alert", "u": "backoffice.run",
}  # fmt: skip


def shortcuts() -> list[tuple[str, str | Promise, Any, Allowed]]:
    """Letter, title, address and permission of what “g” and a letter lead to."""
    pages = {name: _page("", "", name) for name in GO.values()}
    titles = {item["link"]: item["title"] for group in NAVIGATION for item in group["items"]}
    lists = [
        (letter, titles[pages[name]["link"]], pages[name]["link"], pages[name]["permission"])
        for letter, name in GO.items()
    ]
    return [
        ("h", gettext("Front page"), reverse_lazy("admin:index"), lambda request: True),
        *lists,
        ("r", gettext("Reports"), reverse_lazy("reports:index"), _may("orders.view_reports")),
    ]


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Back office",
    "SITE_HEADER": "Back office",
    "SITE_SUBHEADER": "Codes, offers, orders",
    "SITE_SYMBOL": "storefront",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("backoffice/icon.svg")}],
    "SITE_URL": None,
    "SCRIPTS": [
        lambda request: static("backoffice/names.js"),
        lambda request: static("backoffice/comfort.js"),
    ],
    "STYLES": [lambda request: static("backoffice/contrast.css")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ACCOUNT": {"navigation": _account_links},
    "BORDER_RADIUS": "6px",
    # By its name: the page sees everything, and no import runs upwards.
    "DASHBOARD_CALLBACK": "orders.dashboard.context",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 190)",
            "100": "oklch(94% .035 190)",
            "200": "oklch(89% .065 190)",
            "300": "oklch(82% .095 190)",
            "400": "oklch(72% .11 192)",
            "500": "oklch(61% .1 194)",
            "600": "oklch(52% .088 196)",
            "700": "oklch(44% .074 198)",
            "800": "oklch(37% .06 200)",
            "900": "oklch(31% .05 202)",
            "950": "oklch(23% .04 204)",
        },
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": _navigation},
}
