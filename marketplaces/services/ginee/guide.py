"""How an account on Ginee is connected, step by step, for the page that guides people through it."""

GUIDE = {
    "credentials": (
        "Ask Ginee's staff for the Open API: an access key and a secret key.",
        "Without keys the account works from notifications alone: no stock is sent, and orders have no lines or amounts.",
    ),
    "webhook": (
        "Nobody but Ginee's staff can order notifications: mail them the letter on the account's page.",
        "Then note there that it was sent. The address holds a secret, so pass it on to nobody else.",
    ),
}
