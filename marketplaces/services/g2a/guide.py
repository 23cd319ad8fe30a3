"""How an account on G2A is connected, step by step, for the page that guides people through it."""

GUIDE = {
    "credentials": (
        "In G2A's panel open Selling, Integration API, and request access. Note the Client ID and the Client Secret.",
        "If the panel has a list of allowed addresses, enter the address that this machine calls from.",
        "The dialect contract needs the API hash and the API key; live needs the API hash, the client secret and the e-mail.",
    ),
    "connection": ("“There is no token at that address” means that the dialect or the base URL is the wrong one.",),
    "webhook": (
        "Choose a merchant client id and a long random merchant client secret, and enter both here among the credentials.",
        "In G2A's panel, Selling, Integration API, Import API, enter the same two, and the address without its last slash as"
        " base URL.",
        "Let G2A's panel test the connection.",
    ),
}
