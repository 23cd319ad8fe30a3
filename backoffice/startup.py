"""Load the settings, or say in one line which variable keeps the program from starting."""

import gc
import importlib
import os
import sys

from django.core.exceptions import ImproperlyConfigured

SETTINGS_MODULE = "backoffice.settings"


def settle() -> None:
    """Leave what was loaded for good to itself: looking through all of it for garbage costs a page a tenth of a second."""
    gc.collect()
    gc.freeze()


def load_settings() -> None:
    """Import the settings; on a bad value print its one line and exit with status 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS_MODULE)
    try:
        importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
