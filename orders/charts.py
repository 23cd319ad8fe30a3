"""What Chart.js draws on the front page and on the reports, as the texts that unfold's chart components take."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

COLOURS = ("600", "300", "800", "400", "200", "950", "500", "700")
_OPTIONS = {
    "animation": False, "responsive": True, "maintainAspectRatio": False, "interaction": {"mode": "index"},
    "plugins": {"legend": {"display": True, "position": "bottom", "labels": {"boxWidth": 10, "boxHeight": 10}}},
}  # fmt: skip
_X, _Y = {"grid": {"display": False}}, {"beginAtZero": True, "ticks": {"precision": 0}}
PLAIN = json.dumps({**_OPTIONS, "scales": {"x": _X, "y": _Y}})
STACKED = json.dumps({**_OPTIONS, "scales": {"x": {**_X, "stacked": True}, "y": {**_Y, "stacked": True}}})


def chart(
    title: str, kind: str, labels: Sequence[Any], series: Mapping[str, Mapping[Any, Decimal | float | int]], *,
    words: Sequence[str] = (), options: str = PLAIN,
) -> dict[str, str]:  # fmt: skip
    """A chart of the kind “bar” or “line”. What a series does not have at a label is nothing."""
    sets = [
        {
            "label": name, "data": [float(found.get(label, 0)) for label in labels], "pointRadius": 1, "borderWidth": 2,
            "borderColor": f"var(--color-primary-{COLOURS[number % len(COLOURS)]})",
            "backgroundColor": f"var(--color-primary-{COLOURS[number % len(COLOURS)]})",
        }
        for number, (name, found) in enumerate(sorted(series.items()))
    ]  # fmt: skip
    data = json.dumps({"labels": list(words or map(str, labels)), "datasets": sets})
    return {"title": title, "data": data, "options": options, "kind": kind}
