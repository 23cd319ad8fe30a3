"""What the make-believe G2A sells, and what it tells sellers about it (G2A-02, G2A-03, G2A-14, G2A-15, G2A-L05).

Products are made from their position, so that ids are the same in every run; stock and prices change as it goes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from marketplaces.sandbox_words import Json, Refusal, Request, operation
from marketplaces.services.g2a import sandbox_checks as check

if TYPE_CHECKING:
    from marketplaces.services.g2a.sandbox import Sandbox

# Ids seen in the real sandbox and in the contract's samples.
SAMPLE_IDS = ("10000027819004", "10000037846002", "10000068865001")
PER_PAGE, MOST_PAGES = 20, 500
PLATFORMS = ("Steam", "PSN", "Xbox Live", "Nintendo", "Other")
WORDS = """
    Amber Arctic Astral Basalt Cobalt Copper Crimson Crystal Ember Frozen Golden Granite Hidden Iron Lunar
""".split()  # noqa: SIM905  (shorter so)
PLACES = """
    Arena Castle Citadel Colony Comet Empire Frontier Galaxy Harbor Horizon Island Kingdom Legends Realm
""".split()  # noqa: SIM905  (shorter so)
FLAGS = ("violence", "profanity", "discrimination", "drugs", "fear", "gambling", "online", "sex")
REQUIREMENTS = ("processor", "graphics", "memory", "diskspace", "system", "other")
PRODUCT_QUERY = {
    "page": check.whole(1, MOST_PAGES),
    "id": check.digits,
    "minQty": check.whole(0),
    "minPriceFrom": check.money,
    "minPriceTo": check.money,
    "includeOutOfStock": check.flag,
    "updatedAtFrom": check.moment,
    "updatedAtTo": check.moment,
}
OWN_CODES = {"id": "PR01", "page": "PR02", "minQty": "PR03", "minPriceFrom": "PR04", "minPriceTo": "PR05"}
# What of a price is left for the seller: the same for every product.
KEPT_PART, FEE, BUSINESS_FEE = Decimal("0.9"), Decimal("0.77"), Decimal("0.68")


@dataclass
class Product:
    number: int
    id: str
    name: str
    qty: int
    price: Decimal
    updated_at: datetime
    available_to_buy: bool
    is_file: bool

    @property
    def platform(self) -> str:
        return PLATFORMS[self.number % len(PLATFORMS)]

    def shown(self) -> Json:
        slug = self.name.lower().replace(" ", "-")
        category: int | str = 189 if self.number % 2 else "189"
        return {
            "id": self.id,
            "name": self.name,
            "type": "egoods",
            "slug": f"/{slug}-i{self.id}",
            "qty": self.qty,
            "minPrice": float(self.price),
            "retail_min_price": float(_cents(self.price * Decimal("1.11"))),
            "retailMinBasePrice": float(_cents(self.price * Decimal("0.96"))),
            "availableToBuy": self.available_to_buy and self.qty > 0,
            "thumbnail": f"https://images.example/{self.number}/t.jpg",
            "smallImage": f"https://images.example/{self.number}/s.jpg",
            "coverImage": f"https://images.example/{self.number}/c.jpg" if self.number % 3 else "",
            "images": [f"https://images.example/{self.number}/1.jpg"],
            "updated_at": f"{self.updated_at:%Y-%m-%d %H:%M:%S}",
            "release_date": "2020-01-31" if self.number % 4 else "",
            "region": "GLOBAL",
            "developer": "",
            "publisher": "",
            "platform": self.platform,
            "priceLimit": _limit(self.number),
            "restrictions": {f"pegi_{flag}": False for flag in FLAGS},
            "requirements": {kind: {f"req{part}": "" for part in REQUIREMENTS} for kind in ("minimal", "recommended")},
            "videos": [{"type": "YOUTUBE", "url": f"https://video.example/{self.number}"}],
            "categories": [{"id": category, "name": "Games"}],
        }


class Catalogue:
    """Products. The sandbox's lock is held around each operation."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._made: dict[str, Product] = {}

    @property
    def products(self) -> dict[str, Product]:
        """By id, in their order; as many as the option `products` says."""
        while len(self._made) < self._sandbox.options["products"]:
            product = made(len(self._made))
            self._made[product.id] = product
        return self._made

    def need(self, product_id: str, status: int = 404) -> Product:
        product = self.products.get(product_id)
        if product is None:
            raise Refusal(status, "BR04", "There is no such product")
        return product

    def change(self, product_id: str, *, qty: int | None = None, price: str = "") -> Product:
        product = self.need(product_id)
        product.qty = product.qty if qty is None else qty
        product.price = Decimal(price) if price else product.price
        product.updated_at = datetime.fromtimestamp(int(self._sandbox.clock.time()), UTC)
        return product

    # --- buying ----------------------------------------------------------------------------------------------

    @operation("G2A-02", "GET", "{base:/v1|/integration-api/v1}/products")
    def list_products(self, request: Request, base: str) -> Json:
        wanted = check.query(request, PRODUCT_QUERY, OWN_CODES)
        if wanted.get("minPriceFrom", Decimal(0)) > wanted.get("minPriceTo", Decimal("Infinity")):
            raise Refusal(400, "PR05", "minPriceTo is below minPriceFrom")
        rows = [product for product in self.products.values() if _fits(product, wanted)]
        page = wanted.get("page", 1)
        shown = [product.shown() for product in check.page_of(rows, page, PER_PAGE)]
        return {"total": len(rows), "page": page, "docs": shown}

    @operation("G2A-03", "GET", "{base:/v1|/integration-api/v1}/products/{product_id}")
    def get_product(self, request: Request, base: str, product_id: str) -> Json:
        if not product_id.isdigit():
            raise Refusal(404, "PR01", "The product id is malformed")
        return self.need(product_id).shown()

    # --- selling ---------------------------------------------------------------------------------------------

    @operation("G2A-14", "GET", "/integration-api/v1/prices/simulations")
    def simulate(self, request: Request) -> Json:
        return self._simulate(request, {})

    @operation("G2A-14", "GET", "/v3/pricing/simulations")
    def simulate_live(self, request: Request) -> Json:
        return self._simulate(request, {"currency": check.filled})

    def _simulate(self, request: Request, more: Json) -> Json:
        known = {"productId": check.digits, "price": check.positive_money, "country": check.country, **more}
        wanted = check.query(request, known)
        for name in ("productId", "price"):
            if name not in wanted:
                raise check.wrong(name, "is needed")
        self.need(wanted["productId"], 400)
        price, options = wanted["price"], self._sandbox.options
        income, business = (max(Decimal(0), _cents(price * KEPT_PART - fee)) for fee in (FEE, BUSINESS_FEE))
        write = float if options["simulation_numbers"] else str
        places = [wanted["country"], "OTHER"] if "country" in wanted else ["ALL"]
        values = {
            "income": income,
            options["final_price_name"]: price,
            "businessFinalPrice": price,
            "businessIncome": business,
        }
        return {name: {place: write(value) for place in places} for name, value in values.items()}

    @operation("G2A-15", "GET", "/integration-api/v1/bestsellers")
    def bestsellers(self, request: Request) -> Json:
        known = {
            "category": check.filled,
            "platform": check.filled,
            "page": check.whole(1),
            "perPage": check.per_page,
        }
        wanted = check.query(request, known)
        rows = [
            product
            for product in self._best()
            if wanted.get("platform", product.platform).lower() == product.platform.lower()
            and wanted.get("category", "Games").lower() in ("games", "189")
        ]
        page, size = wanted.get("page", 1), wanted.get("perPage", 20)
        last = max(1, -(-len(rows) // size))
        meta = {"meta": {"currentPage": page, "lastPage": last, "perPage": size, "total": len(rows)}}
        shown = {"data": [_best_row(product) for product in check.page_of(rows, page, size)]}
        return shown | (meta if self._sandbox.options["bestsellers_meta"] else {})

    @operation("G2A-15", "GET", "/v3/sales/bestsellers")
    def bestsellers_live(self, request: Request) -> Json:
        known = {
            "daysNumber": check.whole(1, 90),
            "page": check.whole(1),
            "itemsPerPage": check.whole(1, 100),
            "productIds": check.filled,
        }
        wanted = check.query(request, known)
        ids = wanted["productIds"].split(",") if "productIds" in wanted else None
        rows = [product for product in self._best() if ids is None or product.id in ids]
        page, size = wanted.get("page", 1), wanted.get("itemsPerPage", 20)
        meta = {"meta": {"page": page, "itemsPerPage": size, "totalResults": len(rows)}}
        shown = {"data": [_best_row(product) for product in check.page_of(rows, page, size)]}
        return shown | (meta if self._sandbox.options["bestsellers_meta"] else {})

    def _best(self) -> list[Product]:
        return [product for product in self.products.values() if product.number % 2 == 0]

    @operation("G2A-L05", "GET", "/v3/products/{product_id}/offers")
    def competing_offers(self, request: Request, product_id: str) -> Json:
        known = {
            "visibility": check.among(*check.VISIBILITIES),
            "countryCode": check.country,
            "page": check.whole(1),
            "itemsPerPage": check.whole(1, 100),
        }
        wanted = check.query(request, known)
        product, country = self.need(product_id), wanted.get("countryCode", "DE")
        prices = [_cents(product.price * Decimal(100 + 4 * place) / 100) for place in range(3)]
        rows = [_competitor(product.number * 10 + place, price, country) for place, price in enumerate(prices)]
        page, size = wanted.get("page", 1), wanted.get("itemsPerPage", 20)
        meta = {"page": page, "itemsPerPage": size, "totalResults": len(rows)}
        return {"data": check.page_of(rows, page, size), "meta": meta}


def made(number: int) -> Product:
    product_id = SAMPLE_IDS[number] if number < len(SAMPLE_IDS) else str(10_000_100_000_000 + number * 1003)
    name = f"{WORDS[number % len(WORDS)]} {PLACES[number // len(WORDS) % len(PLACES)]}"
    return Product(
        number=number,
        id=product_id,
        name=name if number < len(WORDS) * len(PLACES) else f"{name} {number}",
        qty=0 if number % 9 == 5 else 5 + number * 7 % 60,
        price=Decimal(249 + number * 137 % 5000) / 100,
        updated_at=datetime(2025, 6, 1, 10, 20, 30, tzinfo=UTC) - timedelta(hours=number),
        available_to_buy=number % 11 != 6,
        is_file=number % 17 == 4,
    )


def _limit(number: int) -> Json:
    lowest, highest = {3: (1.0, 99.0), 7: (0.5, None)}.get(number % 10, (None, None))
    return {"min": lowest, "max": highest}


def _fits(product: Product, wanted: Json) -> bool:
    return bool(
        wanted.get("id", product.id) == product.id
        and product.qty >= wanted.get("minQty", 0)
        and wanted.get("minPriceFrom", 0) <= product.price <= wanted.get("minPriceTo", Decimal("Infinity"))
        and (product.qty > 0 or wanted.get("includeOutOfStock", False))
        and wanted.get("updatedAtFrom", product.updated_at) <= product.updated_at
        and product.updated_at <= wanted.get("updatedAtTo", product.updated_at)
    )


def _best_row(product: Product) -> Json:
    return {"productId": product.id, "name": product.name, "platform": product.platform}


def _competitor(number: int, price: Decimal, country: str) -> Json:
    def shown(value: Decimal) -> Json:
        return {"countryCode": country, "currencyCode": "EUR", "value": str(value)}

    return {
        "id": f"c0ffee00-0000-4000-8000-{number:012}",
        "price": {
            "retail": {"base": shown(price), "final": [shown(_cents(price * Decimal("1.07")))]},
            "business": None,
        },
        "seller": {"name": f"example-shop-{number % 7}", "rating": 98, "ratingsCount": 1234, "tier": "x"},
        "inventory": {"range": "x"},
    }


def _cents(value: Decimal) -> Decimal:
    return value.quantize(check.CENT)
