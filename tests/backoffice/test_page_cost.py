"""No page of the admin asks the database more than fifteen times, however many rows there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.backoffice import world
from tests.backoffice.pages import addresses

MOST = 15


@pytest.mark.django_db
def test_no_page_asks_the_database_more_than_15_times(admin_client, admin_user):
    world.fill(3)

    costs = {}
    for address in addresses(admin_user):
        admin_client.get(address)  # what a process learns once
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert admin_client.get(address).status_code == 200
        costs[address] = len(asked)

    assert {address: cost for address, cost in costs.items() if cost > MOST} == {}
