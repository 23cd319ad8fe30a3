"""Write results for people, as Markdown that reads well on a terminal, and for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.measuring import Fact, Line, Way
from tests.bench.suite import Result

HEAD = ("work", "way", "a second", "median", "p95", "p99", "ours ÷ it", "must reach", "")
RIGHT = (2, 3, 4, 5, 6, 7)
VERDICTS = {True: "yes", False: "NO", None: ""}


def as_text(facts: Mapping[str, str], results: Sequence[Result], *, is_quick: bool) -> str:
    parts = ["", *(f"- {name}: {value}" for name, value in facts.items())]
    for result in results:
        parts += ["", f"## {result.name}", "", result.benchmark.what, ""]
        parts += _declared(result)
        parts += ["", *_table([row for line in result.lines for row in _rows(line, is_quick=is_quick)])]
        parts += ["", *(_fact(line, fact, is_quick=is_quick) for line in result.lines for fact in line.facts)]
        parts += [f"FAILED: {result.failure}"] if result.failure else []
    if is_quick:
        parts += ["", "This was a quick run, to see that each runs: its figures say nothing."]
    return "\n".join(parts)


BEGIN, END = "<!-- measured: written by --markdown -->", "<!-- /measured -->"


def written_into(page: str, measured: str) -> str:
    """The page with what was measured between its two marks, in place of what stood there; at its end without marks."""
    block = f"{BEGIN}\n{measured.strip()}\n\n{END}"
    before, begins, rest = page.partition(BEGIN)
    if not begins:
        return f"{page.rstrip()}\n\n{block}\n".lstrip()
    return before + block + rest.partition(END)[2]


def _declared(result: Result) -> list[str]:
    said = {
        "Limit": result.benchmark.limit,
        "Peer": result.benchmark.peer,
        "Must reach": result.benchmark.must_reach,
        "Command": f"`make bench NAME={result.name}` ({result.seconds:.0f} s)",
    }
    return [f"- {name}: {text}" for name, text in said.items() if text]


def _rows(line: Line, *, is_quick: bool) -> list[list[str]]:
    return [
        [
            line.name if number == 0 else "",
            way.name,
            f"{way.rate:,.{0 if way.rate >= 100 else 1}f} {line.unit}",
            *(_milliseconds(way.milliseconds.get(name)) for name in ("median", "p95", "p99")),
            "" if way.ratio is None else f"{way.ratio:.2f}",
            "" if way.goal is None else str(way.goal),
            "" if is_quick else VERDICTS[_is_reached(way)],
        ]
        for number, way in enumerate(line.ways)
    ]


def _is_reached(way: Way) -> bool | None:
    return None if way.goal is None or way.ratio is None else way.goal.is_reached(way.ratio)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.{2 if value < 10 else 0}f} ms"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (HEAD, *rows)) for column in range(len(HEAD))]

    def written(row: Sequence[str]) -> str:
        cells = [
            text.rjust(width) if column in RIGHT else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * (width - 1) + (":" if column in RIGHT else "-") for column, width in enumerate(widths)]
    return [written(HEAD), written(rule), *map(written, rows)]


def _fact(line: Line, fact: Fact, *, is_quick: bool) -> str:
    value = (
        fact.value if isinstance(fact.value, str) else f"{fact.value:,.{0 if float(fact.value).is_integer() else 1}f}"
    )
    goal = f" (must be {fact.goal}{'' if is_quick else ': ' + VERDICTS[fact.is_reached]})" if fact.goal else ""
    return f"- {line.name}, {fact.what}: {value}{goal}"


def as_json(facts: Mapping[str, str], results: Sequence[Result], *, is_quick: bool) -> dict[str, Any]:
    return {
        "machine": dict(facts),
        "quick": is_quick,
        "benchmarks": {result.name: _result(result) for result in results},
    }


def _result(result: Result) -> dict[str, Any]:
    declared = result.benchmark
    return {
        "what": declared.what,
        "limit": declared.limit,
        "peer": declared.peer,
        "must_reach": declared.must_reach,
        "command": f"make bench NAME={result.name}",
        "seconds": round(result.seconds, 1),
        "failure": result.failure,
        "lines": [
            {
                "name": line.name,
                "unit": line.unit,
                "ways": [_way(way) for way in line.ways],
                "facts": [
                    {"what": fact.what, "value": fact.value, "goal": _goal(fact.goal), "reached": fact.is_reached}
                    for fact in line.facts
                ],
            }
            for line in result.lines
        ],
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "way": way.name,
        "per_second": way.rate,
        "milliseconds": dict(way.milliseconds),
        "ratio": way.ratio,
        "goal": _goal(way.goal),
        "reached": _is_reached(way),
    }


def _goal(goal: object) -> str | None:
    return None if goal is None else str(goal)
