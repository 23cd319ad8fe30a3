"""A small back office as it looks on a busy day: rows of every kind, with secrets planted where secrets lie."""

import json
import uuid
from datetime import timedelta
from decimal import Decimal

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from backoffice import crypto
from backoffice.models import Alert, AlertMessage, AlertRule, Authenticator, Change, Run, RunItem, SecondFactorEvent
from inventory.models import (
    Batch,
    Code,
    CodeImport,
    CodeImportPart,
    CodeReveal,
    CompetitorWatch,
    Difference,
    ExchangeRate,
    Fee,
    Feed,
    Hold,
    Movement,
    Offer,
    Pause,
    PriceChange,
    PriceRule,
    Product,
    Purchase,
    QuantityRule,
    Recall,
    RecalledCode,
    Reconciliation,
    StockSettings,
    Supplier,
    Upload,
    code_binding,
)
from marketplaces.models import Account, ApiCall, CatalogueProduct, Job, WebhookEvent
from orders.models import (
    Delivery,
    DeliveryItem,
    Order,
    OrderEvent,
    OrderLine,
    OrderReading,
    Poll,
    PurchaseOrder,
    Remedy,
    Reservation,
    ReservationLine,
    Shipment,
    ShipmentItem,
)

CODE = "PLANTED-CODE-7Q2W-9E4R"
CREDENTIAL = "planted-credential-9f3a7c"
WEBHOOK_SECRET = "planted-webhook-secret-51d"
BUYER_FIELD = "planted-buyer-login"
CONTACT = "planted-buyer-street"
SEED = "706c616e7465642d73656564706c616e74656421"
SECRETS = (CODE, CREDENTIAL, WEBHOOK_SECRET, BUYER_FIELD, CONTACT, SEED)

TITLES = ("Nightfall Protocol (PC)", "Harbour Tycoon 2", "Echoes of Ymir – Deluxe", "Wallet card 50 EUR", "Season pass")


def staff(name: str = "worker", *permissions: str) -> User:
    """A member of staff with just these permissions, each as "app.codename"."""
    user = User.objects.create_user(name, password="a-long-password-1", is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def sealed_code(product: Product, batch: Batch, text: str, pk: int, **fields: object) -> Code:
    sealed = crypto.encrypt(text.encode(), code_binding(pk))
    index = crypto.blind_index(text)
    return Code.objects.create(pk=pk, product=product, batch=batch, sealed=sealed, index=index, position=pk, **fields)


def account(name: str = "Main shop", **fields: object) -> Account:
    return Account.objects.create(
        name=name,
        marketplace="g2g",
        credentials={"api_key": CREDENTIAL, "secret": CREDENTIAL, "user_id": "1000001"},
        webhook_secrets=[WEBHOOK_SECRET],
        **fields,
    )


def product_row(number: int, on: Account) -> Offer:
    """A product, a batch of two codes and an offer of it."""
    product = Product.objects.create(sku=f"GAME-{number:03}", name=TITLES[number % len(TITLES)])
    supplier, _ = Supplier.objects.get_or_create(name="Keys & Co")
    batch = Batch.objects.create(
        product=product, supplier=supplier, reference=f"INV-{number}", cost="4.2000", currency="EUR", imported=2
    )
    for offset in (1, 2):
        sealed_code(product, batch, f"{CODE}-{number}-{offset}", 1000 * (number + 1) + offset)
    Hold.objects.create(product=product, account=on, reference=f"order-{number}")
    CatalogueProduct.objects.create(marketplace="g2g", external_id=f"p-{number}", name=product.name, raw={"id": number})
    offer = Offer.objects.create(
        account=on, product=product, external_id=f"G{number:08}", external_product_id=f"p-{number}",
        title=f"{product.name} – instant delivery", price="9.9900", currency="USD", pushed_quantity=2, seen_quantity=2,
        seen_status="live",
    )  # fmt: skip
    price_rows(number, offer)
    Upload.objects.create(
        account=on, offer=offer, code_id=1000 * (number + 1) + 2, external_offer_id=offer.external_id, by="worker",
        external_id=f"item-{number}", status="back", note="Called back by worker.", withdrawn_at=timezone.now(),
    )  # fmt: skip
    purchase = Purchase.objects.create(
        account=on, product=product, external_product_id=f"p-{number}", external_id=f"80201019{number:06}", stage="key_read",
        max_price="5", price="4.20", currency="EUR", requested_by="worker", state="needs_attention", failure="unreadable",
        last_error="The answer with the key can't be read.",
    )  # fmt: skip
    purchase.answer = json.dumps({"key": f"{CODE}-bought-{number}"})
    purchase.save(update_fields=["answer"])
    return offer


def price_rows(number: int, offer: Offer) -> None:
    """A rule that is off, a change of the price, what others ask, a fee and a rate."""
    rule = PriceRule.objects.create(
        name=f"Rule {number}", is_enabled=False, account=offer.account, product=offer.product, kind="margin", value=15
    )
    PriceChange.objects.create(offer=offer, before="8.99", after="9.99", currency="USD", reason="By hand", rule=rule)
    CompetitorWatch.objects.create(
        offer=offer, account=offer.account, price="9.89", currency="USD", seller="rival-shop"
    )
    Fee.objects.create(account=offer.account, category=f"Category {number}", percent="9.9")
    ExchangeRate.objects.create(base="USD", quote="EUR", rate="0.92", day=timezone.localdate() - timedelta(days=number))


def order_row(number: int, offer: Offer) -> Order:
    """An order with a line, a delivery that needs attention, its code, its timeline and its evidence."""
    now = timezone.now() - timedelta(minutes=7 * number)
    on = offer.account
    order = Order.objects.create(
        account=on, external_id=f"{1700000000 + number}ORDER", state="ready_to_ship", status_word="start_deal",
        payment_word="paid", currency="USD", amount=Decimal("19.98"), ordered_at=now, buyer="buyer-17",
        is_disputed=number % 4 == 1, raw={"order_id": number}, number=f"N-{number}", channel="DEMO_SHOP",
        contact={"buyer": CONTACT, "ship_to": {"street": CONTACT}},
    )  # fmt: skip
    goods_rows(number, on)
    line = OrderLine.objects.create(
        order=order, external_id="1", offer=offer, product=offer.product, quantity=2, unit_price="9.99"
    )
    delivery = Delivery.objects.create(
        account=on, line=line, external_id=f"D{number:07}", requested=2, confirmed=0, status="short",
        state="needs_attention", failure="unconfirmed", kind="top_up", buyer_fields={"login": BUYER_FIELD},
        last_error=f"Order {order} waits: no stock of {offer.product}. Import codes, then press “Deliver now”.",
    )  # fmt: skip
    code = offer.product.codes.order_by("pk").first()
    Code.objects.filter(pk=code.pk).update(state="sent")
    item = DeliveryItem.objects.create(delivery=delivery, code=code, sent_at=now)
    shelf_rows(number, order, offer, item)
    CodeReveal.objects.create(code=code, user="auditor", reason="The buyer says it does not work")
    OrderEvent.objects.create(order=order, kind="imported", text="Read for the first time: ready to ship.")
    OrderEvent.objects.create(order=order, kind="requested", level="warning", text="The marketplace asks for 2 units.")
    reservation = Reservation.objects.create(
        account=on, state="ordered", order=order, order_number=uuid.uuid4(), until=now + timedelta(minutes=30)
    )
    ReservationLine.objects.create(
        reservation=reservation, offer=offer, product=offer.product, external_product_id="1", quantity=2
    )
    masked_key = min(on.service_class.secret_keys)
    body = json.dumps({"order_id": order.external_id, "payload": {masked_key: CODE, "note": WEBHOOK_SECRET}})
    WebhookEvent.objects.create(
        account=on, event_id=f"event-{number}", kind="order.paid", subject=order.external_id, method="POST",
        headers={"content-type": "application/json"}, body=body, received_at=now, state="needs_attention",
        failure="invalid", last_error="The order could not be read.",
    )  # fmt: skip
    Job.objects.create(
        account=on, external_id=f"job-{order.pk}", purpose="an offer", state="done", result="failed", reason="no price"
    )
    ApiCall.objects.create(
        account=on, operation="fetch_order", about=order.external_id, method="GET", url="https://example.test/orders",
        status=200, request="", response='{"code": "•••"}', milliseconds=212, started_at=now,
    )  # fmt: skip
    return order


def goods_rows(number: int, on: Account) -> None:
    """A purchase order, an order that is to be read, and how far the list of orders was."""
    PurchaseOrder.objects.create(
        account=on, external_id=f"PO{number}", stage="new", status_word="O", currency="USD", amount="15",
        contact={"buyer": CONTACT, "bill_to": {"street": CONTACT}}, lines=[{"name": "Demo suit", "quantity": 1}],
    )  # fmt: skip
    OrderReading.objects.create(account=on, external_id=f"{1800000000 + number}", state="due")
    Poll.objects.get_or_create(account=on, kind="orders")


def shelf_rows(number: int, order: Order, offer: Offer, item: DeliveryItem) -> None:
    """A run with a row, a movement, a rule, a pause, a recall with its buyer, and a parcel."""
    user, _ = User.objects.get_or_create(username="boss", defaults={"is_staff": True})
    run = Run.objects.create(
        kind="inventory.offer_runs.Push", title=f"Push {number}", by=user, token=f"token-{number}", total=1,
        ended_at=timezone.now(),
    )  # fmt: skip
    RunItem.objects.create(run=run, target=str(offer.pk), state="failed", text="It has no price yet.")
    import_row(number, offer.product, user)
    Movement.objects.create(product=offer.product, kind="received", on_hand=5, reference=f"INV-{number}", by="keeper")
    QuantityRule.objects.create(offer=offer, buffer=1)
    Feed.objects.create(account=order.account, external_id=f"feed-{number}", size=1, by="boss", state="done")
    Pause.objects.create(level="offer", offer=offer, scope=f"offer {offer.pk}", by="boss", reason="Stolen keys")
    recall = Recall.objects.create(reason="Stolen keys", by="boss")
    RecalledCode.objects.create(recall=recall, code=item.code, was="sent")
    Remedy.objects.create(recall=recall, item=item)
    shipment = Shipment.objects.create(
        account=order.account, order=order, external_id=f"S{number}", tracking_number=f"1Z{number:09}", carrier="ups",
        contact={"ship_to": {"street": CONTACT}},
    )  # fmt: skip
    ShipmentItem.objects.create(shipment=shipment, name="Demo suit", wanted=1)


def import_row(number: int, product: Product, by: User) -> None:
    """An import of codes that nobody has confirmed yet."""
    row = CodeImport.objects.create(
        by=by, product=product, reference=f"INV-{number}-2", lines=2, refused=1, compared_at=timezone.now()
    )  # fmt: skip
    CodeImportPart.objects.create(
        code_import=row, number=0, place=f"{row.pk}:0", first_line=1, last_line=2,
        content={"codes": [[1, f"{CODE}-{number}-import", "", "", ""]], "refused": [[2, "••••", "it is empty"]]},
        left_out=[[2, "••••", "it is empty"]],
    )  # fmt: skip


def difference_rows(number: int, offer: Offer) -> None:
    """What a comparison found of an offer, and the comparison."""
    Difference.objects.create(
        account=offer.account, offer=offer, external_id=offer.external_id or f"G{number}", field="price", kind="by_hand",
        ours="9.99 USD", theirs="8.5 USD",
    )  # fmt: skip
    Reconciliation.objects.get_or_create(account=offer.account, defaults={"next_at": timezone.now()})


def alert_rows(number: int) -> None:
    """An open alert, a rule, and a message about it that is on its way."""
    alert = Alert.objects.create(
        kind="low_stock", subject=f"GAME-{number}", text="2 units left.", told_at=timezone.now()
    )
    rule = AlertRule.objects.create(
        name=f"rule {number}", addresses=[f"stock-{number}@example.com"],
        webhook_url=f"https://alerts.example.com/{CREDENTIAL}", webhook_secret=WEBHOOK_SECRET,
    )  # fmt: skip
    message = AlertMessage.objects.create(rule=rule, channel="webhook", bundle="low_stock", state="done")
    message.alerts.add(alert)
    Change.objects.create(
        page="inventory.product", target=str(number), name=f"GAME-{number}", kind="changed", by="boss", how="form",
        fields={"name": ["Old", "New"]},
    )  # fmt: skip
    StockSettings.current()
    user = User.objects.create_user(f"second-{number}", is_staff=True)
    Authenticator.objects.create(user=user, name="app", seed=SEED)
    SecondFactorEvent.objects.create(
        user=user, whose=user.username, what="set_up", by=user.username, address="203.0.113.9"
    )


def fill(rows: int = 3) -> Account:
    """Make an account with `rows` rows of everything."""
    main = account()
    for number in range(rows):
        offer = product_row(number, main)
        order_row(number, offer)
        difference_rows(number, offer)
        alert_rows(number)
    return main
