"""Workers that are tested with real processes: two of them, with short times."""

from tests.settings import *  # noqa: F403
from tests.settings import Q_CLUSTER, SCHEDULES

Q_CLUSTER = {**Q_CLUSTER, "workers": 2, "queue_limit": 2, "timeout": 3, "retry": 15}
SCHEDULES = {name: SCHEDULES[name] for name in ("heartbeat",)}
SILENCED_SYSTEM_CHECKS = ["marketplaces.E005"]  # no marketplace is called here, so no call outlasts a task
