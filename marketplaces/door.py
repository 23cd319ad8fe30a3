"""What the door keeps at hand, so that an event costs one statement: accounts that were just read, and primary keys.

An account in memory is believed only together with its row: what rests on it is stored by a statement that stores nothing
once the row is another. So whoever refuses, answers a question or finds it changed reads it again first.
"""

import os
import threading
from collections import deque
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from marketplaces.models import Account, WebhookEvent

KEYS_AT_ONCE = 32
MOST_ACCOUNTS = 1000

# PostgreSQL's own words for one state of a row: where it lies, and who wrote it.
VERSION = "ctid::text || ' ' || xmin::text"
_NEXT_PKS = f"SELECT nextval('{WebhookEvent._meta.db_table}_id_seq') FROM generate_series(1, %s)"  # noqa: S608


@dataclass(frozen=True)
class Known:
    """An account as it was read. `version` tells its row from every later one; empty where there is no such word."""

    account: Account
    version: str
    is_fresh: bool


_accounts: dict[tuple[int, UUID], tuple[Account, str]] = {}
_keys: deque[tuple[int, int]] = deque()
_reading = threading.Lock()


def look_up(account_id: UUID, *, fresh: bool = False) -> Known | None:
    """Find an account, in memory when it is there and need not be `fresh`; None when there is none."""
    if connection.vendor == "sqlite":
        account = Account.objects.filter(pk=account_id).first()
        return Known(account, "", is_fresh=True) if account else None
    key = (os.getpid(), account_id)  # a forked process begins with nothing
    if not fresh and (found := _accounts.get(key)):
        return Known(*found, is_fresh=False)
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in Account._meta.concrete_fields)
    sql = f"SELECT {columns}, {VERSION} AS version FROM {Account._meta.db_table} WHERE id = %s"  # noqa: S608
    account = next(iter(Account.objects.raw(sql, [account_id])), None)
    if account is None:
        _accounts.pop(key, None)
        return None
    if len(_accounts) >= MOST_ACCOUNTS:
        _accounts.clear()
    version = str(account.version)  # type: ignore[attr-defined]
    _accounts[key] = account, version
    return Known(account, version, is_fresh=True)


def next_pk() -> int:
    """A primary key for an event, set aside together with those of the next events. Keys that nobody uses are no loss."""
    while True:
        try:
            pid, pk = _keys.popleft()
        except IndexError:
            with _reading, connection.cursor() as cursor:
                cursor.execute(_NEXT_PKS, [KEYS_AT_ONCE])
                _keys.extend((os.getpid(), row[0]) for row in cursor.fetchall())
            continue
        if pid == os.getpid():
            return pk
