"""Hostile requests at the door; see `tests.fuzz.__main__` for a long run and `tests/fuzz/test_fuzz.py` for a short one."""
