"""Whatever is done with codes, in whatever order: none is lost, none is doubled, none is in two hands.

A machine of rules does any of the stock verbs in any order; after each the whole table is compared with the one before, and
only what the verb may move has moved.
"""

import io
from collections import Counter
from datetime import date, timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inventory import codes, stock
from inventory.models import Code, Hold, Product, Recall, RecalledCode

State = Code.State
pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

AVAILABLE, HELD, SENT, UPLOADED = State.AVAILABLE, State.HELD, State.SENT, State.UPLOADED
DELIVERED, RETURNED, FAULTY, VOID, EXPIRED = (
    State.DELIVERED, State.RETURNED, State.FAULTY, State.VOID, State.EXPIRED,
)  # fmt: skip
# What a verb may make of a code in a state; where the word is None a person set it aside for good.
MOVES = {
    "import": set(),
    "hold": {(AVAILABLE, HELD), (HELD, AVAILABLE)},
    "release": {(HELD, AVAILABLE)},
    "take": {(AVAILABLE, HELD), (HELD, EXPIRED)},
    "put back": {(HELD, AVAILABLE), (HELD, FAULTY)},
    "send": {(HELD, SENT)},
    "unsend": {(SENT, HELD)},
    "deliver": {(SENT, DELIVERED)},
    "return": {(SENT, RETURNED), (DELIVERED, RETURNED)},
    "sell again": {(RETURNED, AVAILABLE)},
    "withdraw": {(AVAILABLE, FAULTY), (AVAILABLE, VOID)},
    "set apart": {(HELD, FAULTY)},
    "upload": {(AVAILABLE, UPLOADED)},
    "get back": {(UPLOADED, AVAILABLE), (UPLOADED, FAULTY)},
    "sold there": {(UPLOADED, DELIVERED)},
    "recall": {(AVAILABLE, FAULTY), (HELD, FAULTY), (RETURNED, FAULTY)},
    "expire": {(AVAILABLE, EXPIRED)},
}
few = st.integers(min_value=1, max_value=4)
which = st.integers(min_value=0, max_value=999)


class Stock(RuleBasedStateMachine):
    numbers = 0  # of products, so that no example sees another's codes

    @initialize()
    def begin(self) -> None:
        type(self).numbers += 1
        self.product = Product.objects.create(sku=f"MACHINE-{self.numbers}", name="Machine")
        self.known: dict[int, str] = {}
        self.hands: set[int] = set()  # what was taken for a delivery, until it is put back or set apart
        self.imported = 0
        self.texts: list[str] = []
        self.buy_in(4, True, 0)

    # --- what is done --------------------------------------------------------------------------------------------

    @rule(count=few, is_new=st.booleans(), expired=st.sampled_from([0, 0, 0, 1]))
    def buy_in(self, count: int, is_new: bool, expired: int) -> None:
        start = len(self.texts) if is_new else 0
        lines = [f"{self.product.sku}-{number:04}" for number in range(start, start + count)]
        new = [line for line in lines if line not in self.texts]
        expires = date(2020, 1, 1) if expired else None
        file = io.BytesIO("\n".join([*lines, lines[0]]).encode())
        result = codes.import_codes(product=self.product, lines=file, expires=expires)
        assert (result.imported, result.duplicates) == (len(new), count + 1 - len(new))
        self.texts += new
        self.imported += len(new)
        self.compare("import", new=len(new))

    @rule(reference=st.sampled_from("abc"), count=few, may_be_short=st.booleans(), over=st.booleans())
    def hold(self, reference: str, count: int, may_be_short: bool, over: bool) -> None:
        until = timezone.now() + timedelta(hours=-1 if over else 1)
        try:
            held = stock.hold(
                product_id=self.product.pk, quantity=count, reference=reference, until=until, may_be_short=may_be_short
            )
        except stock.ShortStock:
            assert not may_be_short
            self.compare("hold", moved=0)
        else:
            assert held.quantity <= count
            assert held.quantity == count or may_be_short
            self.compare("hold")

    @rule(at=which)
    def release(self, at: int) -> None:
        holds = list(Hold.objects.filter(product=self.product))
        if holds:
            freed = stock.release(holds[at % len(holds)].pk)
            self.compare("release", moved=freed)

    @rule()
    def end_holds(self) -> None:
        stock.end_holds(timezone.now())
        self.compare("release")

    @rule(count=few, at=which, from_hold=st.booleans())
    def take(self, count: int, at: int, from_hold: bool) -> None:
        holds = list(Hold.objects.filter(product=self.product, released_at=None)) if from_hold else []
        hold_id = holds[at % len(holds)].pk if holds else None
        taken = stock.take(product_id=self.product.pk, quantity=count, hold_id=hold_id)
        assert len(taken) == len(set(taken)) <= count
        assert not self.hands & set(taken), "a code is in two hands"
        self.hands |= set(taken)
        self.compare("take")

    @rule(at=which, count=few, verb=st.sampled_from(["put back", "send", "unsend", "deliver", "return", "set apart"]))
    def move(self, at: int, count: int, verb: str) -> None:
        """Any codes, whether the verb fits them or not: it moves all of them or none."""
        verbs = {
            "put back": stock.put_back, "send": stock.mark_sent, "unsend": stock.unmark_sent,
            "deliver": stock.mark_delivered, "return": stock.take_back, "set apart": stock.set_apart,
        }  # fmt: skip
        sources = {source for source, _ in MOVES[verb]}
        fitting = [pk for pk, state in self.known.items() if state in sources]
        chosen = self._some(fitting if at % 3 else list(self.known), at, count)
        try:
            with transaction.atomic():  # of what is refused nothing stays, nor of what was done beside it
                verbs[verb](chosen)
        except stock.NotMoved:
            self.compare(verb, moved=0)
        else:
            self.hands -= set(chosen) if verb in ("put back", "set apart") else set()
            self.compare(verb, among=chosen)

    @rule(at=which, count=few, verb=st.sampled_from(["get back", "sold there"]))
    def move_there(self, at: int, count: int, verb: str) -> None:
        fitting = [pk for pk, state in self.known.items() if state == UPLOADED]
        chosen = self._some(fitting if at % 3 else list(self.known), at, count)
        try:
            with transaction.atomic():
                {"get back": stock.get_back, "sold there": stock.mark_sold_there}[verb](chosen)
        except stock.NotMoved:
            self.compare(verb, moved=0)
        else:
            self.compare(verb, among=chosen)

    @rule(count=few)
    def upload(self, count: int) -> None:
        given = stock.give_away(product_id=self.product.pk, quantity=count)
        self.compare("upload", among=given, moved=len(given))

    @rule(at=which, count=few)
    def sell_again(self, at: int, count: int) -> None:
        chosen = self._some(list(self.known), at, count)
        self.compare("sell again", among=chosen, moved=stock.sell_again(chosen))

    @rule(at=which, count=few, state=st.sampled_from([FAULTY, VOID]))
    def withdraw(self, at: int, count: int, state: str) -> None:
        chosen = self._some(list(self.known), at, count)
        self.compare("withdraw", among=chosen, moved=stock.withdraw(chosen, state))

    @precondition(lambda self: self.known)
    @rule(at=which, count=few)
    def recall(self, at: int, count: int) -> None:
        chosen = self._some(list(self.known), at, count)
        recall = Recall.objects.create(reason="stolen", by="tester")
        RecalledCode.objects.bulk_create(
            [RecalledCode(recall=recall, code_id=pk, was=self.known[pk]) for pk in chosen], ignore_conflicts=True
        )
        self.compare("recall", among=chosen, moved=stock.freeze(chosen))

    @rule()
    def expire(self) -> None:
        stock.expire_codes(timezone.now())
        self.compare("expire")

    # --- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def conserved(self) -> None:
        if not hasattr(self, "product"):
            return
        counted = stock.count(self.product.pk)
        assert sum(counted.values()) == self.imported == len(self.known)
        assert counted == {state.value: Counter(self.known.values())[state] for state in State}
        assert stock.sellable(self.product.pk) <= counted[AVAILABLE]

    @invariant()
    def holds_have_what_they_say(self) -> None:
        if not hasattr(self, "product"):
            return
        held = Code.objects.filter(product=self.product, hold__isnull=False).select_related("hold")
        assert all(code.state == HELD and code.hold.released_at is None for code in held)
        assert not self.hands & {code.pk for code in held}

    def compare(self, verb: str, *, new: int = 0, moved: int | None = None, among: list[int] | None = None) -> None:
        """Read every code again: only those `among` may have moved, as the verb may, and as many as it said."""
        now = dict(Code.objects.filter(product=self.product).values_list("pk", "state"))
        assert self.known.keys() <= now.keys(), "a code is gone"
        assert len(now) - len(self.known) == new
        changes = {pk: (self.known[pk], now[pk]) for pk in self.known if self.known[pk] != now[pk]}
        assert set(changes.values()) <= MOVES[verb], f"{verb}: {changes}"
        assert among is None or changes.keys() <= set(among)
        if verb != "release":
            assert moved is None or len(changes) == moved, f"{verb} said {moved}: {changes}"
        # What is in a delivery's hands leaves them only by a verb that says so.
        assert not any(pk in self.hands and after == AVAILABLE for pk, (_, after) in changes.items())
        self.known = now

    def _some(self, found: list[int], at: int, count: int) -> list[int]:
        start = at % len(found) if found else 0
        return sorted(found)[start : start + count]


def test_any_interleaving_keeps_every_code_in_one_place():
    run_state_machine_as_test(
        Stock,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
