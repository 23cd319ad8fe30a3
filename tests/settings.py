"""The product's own settings, with keys for tests and the database that the tests were given."""

import os

os.environ.setdefault("SECRET_KEY", "tests-only-0123456789-0123456789-0123456789")
os.environ.setdefault("CODE_KEYS", "test1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
os.environ.setdefault("CODE_INDEX_KEY", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=")
os.environ["ALLOW_LOCAL_MARKETPLACES"] = "True"
if "TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

from backoffice.settings import *  # noqa: F403  (the environment comes first)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
