"""The product's own settings with shorter times, so that what is looked for long in real life comes to its end in a run."""

from backoffice.settings import *  # noqa: F403
from backoffice.settings import Q_CLUSTER, SCHEDULES

TASK_SECONDS, LOST_AFTER_SECONDS = 20, 30
UNANSWERED_SECONDS, PARCEL_UNANSWERED_SECONDS = 40, 40
Q_CLUSTER = {**Q_CLUSTER, "timeout": TASK_SECONDS, "retry": 100}
SCHEDULES = {**SCHEDULES, "recover missed events": (SCHEDULES["recover missed events"][0], 1)}
# No call of the sandboxes takes as long as the slowest of a real marketplace may.
SILENCED_SYSTEM_CHECKS = ["marketplaces.E005"]
