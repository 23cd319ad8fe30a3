"""G2G's OpenAPI: name, credentials, options, auth, one method per operation (contract ids G2G-…)."""

from marketplaces.base import MarketplaceService
from marketplaces.types import Field


class Service(MarketplaceService):
    slug = "g2g"
    label = "G2G"
    default_base_url = "https://open-api.g2g.com"
    credentials = (
        Field("api_key", "API key", "From API Integration in G2G's account menu."),
        Field("secret", "API secret", "Shown once when the key is made; a lost one can only be replaced."),
        Field("user_id", "User id", "Your G2G user id, digits only."),
    )
    options = (
        Field("version", "API version", "v1 is deprecated and can do less.", default="v2", choices=("v2", "v1")),
        Field(
            "requests_per_minute", "Requests a minute", "G2G publishes no limit; 60 is careful.",
            default=60, minimum=1, maximum=6000,
        ),
        Field(
            "webhook_window_seconds", "Webhook window", "A webhook older or newer than this many seconds is refused.",
            default=300, minimum=10, maximum=3600,
        ),
    )  # fmt: skip
