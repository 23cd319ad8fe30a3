"""What lies in the warehouses of the make-believe Ginee, and the calls about it: shops, warehouses, stock (GIN-C03…C06).

Everything is made from its position, so that ids are the same in every run. The contract's samples are part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketplaces.sandbox_words import Json, Refusal, Request, operation
from marketplaces.services.ginee.sandbox_checks import parameter_error, read_json, texts, whole

if TYPE_CHECKING:
    from marketplaces.services.ginee.sandbox import Sandbox

START_STOCK, START_LOCKED = 30, 2
MOST_ROWS, MOST_READ = 20, 20
MOST_STOCK = 999_998
MOST_SHOPS = 199

THINGS = {
    "TSHIRT": "Cotton T-Shirt",
    "CAP": "Baseball Cap",
    "MUG": "Enamel Mug",
    "TOTE": "Canvas Tote Bag",
    "BOTTLE": "Steel Water Bottle",
    "SOCKS": "Merino Socks",
    "LAMP": "Reading Lamp",
    "NOTEBOOK": "Dotted Notebook",
}
COLOURS = {"RED": "Red", "BLU": "Blue", "BLK": "Black"}


@dataclass(frozen=True)
class Good:
    """A master product, under its master SKU. `price` is in whole rupiah."""

    sku: str
    name: str
    price: int
    number: int

    @property
    def inventory_id(self) -> str:
        return f"IN5FF02DDA52FAFF0002{self.number:06d}"


def goods() -> dict[str, Good]:
    """Return all goods by master SKU."""
    made = [Good("SKU-RED-M", "Demo Shirt Red M", 70_000, 0), Good("800151", "Demo Item 800151", 25_000, 1)]
    for thing, (code, name) in enumerate(THINGS.items()):
        for colour, (short, word) in enumerate(COLOURS.items()):
            price = 45_000 + thing * 15_000 + colour * 1_000
            made.append(Good(f"{code}-{short}", f"{name} {word}", price, len(made)))
    return {good.sku: good for good in made}


@dataclass(frozen=True)
class Shop:
    id: str
    name: str
    external_id: str
    channel: str
    country: str
    state: str = "CONNECTED"

    def shown(self, state: str) -> Json:
        always_null = dict.fromkeys(("shopUrl", "shopAlias", "authorizationExpiredAt", "warehouseId", "extraInfo"))
        return {
            "shopId": self.id,
            "shopName": self.name,
            "externalShopId": self.external_id,
            "channel": self.channel,
            "country": self.country,
            "authorizationStatus": state,
            **always_null,
        }


SHOPS = (
    Shop("SH5FF02DDA52FAFF0001000001", "Demo shop", "777001", "SHOPEE_ID", "ID"),
    Shop("SH5FF02DDA52FAFF0001000002", "Demo shop Lazada", "777002", "LAZADA_ID", "ID"),
    Shop("SH5FF02DDA52FAFF0001000003", "Demo shop Tokopedia", "777003", "TOKOPEDIA_ID", "ID"),
    Shop("SH5FF02DDA52FAFF0001000004", "Demo shop Manila", "777004", "SHOPEE_ID", "PH"),
    Shop("SH5FF02DDA52FAFF0001000005", "Demo shop Tiki", "777005", "TIKI_ID", "VN", "EXPIRED"),
    Shop("SH5FF02DDA52FAFF0001000006", "Demo shop of old", "777006", "BLIBLI_ID", "ID", "DISCONNECTED"),
)
WAREHOUSES = (
    {"id": "WW5FF02DDA52FAFF0001000021", "isDefault": False, "status": "DISABLE"},
    {"id": "WW5FF02DDA52FAFF0001000020", "isDefault": True, "status": "ENABLE"},
    {"id": "WW5FF02DDA52FAFF0001000022", "isDefault": False, "status": "ENABLE"},
)
DEFAULT_WAREHOUSE = "WW5FF02DDA52FAFF0001000020"


@dataclass
class Stock:
    """How many of a good there are. What is locked is promised to buyers and still in the warehouse."""

    warehouse: int = 0
    locked: int = 0
    out: int = 0
    is_set: bool = False  # by the seller, through GIN-C04

    @property
    def available(self) -> int:
        return max(0, self.warehouse - self.locked)

    def figures(self) -> dict[str, int]:
        return {
            "warehouseStock": self.warehouse,
            "availableStock": self.available,
            "lockedStock": self.locked,
            "spareStock": 0,
            "promotionStock": 0,
            "safetyStock": 0,
            "transportStock": 0,
            "outStock": self.out,
        }


class Goods:
    """Stock per access key and master SKU, in the default warehouse and the others."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self.all = goods()
        self.shop_states = {shop.id: shop.state for shop in SHOPS}
        self._stocks: dict[tuple[str, str], dict[str, Stock]] = {}

    def shelf(self, access_key: str, warehouse_id: str = DEFAULT_WAREHOUSE) -> dict[str, Stock]:
        """Return an account's stock by master SKU; buyers are served from the default warehouse."""
        start = (START_STOCK, START_LOCKED) if warehouse_id == DEFAULT_WAREHOUSE else (0, 0)
        key = (access_key, warehouse_id)
        if key not in self._stocks:
            self._stocks[key] = {sku: Stock(*start) for sku in self.all}
        return self._stocks[key]

    def find_shop(self, channel: str, shop_id: str = "") -> Shop:
        """Return a connected shop of a channel. Raises Refusal."""
        for shop in SHOPS:
            if shop_id == shop.id or (not shop_id and channel in ("", shop.channel)):
                return shop
        raise Refusal(404, "", f"There is no shop on {channel or shop_id}")

    # --- calls -----------------------------------------------------------------------------------------------

    @operation("GIN-C03", "POST", "/openapi/shop/v1/list")
    def list_shops(self, request: Request) -> Any:
        body = read_json(request)
        page = whole(body, "page", 0, 100_000, default=0)
        size = whole(body, "size", 1, MOST_SHOPS, default=100)
        rows = [shop.shown(self.shop_states[shop.id]) for shop in SHOPS]
        chosen = rows[page * size : (page + 1) * size]
        if self._sandbox.switches.shops_shape == "list":
            return chosen
        return {"content": chosen, "total": len(rows)}

    @operation("GIN-C04", "POST", "/openapi/warehouse-inventory/v1/product/stock/update")
    def update_stock(self, request: Request) -> Json:
        body = read_json(request)
        warehouse_id = body.get("warehouseId")
        if warehouse_id not in [row["id"] for row in WAREHOUSES if row["status"] == "ENABLE"]:
            raise parameter_error("warehouseId is not the id of an enabled warehouse")
        rows = body.get("stockList")
        if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_ROWS:
            raise parameter_error(f"stockList has 1 to {MOST_ROWS} rows")
        shelf = self.shelf(self._sandbox.access_key(request), str(warehouse_id))
        wanted = [self._checked(row, shelf) for row in rows]
        for sku, quantity in wanted:
            stock = shelf[sku]
            base = stock.warehouse if self._sandbox.switches.stock_is_difference else 0
            stock.warehouse, stock.is_set = base + quantity, True
        return {"stockList": [{"masterSku": sku, "quantity": None, **shelf[sku].figures()} for sku, _ in wanted]}

    def _checked(self, row: Any, shelf: Mapping[str, Stock]) -> tuple[str, int]:
        if not isinstance(row, dict) or row.get("masterSku") not in shelf:
            raise parameter_error("masterSku is not the SKU of a master product")
        least = 1 if self._sandbox.switches.refuse_zero else 0
        if not isinstance(row.get("remark", ""), str):
            raise parameter_error("remark is a text")
        return row["masterSku"], whole(row, "quantity", least, MOST_STOCK)

    @operation("GIN-C05", "POST", "/openapi/warehouse/v1/search")
    def search_warehouses(self, request: Request) -> Json:
        body = read_json(request)
        page, size = whole(body, "page", 0, 100_000, default=0), whole(body, "size", 1, 100, default=50)
        return {"content": [dict(row) for row in WAREHOUSES[page * size : (page + 1) * size]]}

    @operation("GIN-C06", "POST", "/openapi/product/variation/v1/inventory-brief-list")
    def read_stock(self, request: Request) -> list[Json]:
        skus = texts(read_json(request), "masterSkus", MOST_READ)
        if not skus:
            raise parameter_error("masterSkus is needed")
        shelf = self.shelf(self._sandbox.access_key(request))
        found = [(sku, shelf[sku]) for sku in dict.fromkeys(skus) if sku in shelf]
        return [
            {"masterSku": sku, "availableStock": str(stock.available), "warehouseStock": str(stock.warehouse)}
            for sku, stock in found
        ]

    def shown(self, access_key: str) -> list[Json]:
        return [{"masterSku": sku, **stock.figures()} for sku, stock in self.shelf(access_key).items()]
