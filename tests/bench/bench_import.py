"""How fast a file of codes becomes stock, and in how much memory."""

import functools
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import psycopg
from django.utils import timezone

from backoffice import crypto, supervisor
from inventory import importing, stock
from inventory.models import Batch, Product, code_binding
from tests.bench import peer
from tests.bench.ground import Ground
from tests.bench.measuring import Fact, Goal, Line, Round, check, compare, in_turns
from tests.bench.suite import Benchmark, Run

CODES = 1_000_000
TWICE = 10  # one in so many stands in the file a second time
LATER = 50_000  # so many codes after the first time
REPEATS = 1
PEER_ROWS = 100_000
MEMORY = 150  # megabytes
PIECE_BYTES = 256 * 1024
OURS, BARE, PEER = "import_codes", "bare COPY and merge", f"django-import-export, {PEER_ROWS:,} rows in bulk"
COPY = 'COPY code_import (id, sealed, "index", serial, cost, expires_at) FROM STDIN'
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def run(run: Run) -> Iterator[Line]:
    count = run.size(CODES, 20_000)
    with tempfile.TemporaryDirectory() as folder:
        file, rows = Path(folder) / "codes.txt", Path(folder) / "rows.copy"
        lines = _write(file, rows, count)
        goes = {
            OURS: functools.partial(_ours, run.place, file, lines, count),
            BARE: functools.partial(_bare, run.place, rows, lines, count),
        }
        rounds = in_turns(goes, run.size(REPEATS, 1))
        peak = max(one.brought[0] for one in rounds[OURS])
        facts = [Fact("highest memory of the importing process in MB", peak, Goal(below=MEMORY))]
        goals = {BARE: Goal(at_least=0.7), PEER: Goal(at_least=20)}
        if not run.is_quick:
            try:
                rounds[PEER] = [_peer(run.place, PEER_ROWS)]
            except peer.NotThere as error:
                facts.append(Fact(PEER, f"not measured: {error}"))
        yield compare(f"{lines:,} lines", "lines", rounds, goals, facts)


def _write(file: Path, rows: Path, count: int) -> int:
    """Write a file of codes, and the same as rows that are ready for COPY; returns how many lines."""
    lines = 0
    with file.open("w") as text, rows.open("w") as ready:
        for code in _codes(count):
            lines += 1
            text.write(f"{code}\n")
            sealed, index = crypto.encrypt(code.encode(), code_binding(lines)), crypto.blind_index(code)
            ready.write(f"{lines}\t\\\\x{sealed.hex()}\t\\\\x{index.hex()}\t\t\\N\t\\N\n")
    return lines


def _codes(count: int) -> Iterator[str]:
    """So many different codes; a tenth of them comes once more, too late to be found without the database."""
    chosen, again = random.Random(1), deque[str]()
    for number in range(count):
        letters = "".join(chosen.choices(LETTERS, k=15))
        code = f"{letters[:5]}-{letters[5:10]}-{letters[10:]}"
        yield code
        if number % TWICE == 0:
            again.append(code)
        if len(again) > LATER // TWICE:
            yield again.popleft()
    yield from again


def _ours(place: Ground, file: Path, lines: int, count: int) -> Round:
    place.fresh()
    product = Product.objects.create(sku="CARD-10")
    importer = [sys.executable, "-m", "tests.bench.importer", str(file), str(product.pk)]
    done = subprocess.run(importer, cwd=supervisor.BASE_DIR, capture_output=True, text=True)
    check(done.returncode == 0, f"the import failed: {done.stderr[-2000:]}")
    said = json.loads(done.stdout)
    check(said["counts"] == [lines, count, lines - count, 0], f"the import says {said['counts']}")
    check(stock.sellable(product.pk) == count, f"{stock.sellable(product.pk)} of {count} codes can be sold")
    return Round(said["seconds"], [], [said["megabytes"]], lines)


def _bare(place: Ground, rows: Path, lines: int, count: int) -> Round:
    """The same rows, sealed beforehand: one COPY into a temporary table, and one merge, in one transaction."""
    place.fresh()
    product = Product.objects.create(sku="CARD-10")
    batch, terms = Batch.objects.create(product=product), importing.BatchTerms(product)
    values = {
        "product": product.pk, "batch": batch.pk, "kind": terms.kind.value, "expires": None, "now": timezone.now()
    }  # fmt: skip
    with psycopg.connect(place.url) as connection, connection.cursor() as cursor, rows.open("rb") as source:
        begun = time.perf_counter()
        cursor.execute(importing._STAGE)
        with cursor.copy(COPY) as copy:
            for piece in iter(functools.partial(source.read, PIECE_BYTES), b""):
                copy.write(piece)
        cursor.execute(importing._MERGE, values)
        merged = cursor.rowcount
        connection.commit()
        seconds = time.perf_counter() - begun
    check(merged == count, f"{merged} rows were merged")
    return Round(seconds, [], [], lines)


def _peer(place: Ground, count: int) -> Round:
    place.fresh()
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as table:
        table.write("code\n")
        table.writelines(f"{code}\n" for code in dict.fromkeys(itertools.islice(_codes(count), count)))
        table.flush()
        said = peer.run("bulk_import", [table.name], {"DATABASE_URL": place.url})
    return Round(said["seconds"], [], [], said["rows"])


BENCHMARK = Benchmark(
    what=f"{CODES:,} codes, one in {TWICE} of them twice, from a file to stock that can be sold",
    limit="one COPY and one merge of the same rows, sealed and indexed beforehand",
    peer=f"django-import-export on {PEER_ROWS:,} rows of the file, in bulk, without encryption",
    must_reach=f"0.7 of the bare merge, 20 × django-import-export, under {MEMORY} MB",
    run=run,
)
