"""The product's settings, with the addresses of tests.bench.doors."""

from backoffice.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.doors"
