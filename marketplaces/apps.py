from django.apps import AppConfig


class MarketplacesConfig(AppConfig):
    name = "marketplaces"
    verbose_name = "Marketplaces"

    def ready(self) -> None:
        from marketplaces import checks  # noqa: F401  (registers the system checks)
