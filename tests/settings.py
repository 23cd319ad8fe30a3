"""The product's own settings, with keys for tests and the database that the tests were given.

Set here, so that neither a `.env` nor the shell can lead a test to real data.
"""

import os
from pathlib import Path

VAR_DIR = Path(__file__).resolve().parent.parent / "var"

os.environ |= {
    "SECRET_KEY": "tests-only-0123456789-0123456789-0123456789",
    "CODE_KEYS": "test1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "CODE_INDEX_KEY": "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=",
    "DATABASE_URL": os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{VAR_DIR / 'tests.sqlite3'}",
    "ALLOW_LOCAL_MARKETPLACES": "True",
    "DEBUG": "False",
    "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
    "CSRF_TRUSTED_ORIGINS": "localhost,127.0.0.1",
    "CACHE_URL": "",
    "SENTRY_DSN": "",
    "EMAIL_URL": "consolemail://",
    "TIME_ZONE": "UTC",
    "LOG_FORMAT": "text",
    "LOG_LEVEL": "INFO",
    "METRICS_ALLOW": "127.0.0.0/8,::1",
    "METRICS_TOKEN": "",
    "Q_WORKERS": "4",
    "CLIENT_ADDRESS_HEADER": "",
    "TWO_FACTOR": "off",  # what tests it turns it on
}

from backoffice.settings import *  # noqa: E402, F403  (the environment comes first)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False  # what tests the lock of the login turns it on
