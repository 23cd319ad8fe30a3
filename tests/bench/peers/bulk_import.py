"""Import a CSV of codes with django-import-export, in bulk, in plain text; prints how long it took.

It finds duplicates by the code, as a shop's resource would, and skips them.
"""

import json
import os
import sys
import time
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import django
from django.conf import settings

address = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": address.path.removeprefix("/"),
            "USER": unquote(address.username or ""),
            "PASSWORD": unquote(address.password or ""),
            "HOST": address.hostname or "",
            "PORT": address.port or "",
            "OPTIONS": dict(parse_qsl(address.query)),
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "import_export", "shelf"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

import tablib  # noqa: E402  (needs the settings)
from django.db import connection  # noqa: E402
from import_export import resources  # noqa: E402
from shelf.models import PeerCode  # noqa: E402


class CodeResource(resources.ModelResource):
    class Meta:
        model = PeerCode
        fields = ("code",)
        import_id_fields = ("code",)
        use_bulk = True
        batch_size = 1000
        skip_unchanged = True
        report_skipped = False


with connection.schema_editor() as editor:
    editor.create_model(PeerCode)
begun = time.perf_counter()
dataset = tablib.Dataset().load(Path(sys.argv[1]).read_text(), format="csv")
result = CodeResource().import_data(dataset, raise_errors=True, use_transactions=True)
seconds = time.perf_counter() - begun
print(json.dumps({"seconds": seconds, "rows": len(dataset), "kept": PeerCode.objects.count()}))
