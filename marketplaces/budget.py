"""Requests per minute of one account, shared by every process on every host.

One row an account and one UPDATE a grant (the generic cell rate algorithm): the row holds the moment at which all
granted requests would be used up at the account's pace. It grants, or says how long to wait.
"""

import time
from uuid import UUID

from django.db import connection

from marketplaces.types import Urgency

# The part of the burst that each urgency may use up, so that a read never takes a delivery's place.
SHARES = {Urgency.DELIVERY: 1.0, Urgency.STOCK: 0.8, Urgency.PRICE: 0.6, Urgency.CATALOGUE: 0.4}

# GREATEST and LEAST have other names on SQLite, where they are MAX and MIN of several values.
_GRANT = """
UPDATE marketplaces_budget
   SET used_until = {greatest}({least}(used_until, %(now)s + %(window)s), %(now)s) + %(cost)s
 WHERE account_id = %(account)s
   AND {greatest}({least}(used_until, %(now)s + %(window)s), %(now)s) + %(cost)s <= %(now)s + %(allowed)s
"""

_FIRST = "INSERT INTO marketplaces_budget (account_id, used_until) VALUES (%(account)s, 0) ON CONFLICT DO NOTHING"


def take(
    account_id: UUID, *, per_minute: int, burst: int, requests: int = 1, urgency: Urgency = Urgency.DELIVERY
) -> float:
    """Grant `requests` and return 0.0, or grant nothing and return the seconds after which to ask again.

    A clock that was put back can delay by one burst at the most. Safe to call from any number of processes.
    """
    now, step = time.time(), 60 / per_minute
    # A plan larger than the share must still be possible once the account has been quiet.
    allowed = max(SHARES[urgency] * burst * step, requests * step)
    window = max(burst * step, allowed)
    values: dict[str, str | float] = {
        "account": account_id.hex if connection.vendor == "sqlite" else str(account_id),
        "now": now,
        "window": window,
        "cost": requests * step,
        "allowed": allowed,
    }
    names = ("MAX", "MIN") if connection.vendor == "sqlite" else ("GREATEST", "LEAST")
    with connection.cursor() as cursor:
        # An account's first request makes its row; a race for it ends in the same row.
        cursor.execute(_FIRST, values)
        cursor.execute(_GRANT.format(greatest=names[0], least=names[1]), values)
        if cursor.rowcount:
            return 0.0
        cursor.execute("SELECT used_until FROM marketplaces_budget WHERE account_id = %(account)s", values)
        used_until = min(float(cursor.fetchone()[0]), now + window)
    return max(used_until + requests * step - now - allowed, step / 10)
