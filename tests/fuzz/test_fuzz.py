"""Hostile requests at the door: none let in, none stored as valid, none dear, none breaks it. The long run is `make fuzz`."""

import pytest

from tests.fuzz import siege

REQUESTS = 400


@pytest.mark.parametrize("seed", [1])
def test_hostile_requests_are_refused_at_every_marketplaces_door(db, seed):
    report = siege.besiege(REQUESTS, seed)

    assert report.faults == [], "\n".join(report.faults[:10])
    assert report.hostile == REQUESTS
    assert min(report.valid, report.odd) > 10
    assert len(report.kinds) > 30, "every kind of forgery has its turn"
