"""Run the queue inline: what a worker would do, one wake-up after the other, until nothing is due."""

from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ
from django_q.signing import SignedPackage

MOST = 2000


def drain() -> int:
    """Run every wake-up that is due by now, and those they cause; returns how many ran."""
    for ran in range(MOST):
        row = OrmQ.objects.filter(lock__lte=timezone.now()).order_by("lock", "pk").first()
        if row is None:
            return ran
        row.delete()
        task = SignedPackage.loads(row.payload)
        import_string(task["func"])(*task["args"])
    raise AssertionError(f"the queue does not come to rest within {MOST} wake-ups")
