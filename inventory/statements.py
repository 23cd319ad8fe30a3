"""The statements that pick, hold, release and count codes, in the words of the database: each is one journey to it."""

import functools

from django.db import connection

from marketplaces.shop import CodeKind

# Nobody is shown more units of a product, so nobody counts on: a push must not cost more the more there is.
MOST_COUNTED = 10_000
# Two counts out of an index each: to look at ten thousand rows for their date takes six times as long, and few are over.
SELLABLE = """
SELECT product.id, COALESCE(level.on_hand - level.held, (
       SELECT COUNT(*) FROM (
              SELECT 1 FROM inventory_code WHERE product_id = product.id AND state = 'available' LIMIT %s) AS counted) - (
       SELECT COUNT(*) FROM inventory_code
        WHERE product_id = product.id AND state = 'available' AND expires_at < %s))
  FROM inventory_product AS product LEFT JOIN inventory_level AS level ON level.product_id = product.id
 WHERE product.id IN ({products})
"""
_PICK = """
UPDATE inventory_code SET state = 'held', hold_id = %s
 WHERE id {picked} RETURNING id
"""
# The order is not by primary key and the condition names the state first: that is what lets the planner use the small
# index of available codes whatever its statistics say.
_CHOOSE = """
SELECT id FROM inventory_code
 WHERE product_id = %s AND state = 'available' AND (expires_at IS NULL OR expires_at >= %s){kinds}
 ORDER BY position LIMIT %s
"""
OF_HOLD = """
SELECT id FROM inventory_code
 WHERE hold_id = %s AND state = 'held' AND (expires_at IS NULL OR expires_at >= %s) ORDER BY position LIMIT %s
"""
OUT_OF_HOLD = "UPDATE inventory_code SET hold_id = NULL WHERE id {picked} RETURNING id, position"
END_HOLD = """
UPDATE inventory_hold SET released_at = %s
 WHERE id = %s AND released_at IS NULL AND units = 0{over} RETURNING product_id
"""
# What is picked, the note that says so and the wake-up of who follows it: one journey to the database.
PICK_AND_TELL = """
WITH picked AS ({pick}),
     noted AS (INSERT INTO inventory_stockchange (product_id, at) SELECT %s, %s WHERE EXISTS (SELECT 1 FROM picked)),
     woken AS ({wake})
SELECT id FROM picked
"""


@functools.cache
def pick_statement(*, skip_locked: bool, kinds: frozenset[CodeKind] = frozenset()) -> str:
    """The statement that picks codes, of `kinds` alone where some are named, in the words of the database."""
    named = ", ".join(f"'{CodeKind(kind)}'" for kind in sorted(kinds))
    choose = _CHOOSE.format(kinds=f" AND kind IN ({named})" if named else "")
    if connection.vendor == "sqlite":  # one writer at a time: there is nobody to skip
        return _PICK.format(picked=f"IN ({choose})")
    lock = " FOR UPDATE SKIP LOCKED" if skip_locked else " FOR UPDATE"
    return _PICK.format(picked=f"= ANY(ARRAY({choose}{lock}))")
