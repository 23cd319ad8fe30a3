"""Pages of long lists: counted no further than a person looks, and in as few statements as can be."""

from typing import Any, cast

from django.core.paginator import Page, Paginator
from django.db import connections
from django.db.models import QuerySet
from django.utils.functional import cached_property
from unfold.forms import PaginationInlineFormSet


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """Counts at most 10,001 rows; without a filter PostgreSQL's own estimate stands for a big table.

    Page numbers end at 100, which also spares the database deep offsets.
    """

    COUNTED = 10_001
    LAST_PAGE = 100
    template_name = "admin/pagination_estimated.html"

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        of_table = self._of_table(rows)
        return rows.order_by().values("pk")[: self.COUNTED].count() if of_table is None else of_table

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, self.LAST_PAGE)

    @property
    def is_exact(self) -> bool:
        return self.count < self.COUNTED

    def _of_table(self, rows: "QuerySet[Any]") -> int | None:
        """The rows of a whole table, in one statement: estimated if they are many, else counted. None for a part of it."""
        connection = connections[rows.db]
        if connection.vendor != "postgresql" or rows.query.where or rows.query.is_sliced or rows.query.distinct:
            return None
        table = connection.ops.quote_name(rows.model._meta.db_table)
        counted = f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {self.COUNTED}) AS counted"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT CASE WHEN reltuples >= %s THEN reltuples::bigint ELSE ({counted}) END"  # noqa: S608
                " FROM pg_class WHERE oid = %s::regclass",
                [self.COUNTED, table],
            )
            return int(cursor.fetchone()[0])


class _OneLook(Paginator):  # type: ignore[type-arg]
    """Reads the first page to see whether it is the only one, and counts when it is not."""

    @cached_property
    def count(self) -> int:
        rows = list(self.object_list[: self.per_page + 1])
        if len(rows) > self.per_page:
            return super().count
        self.object_list = rows
        return len(rows)


class InlineRows(PaginationInlineFormSet):  # type: ignore[misc]
    """The rows of an inline; where they fit on one page, reading them is all that is asked."""

    def get_page(self, paginator: Any, page: int) -> "Page[Any]":
        self.paginator = _OneLook(paginator.object_list, paginator.per_page)
        return cast("Page[Any]", super().get_page(self.paginator, page))
