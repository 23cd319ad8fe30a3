"""A kept connection is trusted while the server says nothing, and found out when the server has ended it."""

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from backoffice.models import Heartbeat

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def test_a_living_connection_is_not_asked() -> None:
    assert not Heartbeat.objects.exists()
    with CaptureQueriesContext(connection) as statements:
        assert connection.is_usable()
    assert not statements.captured_queries


def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ((pid,),) = cursor.fetchall()
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        other.close()
    assert not connection.is_usable()
    connection.health_check_enabled, connection.health_check_done = True, False
    assert not Heartbeat.objects.exists()
