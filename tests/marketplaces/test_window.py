"""At most so many calls in any minute, by a clock of its own: who may send, who waits, and in which order."""

import heapq

import pytest

from marketplaces import window
from marketplaces.types import Urgency
from marketplaces.window import Window

LIMIT, SECONDS, KEPT = 10, 60.0, 2
START = 1_800_000_000.0


class Market:
    """One account's window, and the moments at which its calls reached the other side."""

    def __init__(self, *, kept=KEPT, answers_after=0.5):
        self.now, self.kept, self.answers_after = START, kept, answers_after
        self.text, self.sent, self.by_urgency = "", [], []

    def opened(self):
        return Window.read(self.text, limit=LIMIT, seconds=SECONDS, kept=self.kept)

    def take(self, urgency, requests=1, holder="a"):
        opened = self.opened()
        wait = opened.take(self.now, holder=holder, urgency=urgency, requests=requests)
        self.text = opened.write()
        return wait

    def call(self, urgency, requests=1, holder="a"):
        """Make so many calls, one after the other; returns the seconds to wait when they are not granted."""
        if wait := self.take(urgency, requests, holder):
            return wait
        for _ in range(requests):
            opened = self.opened()
            assert opened.begin(self.now, holder=holder, lasts=35)
            self.sent.append(self.now)
            self.by_urgency.append((self.now, urgency))
            opened.end(self.now + self.answers_after, holder=holder)
            self.text = opened.write()
        return 0.0

    def run(self, work, *, seconds):
        """Let workers of (urgency, requests) call without end, each coming back when it was told to."""
        due = [(self.now, number) for number in range(len(work))]
        heapq.heapify(due)
        until = self.now + seconds
        while due[0][0] < until:
            self.now, number = heapq.heappop(due)
            wait = self.call(*work[number], holder=f"w{number}")
            heapq.heappush(due, (self.now + (wait or self.answers_after * work[number][1]), number))
        self.now = until

    def most_in_a_window(self):
        return max(sum(at <= other < at + SECONDS for other in self.sent) for at in self.sent)

    def count(self, urgency):
        return sum(who == urgency for _, who in self.by_urgency)


def test_a_quiet_account_sends_its_share_at_once_and_no_more_until_a_minute_after_the_answer():
    market = Market()
    assert [market.call(Urgency.STOCK) for _ in range(8)] == [0.0] * 8
    wait = market.call(Urgency.STOCK)
    assert wait == pytest.approx(60.75, abs=0.1)
    market.now += 60.4
    assert market.call(Urgency.STOCK) > 0, "the answer came half a second after the call, and clocks differ"
    market.now += 0.4
    assert [market.call(Urgency.STOCK) for _ in range(8)] == [0.0] * 8


@pytest.mark.parametrize("kept", [0, 2])
def test_no_minute_ever_holds_more_than_the_limit(kept):
    """GCO-T06, by the rule alone; with processes in test_budget_window."""
    market = Market(kept=kept, answers_after=1.7)
    market.run(
        [(Urgency.STOCK, 1), (Urgency.PRICE, 3), (Urgency.DELIVERY, 2), (Urgency.CATALOGUE, 1)] * 3, seconds=3600
    )
    assert len(market.sent) > 500
    assert market.most_in_a_window() <= LIMIT


def test_an_accept_goes_at_once_beside_a_queue_of_500():
    """GCO-T56: what a person waits for overtakes 500 background calls."""
    market = Market()
    background = [(urgency, 1) for urgency in (Urgency.STOCK, Urgency.ORDERS, Urgency.PRICE, Urgency.CATALOGUE)] * 125
    for _ in range(3):
        market.run(background, seconds=65)
        assert market.call(Urgency.DELIVERY, 2, holder="person") == 0.0


def test_work_of_a_person_that_needs_more_than_is_kept_is_next_and_within_a_minute():
    """GCO-T56."""
    market = Market()
    background = [(Urgency.STOCK, 1)] * 500
    market.run(background, seconds=63)
    asked = market.now
    while wait := market.call(Urgency.DELIVERY, 4, holder="person"):
        market.run(background, seconds=wait)
    assert market.now - asked <= 62


def test_an_accept_passes_a_shipment_that_waits_for_more_but_not_for_ever():
    market = Market()
    for _ in range(4):
        assert market.call(Urgency.DELIVERY, 2) == 0.0
    assert market.call(Urgency.DELIVERY, 4, holder="ship") > 0
    assert market.call(Urgency.DELIVERY, 2, holder="accept") == 0.0
    market.run([(Urgency.DELIVERY, 2)] * 6, seconds=180)
    market.now += 1
    while wait := market.call(Urgency.DELIVERY, 4, holder="ship"):
        market.run([(Urgency.DELIVERY, 2)] * 6, seconds=wait)
    assert market.now - START < 320


def test_orders_have_at_most_five_while_others_wait_and_all_of_it_when_nobody_does():
    alone = Market()
    assert [alone.call(Urgency.ORDERS) for _ in range(8)] == [0.0] * 8

    market = Market()
    market.run([(Urgency.ORDERS, 1)] * 50 + [(Urgency.PRICE, 1)] * 50, seconds=3600)
    assert market.count(Urgency.ORDERS) == pytest.approx(5 * 59, rel=0.1)
    assert market.count(Urgency.PRICE) == pytest.approx(3 * 59, rel=0.1)


def test_the_more_urgent_goes_first():
    market = Market()
    market.run([(Urgency.PRICE, 1)] * 20 + [(Urgency.STOCK, 1)] * 20, seconds=1200)
    first_minute = 8
    assert market.count(Urgency.PRICE) <= first_minute
    assert market.count(Urgency.STOCK) >= 19 * 8


def test_nothing_starves_for_it_moves_up_with_age():
    market = Market()
    market.run([(Urgency.STOCK, 1)] * 20, seconds=120)
    market.run([(Urgency.STOCK, 1)] * 20 + [(Urgency.CATALOGUE, 1)], seconds=3 * window.AGES_AFTER + 200)
    assert market.count(Urgency.CATALOGUE) == 1


def test_a_worker_that_dies_in_a_call_frees_its_slot_after_the_time_out_and_a_window():
    market = Market(kept=0)
    assert market.take(Urgency.STOCK, LIMIT, holder="dead") == 0.0
    opened = market.opened()
    for _ in range(LIMIT):
        assert opened.begin(market.now, holder="dead", lasts=35)
    market.text = opened.write()
    market.now += 35 + SECONDS
    assert market.call(Urgency.STOCK) > 0
    market.now += 1
    assert market.call(Urgency.STOCK) == 0.0


def test_what_was_planned_and_not_used_is_free_after_a_moment():
    market = Market(kept=0)
    assert market.take(Urgency.DELIVERY, LIMIT, holder="dead") == 0.0
    assert market.take(Urgency.STOCK, 1) > 0
    market.now += window.PLANNED_SECONDS + 0.1
    assert market.call(Urgency.STOCK) == 0.0
    assert not market.opened().begin(market.now, holder="dead", lasts=35)


def test_a_call_that_took_longer_than_it_could_still_counts_from_its_end():
    market = Market(kept=9)
    assert market.take(Urgency.STOCK) == 0.0
    opened = market.opened()
    opened.begin(market.now, holder="a", lasts=35)
    market.now += 200
    opened.end(market.now, holder="a")
    market.text = opened.write()
    market.now += 59
    assert market.call(Urgency.STOCK) > 0


def test_who_never_comes_back_keeps_nobody_out_for_long():
    market = Market()
    market.run([(Urgency.STOCK, 1)] * 8, seconds=1)
    wait = market.take(Urgency.STOCK, 4, holder="gone")
    market.now += wait + window.GRACE + 1
    assert market.call(Urgency.PRICE) == 0.0


def test_a_clock_that_is_put_back_delays_by_a_call_and_a_window_at_the_most():
    market = Market(kept=0)
    for _ in range(LIMIT):
        market.call(Urgency.STOCK)
    market.now -= 10_000_000
    market.call(Urgency.STOCK)
    market.now += window.LONGEST_CALL + SECONDS + 1
    assert market.call(Urgency.STOCK) == 0.0


def test_more_than_a_window_holds_is_granted_as_far_as_it_fits():
    market = Market()
    assert market.take(Urgency.PRICE, 50) == 0.0
    assert len(market.opened().slots) == LIMIT - KEPT


def test_nothing_less_urgent_slips_in_between_the_calls_of_long_work():
    """Ten batches, one after the other, beside readers that never rest: done a minute after they began."""
    market, pushed = Market(), []
    due = [(START, number) for number in range(5)]
    while len(pushed) < 10:
        market.now, number = heapq.heappop(due)
        wait = market.call(Urgency.CATALOGUE if number else Urgency.PRICE, holder=f"w{number}")
        if not wait and not number:
            pushed.append(market.now)
        heapq.heappush(due, (market.now + (min(wait, 1.0) or 2.0), number))
    assert pushed[-1] - START < 80
    assert market.most_in_a_window() <= LIMIT
