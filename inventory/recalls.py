"""Call codes back: what is unsold is frozen at once, what lies at a marketplace is fetched, and nothing becomes free again.

The rooms above hear of it by a signal, since they know which codes were sold to whom.
"""

from collections import Counter
from collections.abc import Collection

from django.db import transaction

from inventory import stock, uploads
from inventory.models import Code, Recall, RecalledCode, Upload
from inventory.signals import codes_recalled

State = Code.State
# What is still in the house: it is frozen where it lies.
FROZEN = (State.AVAILABLE, State.HELD, State.RETURNED)


def begin(*, reason: str, by: str) -> Recall:
    """Open a recall for codes that are added next."""
    return Recall.objects.create(reason=reason[:300], by=by)


def add(recall: Recall, code_ids: Collection[int]) -> dict[int, str]:
    """Call codes back; returns the state in which each was. Safe to repeat: a code is called back once.

    What was set aside or picked and has not left is frozen, too; orders take other codes. Joins a transaction.
    """
    with transaction.atomic():
        codes = Code.objects.filter(pk__in=code_ids).select_for_update(of=("self",), no_key=True).order_by("pk")
        known = set(RecalledCode.objects.filter(code__in=code_ids).values_list("code", flat=True))
        was = {pk: state for pk, state in codes.values_list("pk", "state") if pk not in known}
        RecalledCode.objects.bulk_create(
            [RecalledCode(recall=recall, code_id=pk, was=state) for pk, state in was.items()], ignore_conflicts=True
        )
        stock.freeze([pk for pk, state in was.items() if state in FROZEN])
        lying = [pk for pk, state in was.items() if state == State.UPLOADED]
        uploads.take_back(Upload.objects.filter(code__in=lying, withdrawn_at=None), by=recall.by)
        codes_recalled.send(sender=Recall, recall=recall, was=was)
        return was


def states(code_ids: Collection[int]) -> Counter[str]:
    """Count codes by state, those that were called back before left out."""
    fresh = Code.objects.filter(pk__in=code_ids, recalled=None)
    return Counter(fresh.values_list("state", flat=True))
