"""Our broker for django-q2: its own table and promises, with an order, and one statement for each of its steps.

A row's `key` is its lane. Where several rows are due, the one whose turn came first is taken: its due time and what its
lane is put ahead or back. So a delivery passes whatever else waits, and still nothing waits without end.
"""

from time import sleep
from typing import Any

from django.db import connections
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf, logger
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from backoffice import pulse
from backoffice.rows import asked_often

DELIVERY, EVENT, STOCK = (f"{Conf.CLUSTER_NAME}:{name}" for name in ("delivery", "event", "stock"))
REST = Conf.CLUSTER_NAME
# Seconds. Ahead by less than the heartbeat may be late, or deliveries alone could make the workers look dead.
# A change of stock waits a little behind the rest: the more of them wait, the more are one push.
BEHIND = {DELIVERY: -60.0, EVENT: 0.0, REST: 0.0, STOCK: 3.0}

_TABLE = OrmQ._meta.db_table
# The head of each lane is found by the index on (key, lock), however many rows wait there or are planned for later.
_TAKE = f"""
WITH heads AS (
    SELECT head.id FROM (VALUES {", ".join(["(%s, %s)"] * len(BEHIND))}) AS lane (key, behind)
     CROSS JOIN LATERAL (
           SELECT id, lock FROM {_TABLE} WHERE key = lane.key AND lock <= %s ORDER BY lock LIMIT %s
              FOR UPDATE SKIP LOCKED) AS head
     ORDER BY head.lock + lane.behind * interval '1 second' LIMIT %s)
UPDATE {_TABLE} SET lock = %s FROM heads WHERE {_TABLE}.id = heads.id RETURNING {_TABLE}.id, payload
"""  # noqa: S608  (names of our own; every value is a parameter)
# One writer at a time: there is nobody to skip. Times are texts there, and are put back by julianday().
_TAKE_ON_SQLITE = f"""
UPDATE {_TABLE} SET lock = %s WHERE id IN (
    SELECT id FROM {_TABLE} WHERE key IN ({", ".join(["%s"] * len(BEHIND))}) AND lock <= %s
     ORDER BY julianday(lock) * 86400 + CASE key {"WHEN %s THEN %s " * len(BEHIND)}END LIMIT %s)
RETURNING id, payload
"""  # noqa: S608
_DUE_ON_SQLITE = f"SELECT 1 FROM {_TABLE} WHERE lock <= %s LIMIT 1"  # noqa: S608
_PUT = f"INSERT INTO {_TABLE} (key, payload, lock) VALUES (%s, %s, %s)"  # noqa: S608
# For a statement that puts a row in together with something else; {source} names what there must be a row of.
PUT_FOR = f"INSERT INTO {_TABLE} (key, payload, lock) SELECT %s, %s, %s WHERE EXISTS (SELECT 1 FROM {{source}})"  # noqa: S608
_END = f"DELETE FROM {_TABLE} WHERE id = %s"  # noqa: S608


class Broker(ORM):  # type: ignore[misc]  # django-q2 has no type hints
    """Named by settings.Q_CLUSTER. What is taken is due again after `retry`, unless it was acknowledged before."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pulse = pulse.Starter()

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Take up to `bulk` rows that are due, those first whose turn came first; sleep when there is none."""
        if self._pulse.is_due():
            return [(pulse.ROW, SignedPackage.dumps(pulse.task()))]
        self.get_connection()  # one that the server has ended is let go of
        found = self._take()
        if not found:
            sleep(Conf.POLL)
            return None
        return [row for row in found if self._can_be_read(*row)]

    def _take(self) -> list[tuple[int, str]]:
        queue, now = connections[Conf.ORM], timezone.now()
        due, again = (queue.ops.adapt_datetimefield_value(when) for when in (now, self.timeout(None)))
        lanes = [value for lane in BEHIND.items() for value in lane]
        # Not a kept plan: made while nothing waits, it would go through all that waits later.
        with queue.cursor() as cursor:
            if queue.vendor == "sqlite":
                cursor.execute(_DUE_ON_SQLITE, [due])  # a look locks nobody out, and mostly there is nothing
                if cursor.fetchone() is None:
                    return []
                cursor.execute(_TAKE_ON_SQLITE, [again, *BEHIND, due, *lanes, Conf.BULK])
            else:
                cursor.execute(_TAKE, [*lanes, due, Conf.BULK, Conf.BULK, again])
            return [(pk, payload) for pk, payload in cursor.fetchall()]

    def _can_be_read(self, pk: int, payload: str) -> bool:
        """A row that can't be read any more would end the one who pushes it, every time it is due; it is dropped."""
        try:
            SignedPackage.loads(payload)
        except Exception:
            logger.exception("A wake-up can't be read and is dropped; the sweeps find what it was for")
            self.delete(pk)
            return False
        return True

    def enqueue(self, task: str) -> str:
        """Put in what django-q2's own scheduler makes."""
        put(REST, task, timezone.now())
        return "row"

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Called by the guard at each of its rounds."""
        pulse.guard()
        super().set_stat(key, value, timeout)

    def delete(self, task_id: int) -> None:
        if task_id == pulse.ROW:
            pulse.arrived()
            return
        self.get_connection()
        with asked_often(Conf.ORM) as cursor:
            cursor.execute(_END, [task_id])

    def queue_size(self) -> int:
        return int(self.get_connection().filter(key__in=BEHIND, lock__lte=timezone.now()).count())

    def lock_size(self) -> int:
        return int(self.get_connection().filter(key__in=BEHIND, lock__gt=timezone.now()).count())

    def purge_queue(self) -> Any:
        return self.get_connection().filter(key__in=BEHIND).delete()


def put(lane: str, package: str, when: Any) -> None:
    """Write a row under a lock that ends when it is due; joins the caller's transaction."""
    with asked_often(Conf.ORM) as cursor:
        cursor.execute(_PUT, as_values(lane, package, when))


def as_values(lane: str, package: str, when: Any) -> list[Any]:
    """The values of a row, in the order of its columns."""
    return [lane, package, connections[Conf.ORM].ops.adapt_datetimefield_value(when)]
