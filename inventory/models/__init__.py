"""What we have, what we offer where, and what we buy."""

from inventory.models.differences import Difference as Difference, Reconciliation as Reconciliation
from inventory.models.drafts import OfferDraft as OfferDraft
from inventory.models.feeds import Feed as Feed
from inventory.models.imports import CodeImport as CodeImport, CodeImportPart as CodeImportPart
from inventory.models.offers import Offer as Offer, Upload as Upload
from inventory.models.prices import (
    AccountTerms as AccountTerms,
    CompetitorWatch as CompetitorWatch,
    ExchangeRate as ExchangeRate,
    Fee as Fee,
    PriceChange as PriceChange,
    PriceRule as PriceRule,
)
from inventory.models.purchases import Purchase as Purchase
from inventory.models.recalls import Recall as Recall, RecalledCode as RecalledCode
from inventory.models.shelves import Pause as Pause, QuantityRule as QuantityRule
from inventory.models.stock import (
    CURRENCY_HELP as CURRENCY_HELP,
    Batch as Batch,
    Code as Code,
    CodeReveal as CodeReveal,
    Cover as Cover,
    Hold as Hold,
    Level as Level,
    Movement as Movement,
    Product as Product,
    StockChange as StockChange,
    StockSettings as StockSettings,
    Supplier as Supplier,
    code_binding as code_binding,
)
