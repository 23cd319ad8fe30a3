"""What an operator sends to Ginee's staff, who alone can order notifications (GIN-07): addresses, events, wishes."""

from marketplaces.types import Connection

EVENTS = {"order": ("CREATE", "UPDATE"), "delivery-order": ("CREATE", "UPDATE", "DELETE")}


def letter(connection: Connection) -> str:
    """The text to be pasted into a message. It holds the account's secret address, but no key."""
    mode, address = connection.options.get("verification", "path_token"), connection.hook_url.rstrip("/")
    header = connection.options.get("secret_header")
    lines = [
        "Hello,",
        "",
        "please send notifications (webhooks) of the Ginee Open API for our account to our server, as HTTPS POST with a JSON"
        " body.",
        "",
        "Events:",
        *(f"- entity {entity}: {', '.join(actions)}" for entity, actions in EVENTS.items()),
        "",
        "Endpoint URL for all of them:",
        f"{address}/",
        "or, if you need one URL for each module:",
        *(f"- {entity}: {address}/{entity}" for entity in EVENTS),
        "",
        'We answer HTTP 200 with the body {"status": true}. The address holds a secret; please do not pass it on.',
    ]
    wishes = {
        "signature": "Please sign each call in the Authorization header, and tell us with which secret and over which path.",
        "shared_secret": f"Please send a fixed secret in the header {header}; we will give it to you by another way than this"
        " message.",
    }
    if mode in wishes:
        lines += ["", wishes[str(mode)]]
    return "\n".join(
        [*lines, "", "Please also tell us from which addresses you call, and how often a failed call is repeated."]
    )
