import pytest
from django.core.cache import cache

from tests.marketplaces.services.g2a.peer import line_to, mounted


@pytest.fixture
def peer(db):
    cache.clear()
    with mounted() as made:
        yield made


@pytest.fixture
def service(peer):
    """In the dialect `contract`."""
    return line_to(peer)


@pytest.fixture
def live(peer):
    return line_to(peer, dialect="live")


@pytest.fixture(params=["contract", "live"])
def either(request, peer):
    """In one dialect after the other."""
    return line_to(peer, dialect=request.param)
