"""Profit, stock value and delivery times: against plain sums in Python over random rows."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from inventory import goods
from inventory.models import Batch, Code, ExchangeRate, Movement, Supplier
from orders import delivery_times, profit, stock_value
from orders.models import Delivery, DeliveryItem, Order, OrderLine
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.smoke]
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
PERIOD = profit.Period(NOW - timedelta(days=10), NOW)
RATES = {"EUR": Decimal("1.10"), "PLN": Decimal("0.25"), "USD": Decimal(1)}
SUMS = ("units", "sales", "refunds", "fees", "cost", "profit", "converted", "without_cost")


def rates():
    """One EUR and one PLN in USD; the EUR has another worth from the sixth day of the period on."""
    ExchangeRate.objects.create(base="EUR", quote="USD", rate="1.10", day=PERIOD.since.date() - timedelta(days=1))
    ExchangeRate.objects.create(base="EUR", quote="USD", rate="1.20", day=PERIOD.since.date() + timedelta(days=5))
    ExchangeRate.objects.create(base="PLN", quote="USD", rate="0.25", day=PERIOD.since.date() - timedelta(days=1))


def worth(amount, base, quote, day):
    def in_dollars(currency):
        later = currency == "EUR" and day >= PERIOD.since.date() + timedelta(days=5)
        return Decimal("1.20") if later else RATES[currency]

    return amount * in_dollars(base) / in_dollars(quote)


class Shop:
    """Random orders, and what each of their units should come to."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.accounts = [make.account("One"), make.account("Two")]
        self.suppliers = [Supplier.objects.create(name="Keys & Co"), None]
        self.products = [make.product(f"P-{number}") for number in range(3)]
        self.expected = defaultdict(lambda: defaultdict(Decimal))
        self.orders = 0

    def codes(self, product, count):
        """Of a batch of their own, some with their own cost, some of unknown cost."""
        codes = make.add_codes(product, count, prefix=f"b{self.orders}")
        cost = self.dice.choice(["1.5000", "2.2500", "0.3300", None])
        batch = Batch.objects.get(pk=codes[0].batch_id)
        batch.cost, batch.currency = cost, self.dice.choice(["EUR", "USD", "PLN"])
        batch.supplier = self.dice.choice(self.suppliers)
        batch.save()
        for code in codes:
            if self.dice.random() < 0.2:
                code.cost = Decimal("3.1000")
                code.save(update_fields=["cost"])
        return batch, codes

    def order(self):
        self.orders += 1
        account, currency = self.dice.choice(self.accounts), self.dice.choice(["EUR", "USD"])
        fee = self.dice.choice([None, Decimal("0.7000"), Decimal("1.0000")])
        order = Order.objects.create(
            account=account, external_id=f"O{self.orders}", state="delivered", currency=currency, fee=fee, amount="1"
        )
        kinds = [(self.dice.randint(1, 4), self.dice.choice(["9.9900", "5.0000", "3.3300"])) for _ in range(2)]
        by_units = self.dice.random() < 0.4
        lines = [
            OrderLine.objects.create(
                order=order, external_id=str(number), product=self.dice.choice(self.products), quantity=quantity,
                unit_price=price, refunded=self.dice.randint(0, quantity) if by_units else 0,
            )
            for number, (quantity, price) in enumerate(kinds)
        ]  # fmt: skip
        told = self.dice.choice([Decimal(0), Decimal("2.5000")]) if not by_units else Decimal(0)
        Order.objects.filter(pk=order.pk).update(refunded_amount=told)
        at = PERIOD.since + timedelta(hours=self.dice.randint(-30, 260))
        is_counted = PERIOD.since <= at < PERIOD.until
        of_order = sum(line.quantity for line in lines)
        value = sum(line.quantity * Decimal(line.unit_price) for line in lines)
        for line in lines:
            batch, codes = self.codes(line.product, self.dice.randint(1, line.quantity))
            is_replacement = self.dice.random() < 0.1
            delivery = Delivery.objects.create(
                account=account,
                line=line,
                external_id=f"D{line.pk}",
                requested=len(codes),
                is_replacement=is_replacement,
            )
            for code in codes:
                gone = self.dice.choice([{}, {}, {}, {"returned_at": at}])
                DeliveryItem.objects.create(delivery=delivery, code=code, sent_at=at, **gone)
                if not is_counted or gone:
                    continue
                price = Decimal(line.unit_price)
                refund = price * line.refunded / line.quantity if by_units else told * price / value
                paid = code.cost if code.cost is not None else batch.cost and Decimal(batch.cost)
                self.expect(
                    {"account": account.pk, "product": line.product_id, "batch": batch.pk, "day": at.date(),
                     "supplier": batch.supplier_id},
                    currency, at.date(), price, refund, (fee or 0) / Decimal(of_order), paid, batch.currency, is_replacement,
                )  # fmt: skip

    def expect(self, keys, currency, day, price, refund, fee, paid, paid_in, is_replacement):
        for dimension, key in keys.items():
            sums = self.expected[dimension, key, currency]
            sums["units"] += 1
            if is_replacement:
                price = refund = fee = Decimal(0)
            sums["sales"] += price
            sums["refunds"] += refund
            sums["fees"] += fee
            if paid is None:
                sums["without_cost"] += 1
                continue
            cost = worth(paid, paid_in, currency, day)
            sums["cost"] += cost
            sums["profit"] += price - refund - fee - cost
            sums["converted"] += worth(price - refund - fee - cost, currency, "USD", day)


@pytest.mark.parametrize("seed", range(3))
def test_profit_is_what_plain_sums_say_by_every_dimension(seed):
    rates()
    shop = Shop(seed)
    for _ in range(25):
        shop.order()

    for dimension in profit.DIMENSIONS:
        found = profit.by(dimension, PERIOD, [account.pk for account in shop.accounts], house="USD")
        told = {
            (key, currency, name): float(getattr(figures, name))
            for key, groups in found.items()
            for currency, figures in groups.items()
            for name in SUMS
        }
        expected = {
            (key, currency, name): float(sums[name])
            for (of, key, currency), sums in shop.expected.items()
            if of == dimension
            for name in SUMS
        }
        assert told == pytest.approx(expected, abs=1e-6)


def simple_sale(account, product, *, currency="USD", paid_in="USD", cost="4.00", at=None, **fields):
    """One code sold at 10.00 an hour before the end of the period."""
    (code,) = make.add_codes(product, 1, prefix=f"s{Code.objects.count()}")
    Batch.objects.filter(pk=code.batch_id).update(cost=cost, currency=paid_in)
    order = Order.objects.create(
        account=account, external_id=f"S{code.pk}", currency=currency, amount="10", **{"fee": 0, **fields}
    )
    line = OrderLine.objects.create(order=order, external_id="1", product=product, quantity=1, unit_price="10.00")
    delivery = Delivery.objects.create(account=account, line=line, external_id=f"S{code.pk}", requested=1)
    return DeliveryItem.objects.create(delivery=delivery, code=code, sent_at=at or NOW - timedelta(hours=1))


def test_a_missing_rate_is_said_and_no_unit_is_dropped():
    shop, product = make.account(), make.product()
    simple_sale(shop, product, paid_in="EUR")
    simple_sale(shop, product, currency="GBP", paid_in="GBP")

    found = profit.totals(profit.by("product", PERIOD, [shop.pk], house="USD"))

    assert (found["USD"].units, found["USD"].without_rate, found["USD"].profit) == (1, 1, 0)
    assert found["USD"].missing_rates == {("EUR", "USD")}
    assert (found["GBP"].profit, found["GBP"].converted) == (6, None)
    assert found["GBP"].missing_rates == {("GBP", "USD")}


def test_a_rate_holds_from_its_day_on():
    shop, product = make.account(), make.product()
    rates()
    simple_sale(shop, product, currency="EUR", paid_in="EUR", at=PERIOD.since + timedelta(days=1))
    simple_sale(shop, product, currency="EUR", paid_in="EUR", at=PERIOD.since + timedelta(days=8))

    found = profit.totals(profit.by("day", PERIOD, [shop.pk], house="USD"))["EUR"]

    assert (found.profit, found.converted) == (12, Decimal("6.0") * Decimal("1.10") + Decimal("6.0") * Decimal("1.20"))


def test_counted_units_cost_the_average_of_their_receipts():
    shop, product = make.account(), make.product(kind="counted")
    for number, (units, cost) in enumerate([(10, "2.00"), (30, "4.00")]):
        goods.receive(
            product_id=product.pk, quantity=units, by="keeper", key=f"r{number}", cost=Decimal(cost), currency="USD"
        )
    order = Order.objects.create(account=shop, external_id="T", currency="USD", fee="1.00", amount="20")
    line = OrderLine.objects.create(order=order, external_id="1", product=product, quantity=2, unit_price="10.00")
    Delivery.objects.create(
        account=shop, line=line, external_id="T", requested=2, reported=2, status="delivered",
        report_sent_at=NOW - timedelta(hours=2),
    )  # fmt: skip

    found = profit.totals(profit.by("product", PERIOD, [shop.pk], house="USD"))["USD"]

    assert (found.units, found.cost, found.profit) == (2, 7, 12)  # 20 - 1 - 2 × 3.50


def test_days_are_those_of_the_zone_that_is_looked_from():
    shop, product = make.account(), make.product()
    simple_sale(shop, product, at=datetime(2026, 11, 18, 23, 30, tzinfo=UTC))

    with timezone.override("Europe/Berlin"):
        assert [str(day) for day in profit.by("day", PERIOD, [shop.pk], house="USD")] == ["2026-11-19"]


# --- stock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_stock_is_worth_what_plain_sums_say(seed):
    dice, expected = random.Random(seed), defaultdict(lambda: defaultdict(Decimal))
    suppliers = [Supplier.objects.create(name=name) for name in "AB"]
    today = NOW.date()
    for number in range(12):
        product, supplier = make.product(f"S-{number % 4}-{number}"), dice.choice(suppliers)
        cost, currency = dice.choice(["1.25", "3.10", None]), dice.choice(["EUR", "USD"])
        codes = make.add_codes(product, dice.randint(1, 5))
        Batch.objects.filter(pk=codes[0].batch_id).update(cost=cost, currency=currency, supplier=supplier)
        for code in codes:
            code.state = dice.choice(["available", "uploaded", "returned", "delivered", "void"])
            code.cost = dice.choice([None, None, Decimal("2.00")])
            code.expires_at = dice.choice([None, today + timedelta(days=dice.randint(-5, 60))])
            code.save()
            if code.state in stock_value.OURS:
                for key in (("product", product.pk), ("batch", code.batch_id), ("supplier", supplier.pk)):
                    sums = expected[(*key, currency)]
                    paid = code.cost if code.cost is not None else cost and Decimal(cost)
                    sums["units"] += 1
                    sums["value"] += paid or 0
                    sums["without_cost"] += paid is None
                    sums["expiring"] += bool(code.expires_at and today <= code.expires_at <= today + timedelta(days=30))
                    sums["expired"] += bool(code.expires_at and code.expires_at < today)

    for dimension in stock_value.DIMENSIONS:
        found = stock_value.by(dimension, today=today)
        names = ("units", "value", "without_cost", "expiring", "expired")
        assert {
            (dimension, key, currency): {name: getattr(stock, name) for name in names}
            for key, groups in found.items()
            for currency, stock in groups.items()
        } == {key: {name: sums[name] for name in names} for key, sums in expected.items() if key[0] == dimension}


def test_counted_units_are_worth_what_was_received_last():
    product = make.product(kind="counted")
    for number, (units, cost, days) in enumerate([(10, "2.00", 9), (10, None, 5), (5, "4.00", 1)]):
        goods.receive(product_id=product.pk, quantity=units, by="keeper", key=f"r{number}", cost=cost and Decimal(cost),
                      currency="USD" if cost else "")  # fmt: skip
        Movement.objects.filter(key=f"r{number}").update(at=NOW - timedelta(days=days))
    goods.correct(product_id=product.pk, counted=18, by="keeper", note="lost")

    found = stock_value.totals(stock_value.by("product"))

    assert (found["USD"].units, found["USD"].value) == (8, 5 * 4 + 3 * 2)
    assert (found[""].units, found[""].without_cost) == (10, 10)


def test_dead_stock_is_what_is_old_and_was_not_sold():
    shop = make.account()
    sold, old, fresh = (make.product(sku) for sku in ("SOLD", "OLD", "FRESH"))
    for product in (sold, old, fresh):
        make.add_codes(product, 2)
    simple_sale(shop, sold)
    Code.objects.exclude(product=fresh).update(created_at=NOW - timedelta(days=90))
    Code.objects.filter(product=fresh).update(created_at=NOW - timedelta(days=3))

    assert stock_value.dead(stock_value.by("product"), 30, NOW) == {old.pk}


# --- delivery times ----------------------------------------------------------------------------------------------


def nearest(seconds, part):
    return sorted(seconds)[max(-(-len(seconds) * part // 100), 1) - 1]


@pytest.mark.parametrize("seed", range(2))
def test_delivery_times_are_what_sorting_them_says(seed):
    dice, product = random.Random(seed), make.product()
    shop = make.account()
    order = Order.objects.create(account=shop, external_id="T", currency="USD")
    line = OrderLine.objects.create(order=order, external_id="1", product=product, quantity=1, unit_price="1")
    codes = iter(make.add_codes(product, 60))
    took, in_time, late = defaultdict(list), defaultdict(int), defaultdict(int)
    for number in range(60):
        asked = PERIOD.since + timedelta(hours=dice.randint(0, 70))
        seconds, deadline = dice.randint(1, 120), dice.choice([None, 30, 600])
        delivery = Delivery.objects.create(
            account=shop, line=line, external_id=f"T{number}", requested=1, requested_at=asked, status="delivered",
            expires_at=asked + timedelta(seconds=deadline) if deadline else None,
        )  # fmt: skip
        DeliveryItem.objects.create(delivery=delivery, code=next(codes), sent_at=asked + timedelta(seconds=seconds))
        day = asked.date()
        took[day].append(seconds)
        (in_time if seconds <= (deadline or shop.service_class.delivery_target_seconds) else late)[day] += 1

    found = delivery_times.by_account(PERIOD, [shop.pk], now=NOW)
    (together,) = delivery_times.by_account(PERIOD, [shop.pk], now=NOW, by_day=False)

    assert {row.day: (row.done, row.in_time, row.late, row.median, row.p95, row.p99) for row in found} == {
        day: (len(each), in_time[day], late[day], nearest(each, 50), nearest(each, 95), nearest(each, 99))
        for day, each in took.items()
    }
    everything = [second for each in took.values() for second in each]
    assert (together.asked, together.median, together.p99) == (60, nearest(everything, 50), nearest(everything, 99))


def test_a_delivery_that_is_open_beyond_its_target_is_late_and_one_that_was_stopped_is_none():
    shop, product = make.account(), make.product()
    order = Order.objects.create(account=shop, external_id="T", currency="USD")
    line = OrderLine.objects.create(order=order, external_id="1", product=product, quantity=1)
    for status, ago in (("short", 3600), ("requested", 5), ("stopped", 3600), ("expired", 5)):
        Delivery.objects.create(
            account=shop, line=line, external_id=status, requested=1, status=status,
            requested_at=NOW - timedelta(seconds=ago),
        )  # fmt: skip

    (row,) = delivery_times.by_account(PERIOD, [shop.pk], now=NOW)

    assert (row.asked, row.done, row.in_time, row.late, row.median, row.share) == (3, 0, 0, 2, None, 0)
