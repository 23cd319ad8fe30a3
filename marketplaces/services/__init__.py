"""One folder per marketplace, and nothing else. A folder here with a `service.Service` is a marketplace."""

import functools
import importlib
import pkgutil

from marketplaces.base import MarketplaceService


@functools.cache
def all_services() -> dict[str, type[MarketplaceService]]:
    """Return every marketplace by its slug, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
    return {name: importlib.import_module(f"{__name__}.{name}.service").Service for name in names}


def get_service(slug: str) -> type[MarketplaceService]:
    """Return a marketplace's service class; KeyError when there is no such folder."""
    return all_services()[slug]


def choices() -> list[tuple[str, str]]:
    return [(slug, service.label) for slug, service in all_services().items()]
