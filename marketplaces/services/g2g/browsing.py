"""Reading G2G's catalogue: services, brands, products and what a product asks for (G2G-01 to G2G-04)."""

from collections.abc import Iterator

from marketplaces.exceptions import NotFound, PermanentError
from marketplaces.services.g2g import catalogue, validation
from marketplaces.services.g2g.line import Line, segment, too_new
from marketplaces.types import Category, RemoteProduct


class Catalogue:
    """All reads; every one is safe to repeat."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def fetch_all(self) -> Iterator[RemoteProduct]:
        """Walk all services: by category where there are categories, else by brand. Each product comes once."""
        seen: set[str] = set()
        for service in self.fetch_services():
            for product in self._products_of(service):
                if product.external_id not in seen:
                    seen.add(product.external_id)
                    yield product

    def _products_of(self, service: catalogue.GoodsService) -> Iterator[RemoteProduct]:
        categories = service.category_ids() if self._line.version == "v2" else []
        for category_id, name in categories:
            path = name if name == service.name else f"{service.name} / {name}"
            yield from self.fetch_products(category_id=category_id, category=path)
        if categories:
            return
        for brand in self.fetch_brands(service.external_id):
            try:
                found = self.fetch_products(
                    service_id=service.external_id, brand_id=brand.external_id, category=service.name
                )
            except NotFound:  # gone since the list was read
                continue
            yield from found

    def fetch_services(self, language: str = "en") -> list[catalogue.GoodsService]:
        """Get Services (G2G-01), with their categories in v2."""
        payload = self._line.call("G2G-01", "GET", "/services", params={"language": _known(language)})
        return catalogue.to_services(payload)

    def fetch_categories(self) -> Iterator[Category]:
        """Get Services (G2G-01): every category that has an id, named with its service. v2 alone tells them."""
        if self._line.version == "v1":
            raise too_new("G2G-01", "a list of categories")
        for service in self.fetch_services():
            for external_id, name in service.category_ids():
                yield Category(external_id, name if name == service.name else f"{service.name} / {name}")

    def fetch_brands(self, service_id: str, query: str = "", language: str = "en") -> Iterator[catalogue.Brand]:
        """Get Brands (G2G-02), a thousand a page."""
        path = f"/services/{segment(service_id)}/brands"
        params = {"language": _known(language)} | ({"q": query} if query else {})
        for page in self._line.pages("G2G-02", path, params, "brand_list", about=service_id):
            yield from catalogue.to_brands(page)

    def fetch_products(
        self, *, service_id: str = "", brand_id: str = "", category_id: str = "", query: str = "", category: str = ""
    ) -> list[RemoteProduct]:
        """Get Products (G2G-03): of one brand of a service, or of a category (not in v1).

        Raises PermanentError for anything else, for G2G does not say what both together mean (G2G-P56).
        """
        if self._line.version == "v1" and (category_id or query):
            raise too_new("G2G-03", "a search for products by category or keyword")
        if bool(category_id) == bool(service_id or brand_id) or bool(service_id) != bool(brand_id):
            raise validation.refuse("G2G-03", "Products are found by a category alone, or by a service and a brand")
        given = {"category_id": category_id, "service_id": service_id, "brand_id": brand_id, "q": query}
        params = {name: value for name, value in given.items() if value}
        return catalogue.to_products(self._line.call("G2G-03", "GET", "/products", params=params), category=category)

    def get_form(self, product_id: str) -> catalogue.ProductForm:
        """Get Attributes (G2G-04): what an offer of the product chooses, and what buyers fill in. Raises NotFound."""
        path = f"/products/{segment(product_id)}/attributes"
        return catalogue.to_form(self._line.call("G2G-04", "GET", path, about=product_id), product_id)


def _known(language: str) -> str:
    if language in catalogue.LANGUAGES:
        return language
    raise PermanentError(f"G2G speaks {', '.join(catalogue.LANGUAGES)}, not {language}", kind="invalid")
