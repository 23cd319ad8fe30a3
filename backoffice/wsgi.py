"""The WSGI application that granian serves."""

from backoffice.startup import load_settings

load_settings()

from django.core.wsgi import get_wsgi_application  # noqa: E402  (needs the settings)

application = get_wsgi_application()
