"""What every kind of run keeps to, whatever it does: a preview that changes nothing and does not grow with the rows."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from backoffice import runs
from backoffice.models import Run
from tests.backoffice import world

SAID = {
    "way": "percent", "value": "1", "reason": "a test", "quantity": 1, "state": "void", "until": "2100-01-01",
    "parcels": "", "carrier": "", "other_carrier": "", "without_number": True, "only_raise": False,
}  # fmt: skip
KINDS = sorted(
    {kind for page in admin.site._registry.values() for kind in getattr(page, "run_kinds", ())}, key=runs.name_of
)


def named(kind):
    return kind.__name__


def meant(kind):
    """What a list of the kind's page would choose: all rows."""
    (page,) = [page for page in admin.site._registry.values() if kind in getattr(page, "run_kinds", ())][:1]
    return kind().rows_of(page.model._default_manager.all())


@pytest.fixture
def two(db):
    world.fill(2)


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_a_preview_asks_as_much_for_many_rows_as_for_few_and_writes_nothing(kind, two):
    kind().preview(meant(kind), SAID)
    with CaptureQueriesContext(connection) as few:
        first = kind().preview(meant(kind), SAID)
    more()
    with CaptureQueriesContext(connection) as many:
        second = kind().preview(meant(kind), SAID)
    assert len(many) <= len(few) + 2, [query["sql"][:200] for query in many]
    assert not [query for query in many if query["sql"].lstrip().startswith(("INSERT", "UPDATE", "DELETE"))]
    for seen in (first, second):
        assert all(len(line) == len(seen.header) for line in seen.sample)
        assert seen.changed + seen.unchanged + len(seen.refused) <= meant(kind).count()


def more():
    """Eight more of everything."""
    account = world.account("Other shop")
    for number in range(2, 10):
        offer = world.product_row(number, account)
        world.order_row(number, offer)
        world.difference_rows(number, offer)


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_a_run_gives_each_row_an_outcome_and_twice_is_as_once(kind, two):
    boss = world.staff("starter")
    keys = [str(pk) for pk in meant(kind).values_list("pk", flat=True)]
    run = runs.start(kind(), rows=meant(kind), said=SAID, by=boss, token="first")
    assert run.total == len(keys)
    for _ in range(4):
        runs.step(run.pk)
    found = dict(run.items.values_list("target", "state"))
    assert set(found) == set(keys)
    assert "due" not in found.values()
    assert "Something unforeseen" not in "".join(run.items.values_list("text", flat=True))
    assert len(list(runs.results(Run.objects.get(pk=run.pk)))) == len(keys)
