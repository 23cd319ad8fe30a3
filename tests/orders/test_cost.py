"""What an order costs: so few statements that nobody makes it dearer without noticing."""

from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import drain
from tests.desk import Desk
from tests.orders import story

MOST = {
    "marketplaces.tasks.process_event": 112,
    "orders.tasks.deliver": 1,
    "inventory.tasks.stock_changed": 14,
    "marketplaces.tasks.pump": 22,
}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_an_order_takes_few_tasks_and_few_statements(g2g: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = story.begin(g2g, codes=5)
    shop.buy()
    shop.until_asked()
    shop.until_delivered()
    statements: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    find = drain.import_string

    def counting(path: str) -> Any:
        def run(*args: Any) -> None:
            with CaptureQueriesContext(connection) as asked:
                find(path)(*args)
            statements[path] += len(asked)
            tasks[path] += 1

        return run

    monkeypatch.setattr(drain, "import_string", counting)
    order_id = shop.buy()
    shop.until_asked()
    shop.until_delivered()

    assert len(shop.received(order_id)) == 1
    assert sum(tasks.values()) <= 7
    assert set(statements) == set(MOST)
    assert {path: count for path, count in statements.items() if count > MOST[path]} == {}
