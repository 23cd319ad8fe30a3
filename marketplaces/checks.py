"""System checks: every folder under services/ is a whole marketplace, and no task is ended with an answer in its hand."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from marketplaces import services
from marketplaces.http import CONNECT_SECONDS

# What a worker may need to write an answer down, also when the database is busy.
STORE_SECONDS = 3
# A worker is ended for the length of its task this much later than it should be.
ENDED_LATE = timedelta(seconds=5)


@register()
def check_services(**kwargs: Any) -> list[CheckMessage]:
    """Each service names itself, where it lives, and the options that everything else reads."""
    problems: list[CheckMessage] = []
    for slug, service in services.all_services().items():
        names = [field.name for field in (*service.credentials, *service.options)]
        broken = {
            "marketplaces.E001": (service.slug != slug, f"its slug is {service.slug!r}, its folder {slug!r}"),
            "marketplaces.E002": (not service.default_base_url.startswith("https://"), "its base URL is not https"),
            "marketplaces.E003": (len(set(names)) != len(names), "a credential or option is declared twice"),
            "marketplaces.E004": ("requests_per_minute" not in names, "it declares no requests_per_minute"),
        }
        problems += [
            Error(f"Marketplace {slug}: {text}.", id=check_id)
            for check_id, (is_broken, text) in broken.items()
            if is_broken
        ]
    return problems


@register()
def check_times(**kwargs: Any) -> list[CheckMessage]:
    """A task outlasts the slowest call that it makes, and whoever takes over its rows outlasts the task.

    Otherwise an answer that comes at the last moment ends with its worker, which for a key that is given once is money; or
    two workers have one row.
    """
    from marketplaces import outgoing, pump, recovery  # they need the models, which are not there yet

    queue: dict[str, Any] = settings.Q_CLUSTER
    most = queue["timeout"]
    before = pump.TURN_SECONDS + outgoing.YOUNG.total_seconds() + CONNECT_SECONDS
    problems: list[CheckMessage] = []
    for slug, service in services.all_services().items():
        needs = before + service.longest_read_seconds + STORE_SECONDS
        if needs > most:
            text = (
                f"Marketplace {slug}: its slowest call may have its answer stored {needs:g} s after its task began, and a"
                f" task is ended after {most} s (Q_CLUSTER's `timeout`)."
            )
            problems.append(Error(text, id="marketplaces.E005"))
    ended = timedelta(seconds=most) + ENDED_LATE
    waits = {
        "outgoing.LOST_AFTER": outgoing.LOST_AFTER,
        "pump.LEASE": pump.LEASE,
        "recovery.LEASE": recovery.LEASE,
    }
    for name, wait in waits.items():
        if wait <= ended:
            text = (
                f"marketplaces.{name} ({wait.total_seconds():g} s) must exceed {ended.total_seconds():g} s, after which a"
                " task is certainly ended."
            )
            problems.append(Error(text, id="marketplaces.E006"))
    return problems
