"""How an account on G2G is connected, step by step, for the page that guides people through it."""

GUIDE = {
    "credentials": (
        "Ask G2G for API access and wait for the approval; it is meant for gift cards and top-ups.",
        "At G2G open the avatar menu, API Integration, Generate key. Copy key and secret at once: the secret is shown once.",
        "Your user id is the number in your profile.",
    ),
    "webhook": (
        "On G2G's API Integration page enter the address as callback URL with a secret token, and save it.",
        "Enter that token here as webhook secret. If G2G keeps the address in another spelling, write that spelling here as"
        " registered webhook address: signatures are made over it.",
        "Tick all events, order.refunded too: it stands apart. Then press G2G's test button.",
    ),
}
