"""G2G's own log of the webhooks it sent: the only way to find an order whose webhook was lost (G2G-P14)."""

import json
from collections.abc import Iterator
from datetime import datetime

from marketplaces.services.g2g import reading
from marketplaces.services.g2g.line import Line
from marketplaces.types import Call, Json

ROWS_PER_PAGE = 100


def read(line: Line, since: datetime, until: datetime) -> Iterator[Call]:
    """Search Webhook Logs (G2G-19) page by page: each event once, however often it was sent. Safe to repeat."""
    body: Json = {
        "filter": {"event_sent_from": reading.ms(since), "event_sent_to": reading.ms(until)},
        "limit": ROWS_PER_PAGE,
        "sort_order": "asc",
    }
    seen: set[str] = set()
    cursors, after = {""}, ""
    while True:
        asked = body | ({"after": after} if after else {})
        payload = line.call("G2G-19", "POST", "/logs/webhooks/search", payload=asked)
        entries = reading.rows(payload.get("results"))
        for entry in entries:
            if (event := event_of(entry)) is None:
                continue
            since = _sent_at(entry) or since
            event_id = reading.ident(event.get("id"))
            if event_id not in seen:
                seen |= {event_id} - {""}
                yield _as_call(event, since)
        after = reading.text(payload.get("after"))
        if not entries or after in cursors:
            return
        cursors.add(after)


def event_of(entry: Json) -> Json | None:
    """The event of a log's entry, as it was sent; None when the entry holds none.

    What the entry says beside it stands in for what the event itself lacks, so that a repeat is known by its id.
    """
    request = entry.get("http_request")
    if isinstance(request, str):
        request = reading.parse(request.encode("utf-8", "replace"))
    if not isinstance(request, dict) or not request:
        return None
    beside = {"id": reading.ident(entry.get("event_id")), "event_type": reading.text(entry.get("event_type"))}
    return {**{name: value for name, value in beside.items() if value}, **request}


def _sent_at(entry: Json) -> datetime | None:
    return reading.when(entry.get("event_sent_at"))


def _as_call(event: Json, sent_at: datetime) -> Call:
    """An event as the call that it was, or should have been, at the time when it was sent."""
    return Call(
        method="POST",
        path="",
        query="",
        headers={"content-type": "application/json"},
        body=json.dumps(reading.as_sent(event)).encode(),
        received_at=sent_at,
    )
