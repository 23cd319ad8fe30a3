"""The audit says what it knows, and plainly when it knows nothing."""

import pytest

from tests.audit import COULD_NOT_LOOK, verdict

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
WEAK = {"name": "weak", "version": "1.0", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize("found", [None, {"dependencies": []}, {"dependencies": [UNKNOWN]}])
def test_it_says_that_it_could_not_look_and_fails_nobody(found):
    assert verdict(found) == (0, [COULD_NOT_LOOK])


def test_a_known_weakness_fails_and_names_the_version_that_mends_it():
    status, lines = verdict({"dependencies": [SOUND, WEAK, UNKNOWN]})

    assert status == 1
    assert lines == ["weak 1.0: CVE-2026-1, mended in 1.1", "Could not look at: unknown."]


def test_what_is_sound_is_counted():
    assert verdict({"dependencies": [SOUND]}) == (0, ["1 packages have no known weakness."])
