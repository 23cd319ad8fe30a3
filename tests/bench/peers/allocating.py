"""Allocate stock with django-oscar, by many at once; prints how long it took.

Its allocate() counts units of a stock record and picks no code, so it does less than the product's own verb. It works in a
schema of its own. Arguments: clients, products, allocations of each client.
"""

import json
import multiprocessing
import os
import random
import sys
import time
from urllib.parse import parse_qsl, unquote, urlsplit

import django
from django.conf import settings
from oscar import INSTALLED_APPS as OSCAR

SCHEMA = "oscar_bench"
address = urlsplit(os.environ["DATABASE_URL"])


class WithoutMigrations:
    """Tables are made as the models are now."""

    def __contains__(self, app):
        return True

    def __getitem__(self, app):
        return None


settings.configure(
    SECRET_KEY="bench",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": address.path.removeprefix("/"),
            "USER": unquote(address.username or ""),
            "PASSWORD": unquote(address.password or ""),
            "HOST": address.hostname or "",
            "PORT": address.port or "",
            "OPTIONS": {**dict(parse_qsl(address.query)), "options": f"-c search_path={SCHEMA}"},
            "CONN_MAX_AGE": 600,
        }
    },
    INSTALLED_APPS=OSCAR,
    MIGRATION_MODULES=WithoutMigrations(),
    HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SITE_ID=1,
    USE_TZ=True,
)
for name in dir(__import__("oscar.defaults", fromlist=["defaults"])):
    if name.isupper() and not hasattr(settings, name):
        setattr(settings, name, getattr(sys.modules["oscar.defaults"], name))
django.setup()

from django.core.management import call_command  # noqa: E402  (needs the settings)
from django.db import connection, connections  # noqa: E402
from oscar.core.loading import get_model  # noqa: E402

Partner, StockRecord = get_model("partner", "Partner"), get_model("partner", "StockRecord")
Product, ProductClass = get_model("catalogue", "Product"), get_model("catalogue", "ProductClass")


def prepare(products: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    call_command("migrate", run_syncdb=True, verbosity=0)
    kind = ProductClass.objects.create(name="Code", track_stock=True)
    partner = Partner.objects.create(name="Shop")
    records = []
    for number in range(products):
        product = Product.objects.create(title=f"Game {number}", product_class=kind)
        records.append(
            StockRecord.objects.create(product=product, partner=partner, partner_sku=f"G{number}", num_in_stock=10**9)
        )
    return [record.pk for record in records]


def work(number, pks, times, barrier, pipe):
    choice = random.Random(number)
    records = {record.pk: record for record in StockRecord.objects.filter(pk__in=pks)}
    barrier.wait()
    pieces, begun = [], time.perf_counter()
    for _ in range(times):
        at = time.perf_counter()
        records[choice.choice(pks)].allocate(1)
        pieces.append(time.perf_counter() - at)
    pipe.send((begun, time.perf_counter(), pieces))


clients, products, times = map(int, sys.argv[1:4])
pks = prepare(products)
connections.close_all()
forks = multiprocessing.get_context("fork")
barrier, said = forks.Barrier(clients), []
for number in range(clients):
    here, there = forks.Pipe(duplex=False)
    forks.Process(target=work, args=[number, pks, times, barrier, there], daemon=True).start()
    said.append(here)
found = [pipe.recv() for pipe in said]
allocated = sum(StockRecord.objects.filter(pk__in=pks).values_list("num_allocated", flat=True))
seconds = max(end for _, end, _ in found) - min(begin for begin, _, _ in found)
print(json.dumps({"seconds": seconds, "pieces": [one for *_, own in found for one in own], "allocated": allocated}))
