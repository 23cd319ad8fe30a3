"""What an account of G2A needs to be told: credentials, options, and the values of a play account."""

from marketplaces.types import Field

CREDENTIALS = (
    Field("api_hash", "API hash", "The Client ID of G2A's panel, under Selling, Integration API.", required=False),
    Field("api_key", "API key", "For the dialect contract. In live it is computed.", required=False),
    Field(
        "api_secret", "Client secret", "For the dialect live. In contract it is an older name of the API hash, used"
        " when that is empty.", required=False,
    ),
    Field("email", "E-mail", "For the dialect live: the e-mail that the G2A account is registered with.", required=False),
    Field(
        "merchant_client_id", "Merchant client id", "What G2A names itself with when it calls us. You choose it and"
        " enter it in G2A's panel, Import API.", required=False,
    ),
    Field(
        "merchant_client_secret", "Merchant client secret", "What G2A proves itself with when it calls us. Choose 32"
        " characters or more at random.", required=False,
    ),
)  # fmt: skip
OPTIONS = (
    Field(
        "dialect", "Dialect", "contract follows the written agreement, live what G2A's servers speak today.",
        default="contract", choices=("contract", "live"),
    ),
    Field("environment", "Environment", "sandbox is G2A's own.", default="production", choices=("production", "sandbox")),
    Field(
        "requests_per_minute", "Requests a minute", "600 is what G2A is said to take.",
        default=600, minimum=1, maximum=6000,
    ),
    Field(
        "hold_seconds", "Hold time", "How long a reservation of G2A's holds codes; 30 minutes is the least.",
        default=1800, minimum=1800, maximum=86400,
    ),
    Field(
        "deadline_seconds", "Deadline", "How long G2A waits for our answer.", default=9, minimum=1, maximum=60,
    ),
    Field(
        "token_seconds", "Token life", "How long a token is good that we give to G2A.",
        default=3600, minimum=5, maximum=86400,
    ),
    Field(
        "orders_without_stock", "Orders without stock", "yes: G2A may reserve and order more than there is; the order is"
        " filled when stock comes.", default="no", choices=("no", "yes"),
    ),
    Field(
        "lowest_price_percent", "Lowest price", "A reservation whose unit price is lower than this part of the offer's"
        " price is declined; 0 declines none.", default=0, minimum=0, maximum=100,
    ),
)  # fmt: skip
# Values that G2A itself publishes for its sandbox; the two of the merchant side are made up.
SANDBOX_CREDENTIALS = {
    "api_hash": "qdaiciDiyMaTjxMt",
    "api_key": "74026b3dc2c6db6a30a73e71cdb138b1e1b5eb7a97ced46689e2d28db1050875",
    "api_secret": "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207",
    "email": "sandboxapitest@g2a.com",
    "merchant_client_id": "demo-merchant",
    "merchant_client_secret": "demo-merchant-secret",
}
