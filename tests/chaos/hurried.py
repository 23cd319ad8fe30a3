"""The same with the shortest times that fit each other, for a run of a minute."""

from tests.chaos.settings import *  # noqa: F403
from tests.chaos.settings import Q_CLUSTER

TASK_SECONDS, LOST_AFTER_SECONDS = 8, 14
UNANSWERED_SECONDS, PARCEL_UNANSWERED_SECONDS = 15, 15
SWEEP_SECONDS = 5
Q_CLUSTER = {**Q_CLUSTER, "timeout": TASK_SECONDS, "retry": 40}
