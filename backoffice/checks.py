"""System checks: the relations between settings on which our promises rest."""

import math
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning as Warn, register


@register()
def check_queue(**kwargs: Any) -> list[CheckMessage]:
    """django-q2's settings must fit each other; each of these traps was seen to lose or double work."""
    q: dict[str, Any] = settings.Q_CLUSTER
    rounds = math.ceil((q["queue_limit"] + 1) / q["workers"]) + 1
    database: dict[str, Any] = settings.DATABASES["default"]
    broken = {
        "backoffice.E001": (
            q["retry"] <= rounds * q["timeout"],
            f"`retry` ({q['retry']} s) counts from dequeue and must exceed {rounds} x `timeout`, the worst wait of a"
            " prefetched task, or tasks run twice.",
        ),
        "backoffice.E002": (
            q.get("orm") != "default",
            "The queue must live on the default database: an enqueue joins our transaction there.",
        ),
        "backoffice.E003": (
            q.get("save_limit") not in (0, -1),
            "`save_limit` must be -1, or 0 to keep what went well: any other value locks every kept result for each task.",
        ),
        "backoffice.E004": (
            not q.get("ack_failures") or q.get("max_attempts") != 1,
            "`ack_failures` must be on and `max_attempts` 1: our rows, not the queue, decide on repeats.",
        ),
        "backoffice.E005": (bool(q.get("catch_up")), "`catch_up` must be off, or a pause repeats every missed run."),
        "backoffice.E006": (
            not database.get("CONN_MAX_AGE"),
            "CONN_MAX_AGE must be above 0: a task opens no connection.",
        ),
        "backoffice.E007": (
            bool(database.get("OPTIONS", {}).get("pool")),
            "A psycopg pool hangs the workers, which are forked: use CONN_MAX_AGE.",
        ),
    }
    return [Error(text, id=check_id) for check_id, (is_broken, text) in broken.items() if is_broken]


@register()
def check_second_factor(**kwargs: Any) -> list[CheckMessage]:
    """An installation that others can reach, as its https address tells, should ask for more than a password."""
    if settings.TWO_FACTOR != "off" or not settings.ON_HTTPS:
        return []
    text = "TWO_FACTOR is off: a password alone lets its finder reveal codes, spend money and change credentials."
    return [Warn(text, hint="Set TWO_FACTOR=required, or leave it out.", id="backoffice.W001")]
