"""Import FILE into the product PK and print how it went: a process whose memory is that of an import and nothing else."""

import json
import sys
import time
from pathlib import Path

import django

django.setup()

from inventory import codes  # noqa: E402  (needs the settings)
from inventory.models import Product  # noqa: E402


def highest_memory() -> float:
    """In megabytes. getrusage() would count what the parent had before the exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not tell a process's highest memory")


file, product = Path(sys.argv[1]), Product.objects.get(pk=sys.argv[2])
begun = time.perf_counter()
with file.open("rb") as source:
    done = codes.import_codes(product=product, lines=source, file_name=file.name, report=file.with_suffix(".csv"))
seconds = time.perf_counter() - begun
counts = [done.read, done.imported, done.duplicates, done.rejected]
print(json.dumps({"seconds": seconds, "megabytes": highest_memory(), "counts": counts}))
