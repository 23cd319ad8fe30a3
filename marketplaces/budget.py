"""Requests per minute of one account, shared by every process on every host.

One row an account and one UPDATE a grant (the generic cell rate algorithm): the row holds the moment at which all
granted requests would be used up at the account's pace. It grants, or says how long to wait.
"""

import time
from uuid import UUID

from django.db import connection

from marketplaces.types import Urgency

# How much of the burst each urgency leaves free, in requests: enough for a delivery, which reads twice and sends once.
LEAVES = {Urgency.DELIVERY: 0.0, Urgency.STOCK: 3.0, Urgency.ORDERS: 3.0, Urgency.PRICE: 3.5, Urgency.CATALOGUE: 4.0}
# A delivery that has to wait keeps the others out for so long at the most, should nobody come back for it.
LONGEST_WANT = 30.0
# Seconds since 1970 are this coarse as floating-point numbers; without it the last request of a share comes by luck.
CLOCK_GRAIN = 1e-6

# Further ahead than a burst and this, a row was written by a clock that was wrong: it does not count.
CLOCK_SLACK = 60.0

# Standard SQL has no greatest of two numbers that both databases know, so it is spelled out.
_BASE = "CASE WHEN used_until BETWEEN %(now)s AND %(latest)s THEN used_until ELSE %(now)s END"
_GRANT = f"""
UPDATE marketplaces_budget
   SET used_until = {_BASE} + %(cost)s
 WHERE account_id = %(account)s AND {_BASE} + %(cost)s <= %(now)s + %(allowed)s
   AND (%(is_delivery)s = 1 OR wanted_until NOT BETWEEN %(now)s AND %(now)s + %(longest_want)s)
"""  # noqa: S608  (no value of anybody's)
_WAIT = f"""
SELECT {_BASE} + %(cost)s - %(now)s - %(allowed)s, wanted_until - %(now)s
  FROM marketplaces_budget WHERE account_id = %(account)s
"""  # noqa: S608
_WANT = "UPDATE marketplaces_budget SET wanted_until = %(wanted_until)s WHERE account_id = %(account)s"
_FIRST = (
    "INSERT INTO marketplaces_budget (account_id, used_until, wanted_until) VALUES (%(account)s, 0, 0)"
    " ON CONFLICT DO NOTHING"
)


def take(
    account_id: UUID, *, per_minute: int, burst: int, requests: int = 1, urgency: Urgency = Urgency.DELIVERY
) -> float:
    """Grant `requests` and return 0.0, or grant nothing and return the seconds after which to ask again.

    A clock that is put back delays by CLOCK_SLACK at the most. Safe to call from any number of processes.
    """
    now, step = time.time(), 60 / per_minute
    # A plan larger than the share must still be possible once the account has been quiet.
    allowed = max(burst - LEAVES[urgency], requests) * step + CLOCK_GRAIN
    values: dict[str, str | float] = {
        "account": account_id.hex if connection.vendor == "sqlite" else str(account_id),
        "now": now,
        "latest": now + max(burst * step, allowed) + CLOCK_SLACK,
        "cost": requests * step,
        "allowed": allowed,
        "is_delivery": int(urgency == Urgency.DELIVERY),
        "longest_want": LONGEST_WANT,
    }
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(_GRANT, values)
            if cursor.rowcount:
                return 0.0
            cursor.execute(_WAIT, values)
            if row := cursor.fetchone():
                wait = max(float(row[0]), step / 10)
                if urgency == Urgency.DELIVERY:
                    cursor.execute(_WANT, values | {"wanted_until": now + min(wait + step, LONGEST_WANT)})
                    return wait
                kept_out = float(row[1])
                return max(wait, kept_out) if kept_out <= LONGEST_WANT else wait
            # An account's first request makes its row; a race for it ends in the same row.
            cursor.execute(_FIRST, values)
    raise LookupError(f"there is no account {account_id}")
