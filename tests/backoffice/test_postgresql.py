"""A kept connection is trusted while the server says nothing, and found out when the server has ended it."""

import pytest
from django.db import DataError, connection, connections
from django.test.utils import CaptureQueriesContext

from backoffice.models import Heartbeat
from backoffice.rows import asked_often

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


def test_a_statement_that_is_asked_often_is_planned_once_for_a_connection() -> None:
    for number in range(3):
        with asked_often() as cursor:
            cursor.execute("SELECT %s::int + 1", [number])
            assert cursor.fetchone() == (number + 1,)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::int + 1'")
        assert cursor.fetchone() == (1,)


def test_what_goes_wrong_in_it_is_djangos_error_and_is_counted_like_any_other() -> None:
    with CaptureQueriesContext(connection) as statements, pytest.raises(DataError), asked_often() as cursor:
        cursor.execute("SELECT 1 / %s::int", [0])
    assert len(statements) == 1


def test_what_all_other_cursors_ask_is_not_noted_down() -> None:
    with asked_often() as cursor:
        cursor.execute("SELECT %s::int + 2", [1])
    assert connection.connection.prepare_threshold is None
