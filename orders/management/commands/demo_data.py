"""Load what `make demo` shows: play accounts, products with codes, and offers on the sandbox marketplaces."""

import importlib.util
import os
import secrets
import socket
import string
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.text import slugify

from backoffice import environment, queue
from inventory import codes, goods, publishing, stock
from inventory.models import AccountTerms, ExchangeRate, Fee, Offer, Product, Supplier
from marketplaces import services
from marketplaces.models import Account
from marketplaces.types import OfferContent, OfferStatus

ADMIN = "admin"
OFFERS = 12
STOCK = 250
REFILL_BELOW = 100
REQUESTS_PER_MINUTE = 600
SUPPLIERS = ("Keyhouse Wholesale", "Northern Codes", "Blue Harbor Trading")
COST = Decimal("0.84")  # of the price
FEE = Decimal("9.9")  # percent
RATES = {("EUR", "USD"): Decimal("1.08"), ("USD", "IDR"): Decimal(16250)}
RATES_SINCE = timedelta(days=365)  # older than any order that a sandbox has to tell of


class Command(BaseCommand):
    help = (
        "Loads demo data: play accounts on every sandbox marketplace, products, made-up codes and offers. Safe to "
        "repeat: stock is filled up, and what a sandbox forgot when it stopped is made again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sandbox-url",
            default="http://127.0.0.1:9000",
            metavar="URL",
            help="where `manage.py sandbox` listens (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if Account.objects.filter(is_sandbox=False).exists():
            raise CommandError("This database has real accounts. Demo data go into one of their own: set DATABASE_URL.")
        if not settings.ALLOW_LOCAL_MARKETPLACES:
            raise CommandError("The sandbox is on this machine: set ALLOW_LOCAL_MARKETPLACES=True.")
        make_admin()
        shelves = {slug: offers for slug in services.all_services() if (offers := demo_offers(slug))}
        forgotten = not answers(options["sandbox_url"])
        make_rates()
        suppliers = [Supplier.objects.get_or_create(name=name)[0] for name in SUPPLIERS]
        for slug, contents in shelves.items():
            account = make_account(slug, options["sandbox_url"])
            for number, content in enumerate(contents):
                supplier = suppliers[number % len(suppliers)]
                product = (make_goods if sells_goods(slug) else make_product)(content, supplier)
                make_offer(account, product, content, forgotten=forgotten)
        queue.enqueue("backoffice.tasks.heartbeat")
        self.stdout.write(
            f"{len(shelves)} play accounts, {Product.objects.count()} products, {Offer.objects.count()} offers."
        )


def sells_goods(slug: str) -> bool:
    """Whether the demo sells goods there that are counted and go by parcel, as its folder says; codes otherwise."""
    return bool(getattr(import_module(f"{services.__name__}.{slug}.demo"), "ARE_GOODS", False))


def demo_offers(slug: str) -> list[OfferContent]:
    """What a marketplace's folder has for the demo; nothing, when it has no `demo` module."""
    module = f"{services.__name__}.{slug}.demo"
    return import_string(f"{module}.offers")(OFFERS) if importlib.util.find_spec(module) else []


def make_admin() -> None:
    """Create the user of the demo; a password that was changed later is left alone."""
    users = get_user_model()
    if not users.objects.filter(username=ADMIN).exists():
        password = environment.make_once(Path(settings.VAR_DIR) / "demo_password", lambda: secrets.token_urlsafe(9))
        users.objects.create_superuser(username=ADMIN, password=password)


def make_rates() -> None:
    """Make up what the currencies of the demo are worth, unless somebody entered it."""
    for (base, quote), rate in RATES.items():
        if not ExchangeRate.objects.filter(base=base, quote=quote).exists():
            day = timezone.localdate() - RATES_SINCE
            ExchangeRate.objects.create(base=base, quote=quote, rate=rate, day=day)


def make_account(slug: str, sandbox_url: str) -> Account:
    service = services.get_service(slug)
    name = f"Demo {service.label}"
    known = Account.objects.filter(name=name).first()
    before: dict[str, str] = known.credentials if known else {}
    account, _ = Account.objects.update_or_create(
        name=name,
        defaults={
            "marketplace": slug,
            "base_url": f"{sandbox_url}/{slug}",
            "is_sandbox": True,
            "credentials": service.completed(before, {**before, **service.sandbox_credentials}),
            "webhook_secrets": list(service.sandbox_webhook_secrets),
            "options": {"requests_per_minute": REQUESTS_PER_MINUTE},
        },
    )
    Fee.objects.get_or_create(account=account, category="", defaults={"percent": FEE})
    AccountTerms.objects.get_or_create(account=account, defaults={"min_margin": 0})
    return account


def make_goods(content: OfferContent, supplier: Supplier) -> Product:
    """Create the goods that `content` names, under the marketplace's own SKU, and fill the shelf up when it is low."""
    product, _ = Product.objects.get_or_create(
        sku=content.external_product_id, defaults={"name": content.title, "kind": Product.Kind.COUNTED}
    )
    if stock.sellable(product.pk) < REFILL_BELOW:
        goods.receive(
            product_id=product.pk, quantity=STOCK, by=ADMIN, supplier=supplier, currency=content.currency,
            reference=f"INV-{timezone.now():%Y%m%d-%H%M%S}", cost=(content.price * COST).quantize(Decimal("0.01")),
        )  # fmt: skip
    return product


def make_product(content: OfferContent, supplier: Supplier) -> Product:
    """Create the product that `content` names, and fill its stock up when it is low."""
    words = content.title.split()
    sku = slugify(" ".join([*words[:2], words[-1]])).upper()
    product, _ = Product.objects.get_or_create(sku=sku, defaults={"name": content.title})
    if stock.sellable(product.pk) < REFILL_BELOW:
        codes.import_codes(
            product=product,
            lines=[f"{invented_code()}\n".encode() for _ in range(STOCK)],
            batch_reference=f"INV-{timezone.now():%Y%m%d-%H%M%S}",
            cost=(content.price * COST).quantize(Decimal("0.01")),
            currency=content.currency,
            supplier=supplier,
            report=Path(os.devnull),
        )
    return product


def invented_code() -> str:
    """A code that opens nothing anywhere: it says so itself."""
    letters = string.ascii_uppercase + string.digits
    return "-".join(["DEMO", *("".join(secrets.choice(letters) for _ in range(5)) for _ in range(3))])


def answers(url: str) -> bool:
    """Say whether something listens there. A sandbox that does not run has forgotten its offers."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2).close()
    except OSError:
        return False
    return True


def make_offer(account: Account, product: Product, content: OfferContent, *, forgotten: bool) -> None:
    """Want `product` on the account's shelf; an offer that the sandbox has forgotten is made once more."""
    with transaction.atomic():
        offer, _ = Offer.objects.get_or_create(
            account=account,
            product=product,
            defaults={
                "external_product_id": content.external_product_id,
                "price": content.price,
                "currency": content.currency,
                "title": content.title if product.is_counted else "",
                "attributes": content.attributes,
                "low_stock_at": 5,
            },
        )
        if forgotten:
            offer.external_id, offer.seen_status, offer.state = "", OfferStatus.UNKNOWN, Offer.State.DUE
            offer.save(update_fields=["external_id", "seen_status", "state"])
        publishing.request(Offer.objects.filter(pk=offer.pk))
