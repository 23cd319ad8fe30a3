"""Stories in which the make-believe G2A calls a merchant and checks what it answers, by the contract's section 4."""

import functools
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal
from marketplaces.services.g2a import sandbox_shapes as shapes
from marketplaces.services.g2a.sandbox_caller import Answer
from marketplaces.services.g2a.sandbox_orders import Order
from marketplaces.services.g2a.sandbox_story import Stop, Story

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

HOLD_SECONDS = 1800
POLLS, POLL_SECONDS = 24, 5.0
NOBODY = "00000000-0000-4000-8000-000000000000"


def run(sandbox: "Sandbox", scenario: str, target: Mapping[str, Any], details: Mapping[str, Any]) -> Json:
    if scenario not in SCENARIOS:
        raise Refusal(404, "", f"There is {', '.join(SCENARIOS)}, not {scenario}")
    story = Story(sandbox, **target, details=details)
    try:
        story.begin()
        SCENARIOS[scenario](story)
    except Stop:
        pass
    return {
        "scenario": scenario,
        "ok": all(check["ok"] for check in story.report.checks),
        "checks": story.report.checks,
        "failed": [check for check in story.report.checks if not check["ok"]],
        "orders": [order.id for order in story.made],
    }


# --- reservations ----------------------------------------------------------------------------------------------


def happy(story: Story) -> None:
    order = story.reserve()
    if story.place(order).status == 200:
        story.collect(order)


def release(story: Story) -> None:
    order = story.reserve()
    story.report.answered("G2A-IN-05", story.sandbox.orders.release(order), [204])
    story.report.answered("G2A-IN-05", story.sandbox.orders.release(order), [204])
    story.refused("G2A-IN-06", story.sandbox.orders.place(order), 404)
    story.report.answered("G2A-IN-04", story.sandbox.orders.renew(order, order.lines), [404])
    story.report.answered("G2A-IN-05", story.call("G2A-IN-05", "DELETE", f"/reservation/{NOBODY}"), [404])
    second = story.reserve()
    story.place(second)
    story.report.answered("G2A-IN-05", story.sandbox.orders.release(second), [400])


def renew_after_expiry(story: Story) -> None:
    order = story.reserve()
    story.lapse(HOLD_SECONDS + 1)
    for body in (order.lines, None):  # expired, then still held, with the stored lines
        answer = story.sandbox.orders.renew(order, body)
        story.need(story.report.answered("G2A-IN-04", answer, [200], story.held))
        same = answer.document["reservation_id"] == order.reservation_id
        story.report.check("G2A-IN-04", "keeps the reservation's id", same, "it has another id")
    story.place(order)
    story.report.answered("G2A-IN-04", story.sandbox.orders.renew(order, order.lines), [400])


def order_after_expiry(story: Story) -> None:
    order = story.reserve()
    story.lapse(HOLD_SECONDS + 1)
    story.refused("G2A-IN-06", story.sandbox.orders.place(order), 410)


# --- orders ----------------------------------------------------------------------------------------------------


def order_202_then_poll(story: Story) -> None:
    """The merchant has no code ready. `meanwhile`, called after the order, may see to it that there is one."""
    order = story.reserve()
    story.place(order, [202])
    story.collect(order)
    story.report.check("G2A-IN-07", "is empty while it is not ready", not order.items, "there are codes")
    story.details.get("meanwhile", lambda: None)()
    for _ in range(int(story.details.get("polls", POLLS))):
        if order.status == "delivered":
            break
        story.sandbox.lapse(float(story.details.get("poll_seconds", POLL_SECONDS)))
        story.collect(order)
    story.report.check(
        "G2A-IN-07", "fills the order in the end", order.status == "delivered", f"{len(order.items)} codes"
    )
    story.collect(order)


def duplicate_order(story: Story) -> None:
    order = story.reserve()
    story.place(order)
    story.refused("G2A-IN-06", story.sandbox.orders.place(order), 409)
    story.refused("G2A-IN-06", story.sandbox.orders.place(order, g2a_order_id=order.id + 10**9), 409)
    if order.status == "delivered":
        story.collect(order)


def parallel_order(story: Story) -> None:
    """The same order `times` at once: one of them gets the codes, the others 409."""
    order, times = story.reserve(), int(story.details.get("times", 2))
    answers = _at_once(story, lambda: story.sandbox.orders.place(order), times)
    statuses = sorted(answer.status for answer in answers)
    with_codes = sum(status in (200, 202) for status in statuses)
    detail = f"the answers were {statuses}"
    story.report.check("G2A-IN-06", "accepts one of the orders", with_codes == 1, detail)
    story.report.check("G2A-IN-06", "refuses the others with 409", statuses.count(409) == times - 1, detail)
    for answer in answers:
        if answer.status == 409:
            story.refused("G2A-IN-06", answer, 409)
    story.report.check("G2A-IN-06", "lets no second code out", order.surplus == 0, f"{order.surplus} too many")


def crowd(story: Story) -> None:
    """`times` buyers reserve at once from a `stock` that is too small: just as many get something, the others 400."""
    times, stock = int(story.details.get("times", 20)), int(story.details.get("stock", 10))
    orders = story.sandbox.orders
    story.made += [orders.new(story.seller, story.product_id, story.quantity, offer=story.offer) for _ in range(times)]
    waiting = list(story.made)
    answers = _at_once(story, lambda: orders.reserve(waiting.pop()), times)
    for answer in answers:
        story.report.answered("G2A-IN-03", answer, [200, 400], story.held)
    held = story.quantity * sum(answer.status == 200 for answer in answers)
    wanted = min(stock // story.quantity, times) * story.quantity
    story.report.check("G2A-IN-03", f"holds {wanted} of {stock}", held == wanted, f"{held} are held")


def _at_once(story: Story, call: Callable[[], Answer], times: int) -> list[Answer]:
    """Make a call from `times` threads at once; with `in_turn` one after the other."""
    answers = list[Answer]()
    if story.details.get("in_turn"):
        return [call() for _ in range(times)]
    threads = [threading.Thread(target=lambda: answers.append(call())) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def return_items(story: Story) -> None:
    order = story.reserve()
    story.place(order, [200])
    item, orders = order.kept[0], story.sandbox.orders
    foreign = f"/order/{order.order_id}/inventory?id%5B%5D={item.id}&id%5B%5D={NOBODY}"
    story.report.answered("G2A-IN-08", story.call("G2A-IN-08", "DELETE", foreign), [400])
    story.report.check("G2A-IN-08", "changes nothing for a foreign id", item.id in story.left(order), "an item is gone")
    story.report.answered("G2A-IN-08", orders.give_back(order, [item.id]), [204])
    story.report.answered("G2A-IN-08", orders.give_back(order, [item.id]), [204])
    is_out = item.id not in story.left(order)
    story.report.check("G2A-IN-08", "takes the item out of the order", is_out, "it is still there")
    story.report.answered(
        "G2A-IN-08", story.call("G2A-IN-08", "DELETE", f"/order/{NOBODY}/inventory?id%5B%5D={item.id}"), [404]
    )


def file_key(story: Story) -> None:
    _content(story, "file", "G2A-IN-09", story.sandbox.orders.read_file, shapes.file)


def account_key(story: Story) -> None:
    _content(story, "account", "G2A-IN-10", story.sandbox.orders.read_account, shapes.account)


def _content(
    story: Story, kind: str, op: str, read: Callable[[Order, str], Answer], shape: Callable[[Any], str]
) -> None:
    order = story.reserve()
    story.place(order, [200])
    for item in order.kept:
        answer = read(order, item.id)
        if item.kind != kind:
            story.report.answered(op, answer, [404])
        elif story.report.answered(op, answer, [200], shape):
            story.report.unkept(op, answer)
            again = read(order, item.id).document == answer.document
            story.report.check(op, "answers the same again", again, "it has changed")
    found = any(item.kind == kind for item in order.kept)
    story.report.check(op, f"an item of the kind {kind} was sold", found, "choose a product with such codes")


# --- the rest --------------------------------------------------------------------------------------------------


def notifications(story: Story) -> None:
    offer_id = story.offer.id if story.offer else NOBODY
    notice = {
        "notification_type": "auction_deactivated",
        "date": "2017-07-21T17:32:28Z",
        "data": {"message": "Reservation price is too low", "auction_id": 12345, "offer_id": offer_id},
    }
    if story.offer:
        story.offer.active = False
    unknown = {**notice, "notification_type": "word_of_tomorrow"}
    foreign = {**notice, "data": {**notice["data"], "offer_id": NOBODY}}  # type: ignore[dict-item]
    for body, status in (([notice], 204), ([notice], 204), ([unknown, foreign], 204), (notice, 400), (["text"], 400)):
        story.report.answered("G2A-IN-11", story.call("G2A-IN-11", "POST", "/notifications", body), [status])


def short_token(story: Story) -> None:
    """A token lives as long as was said, an older one beside a newer, and none longer."""
    caller = story.sandbox.caller
    old = caller.fetch_token(story.seller).document
    caller.fetch_token(story.seller)
    alive = story.call("G2A-IN-02", "GET", "/healthcheck", bearer=old["access_token"])
    story.report.answered("G2A-IN-02", alive, [204])
    story.lapse(old["expires_in"] + 1)
    dead = story.call("G2A-IN-02", "GET", "/healthcheck", bearer=old["access_token"])
    story.report.answered("G2A-IN-02", dead, [401])
    story.report.answered("G2A-IN-02", story.call("G2A-IN-02", "GET", "/healthcheck"), [204])


def bad_token(story: Story) -> None:
    fetch = story.sandbox.caller.fetch_token
    posted = fetch(story.seller, by_post=True)
    story.report.answered("G2A-IN-01", posted, [200], shapes.token)
    for by_post in (False, True):
        wrong = fetch(story.seller, by_post=by_post, client_secret="wrong")  # noqa: S106  (wrong on purpose)
        story.report.answered("G2A-IN-01", wrong, [401])
    story.report.answered("G2A-IN-01", fetch(story.seller, client_id="nobody"), [401])
    story.report.answered("G2A-IN-01", fetch(story.seller, grant_type="password"), [400])
    lines = [{"product_id": story.product_id, "quantity": story.quantity}]
    for bearer in ("", "wrong"):
        for op, method, path, body in (
            ("G2A-IN-02", "GET", "/healthcheck", None),
            ("G2A-IN-03", "POST", "/reservation", lines),
            ("G2A-IN-07", "GET", f"/order/{NOBODY}/inventory", None),
            ("G2A-IN-11", "POST", "/notifications", []),
        ):
            story.report.answered(op, story.call(op, method, path, body, bearer=bearer), [401])


def brief_shapes(story: Story) -> None:
    """The reservation calls as the brief words them, at both of their addresses (G2A-IN-12 to G2A-IN-14)."""
    for base in ("", "/integration-api/v1"):
        _brief(story, base)


def _brief(story: Story, base: str) -> None:
    order = story.sandbox.orders.new(story.seller, story.product_id, story.quantity, offer=story.offer)
    story.made.append(order)
    body = {"orderId": str(order.id), "productId": str(story.product_id), "quantity": order.quantity}
    answers = [story.call("G2A-IN-12", "POST", f"{base}/reservations", body) for _ in range(2)]
    for answer in answers:
        story.need(story.report.answered("G2A-IN-12", answer, [200], shapes.brief_reservation))
    order.reservation_id = answers[0].document["reservationId"]
    same = answers[1].document["reservationId"] == order.reservation_id
    story.report.check("G2A-IN-12", "gives one reservation for one orderId", same, "there are two")
    other = {**body, "quantity": order.quantity + 1}
    story.report.answered("G2A-IN-12", story.call("G2A-IN-12", "POST", f"{base}/reservations", other), [400])
    for _ in range(2):
        answer = story.call("G2A-IN-13", "POST", f"{base}/reservations/{order.reservation_id}/confirm")
        fits = functools.partial(shapes.brief_confirmation, status=answer.status)
        story.need(story.report.answered("G2A-IN-13", answer, [200, 202], fits))
    _brief_keys(story, order, f"{base}/inventory/{order.id}")
    nobody = story.call("G2A-IN-13", "POST", f"{base}/reservations/{NOBODY}/confirm")
    story.report.answered("G2A-IN-13", nobody, [404])


def _brief_keys(story: Story, order: Order, path: str) -> None:
    story.details.get("meanwhile", lambda: None)()
    for _ in range(int(story.details.get("polls", POLLS))):
        answer = story.call("G2A-IN-14", "GET", path)
        story.need(story.report.answered("G2A-IN-14", answer, [200], shapes.brief_inventory))
        if answer.document["stockReady"]:
            break
        story.sandbox.lapse(float(story.details.get("poll_seconds", POLL_SECONDS)))
    keys = answer.document.get("keys", [])
    story.report.check("G2A-IN-14", "has the keys in the end", len(keys) == order.quantity, f"{len(keys)} keys")
    story.report.unkept("G2A-IN-14", answer)
    story.sandbox.orders.receive(order, keys)
    again = story.call("G2A-IN-14", "GET", path).document
    story.report.check("G2A-IN-14", "answers the same again", again == answer.document, "it has changed")


SCENARIOS: Mapping[str, Callable[[Story], None]] = {
    story.__name__: story
    for story in (
        happy,
        release,
        renew_after_expiry,
        order_202_then_poll,
        duplicate_order,
        parallel_order,
        crowd,
        order_after_expiry,
        return_items,
        file_key,
        account_key,
        notifications,
        short_token,
        bad_token,
        brief_shapes,
    )
}
