"""The make-believe G-Commerce's page for people: a buyer at the push of a button, the feed's mails, and every request."""

import itertools
import json
import time
from html import escape
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Response

if TYPE_CHECKING:
    from marketplaces.services.gcommerce.sandbox import Sandbox

SHOWN = 200
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox: {title}</title><style>
body {{ font: 14px system-ui; margin: 2rem; }} table {{ border-collapse: collapse; }}
td, th {{ border: 1px solid #ccc; padding: .2rem .5rem; text-align: left; vertical-align: top; }}
td:last-child {{ white-space: pre-wrap; max-width: 60rem; overflow-wrap: anywhere; }}
</style></head><body><h1>{title}</h1>
<p><a href="log">Log</a> · <a href="mails">Mails</a> · <button id="order">New order</button> <span id="said"></span></p>
<table><tr>{head}</tr>{rows}</table>
<script>document.getElementById("order").onclick = async () => {{
  const answer = await (await fetch("order", {{method: "POST", body: "{{}}"}})).json();
  document.getElementById("said").textContent = answer.error || "Order " + answer.order_id;
}};</script></body></html>"""


def answer(sandbox: "Sandbox", path: str) -> Response | None:
    """Return one of the pages, or nothing when another address is meant."""
    make = {"/_sim/": _log, "/_sim/log": _log, "/_sim/mails": _mails}.get(path)
    if make is None:
        return None
    with sandbox.lock:
        return Response(200, make(sandbox).encode(), {"Content-Type": "text/html; charset=utf-8"})


def _log(sandbox: "Sandbox") -> str:
    rows = [
        [
            _moment(call["at"] / 1000),
            f"{call['second']} s, after {call['calls_before']}",
            call["op"],
            f"{call['method']} {call['path']} {json.dumps(call['query']) if call['query'] else ''}",
            call["status"] or "no answer",
            call["fault"],
            call["answer"],
        ]
        for call in itertools.islice(reversed(sandbox.calls), SHOWN)
    ]
    return _page("Requests", ["At", "In the window", "Operation", "Request", "Status", "Fault", "Answer"], rows)


def _mails(sandbox: "Sandbox") -> str:
    mails = sandbox.bulk.outbox[: -SHOWN - 1 : -1]
    return _page(
        "Mails", ["At", "To", "Subject", "Text"], [[_moment(m["at"]), m["to"], m["subject"], m["text"]] for m in mails]
    )


def _page(title: str, head: list[str], rows: list[list[Any]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return PAGE.format(title=escape(title), head="".join(f"<th>{escape(each)}</th>" for each in head), rows=cells)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
