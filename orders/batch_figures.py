"""What became of a batch's codes, and what they have earned: shown on the batch's page."""

from django.db.models import Count, Sum
from django.db.models.functions import Coalesce

from backoffice import money
from backoffice.admin import link
from inventory.models import Batch, Code
from inventory.rates import Rates
from orders import earnings
from orders.models import DeliveryItem

State = Code.State
GROUPS = (
    ("left to sell", (State.AVAILABLE,)),
    ("set aside", (State.HELD,)),
    ("in a marketplace's own inventory", (State.UPLOADED,)),
    ("sold", (State.SENT, State.DELIVERED)),
    ("returned", (State.RETURNED,)),
    ("faulty or void", (State.FAULTY, State.VOID)),
    ("expired", (State.EXPIRED,)),
)


def states(batch: Batch) -> list[tuple[str, str, int]]:
    """How many codes are left, sold, returned …: words, the query of the list that shows them, and how many."""
    found = dict(Code.objects.filter(batch=batch).order_by().values_list("state").annotate(codes=Count("pk")))
    return [
        (words, f"batch__id__exact={batch.pk}&state__exact={group[0]}", count)
        for words, group in GROUPS
        if (count := sum(found.get(state, 0) for state in group))
    ]


def table(batch: Batch) -> dict[str, object]:
    """The states as a table with links."""
    rows = [
        [link("admin:inventory_code_changelist", words, query=query), f"{count:,}"]
        for words, query, count in states(batch)
    ]
    return {"headers": ["codes", "how many"], "rows": rows}


def money_lines(batch: Batch) -> list[str]:
    """What the batch has cost, what is left of that on the shelf, and what was earned in each currency."""
    each = Coalesce("cost", "batch__cost")
    codes = Code.objects.filter(batch=batch).order_by()
    sums = dict(codes.values_list("state").annotate(cost=Sum(each)))
    paid = sum((cost for cost in sums.values() if cost is not None), earnings.NOTHING)
    if not paid and batch.cost is None:
        lines = ["What it has cost is not known: enter the cost of one code above, and profit is counted."]
    else:
        left = sums.get(State.AVAILABLE.value) or earnings.NOTHING
        shown = [money.display(amount, batch.currency) for amount in (paid, left)]
        lines = ["It has cost {}; {} of that is left to sell.".format(*shown)]
    items = DeliveryItem.objects.filter(code__batch=batch)
    return [*lines, *(f"Profit {earned}." for earned in earnings.of(items, Rates()))]
