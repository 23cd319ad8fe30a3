"""What the page about an error may show, with DEBUG as well: somebody may leave it on where others can reach it."""

import re
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class Filter(SafeExceptionReporterFilter):
    """Mask by name, in settings, the environment, what was posted, and local variables alike.

    Django's own names are not enough: an address such as DATABASE_URL or SENTRY_DSN has a password in it.
    """

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|DSN|URL|LOCATION|CREDENTIAL|CODE|PLAIN|SEED|SEALED|CONTACT",
        flags=re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_traceback_frame_variables(self, request: Any, tb_frame: FrameType) -> Any:
        found = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, self.cleanse_setting(name, value)) for name, value in found]
