"""System checks: every folder under services/ is a whole marketplace."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from marketplaces import services


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
