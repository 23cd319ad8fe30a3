"""What goes on paper with a parcel, as a real browser lays it out."""

import os
import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from orders.printing import Row, Sheet

pytestmark = pytest.mark.browser

POINTS = {"a4": (595, 842), "letter": (612, 792), "label": (288, 432)}
TO = [
    "Mary Buyer",
    "Very Long Company Name of Testville and Sons, Limited",
    "17 Planted Road",
    "Floor 4",
    "Testville, LA 70000",
    "US",
]


def sheets(count, rows=3):
    names = [
        Row(f"Demo mask with a rather long name, number {number}", f"SKU-{number:04}", number + 1)
        for number in range(rows)
    ]
    return [
        Sheet(
            order_number=f"PO-{number}", ordered_at=None, seller="Main shop", to=TO, sender=["Test Seller", "Austin"],
            phone="555-0100", country="US", way="UPS", tracking_number=f"1Z{number:012}", rows=names,
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.fixture
def printed(browser, tmp_path):
    """Lay a page out for paper; returns the size of each page in points, and what would run over its edge."""
    kept = Path(os.environ.get("PAPER_IMAGES") or tmp_path)
    page = browser.new_page(viewport={"width": 1000, "height": 1200})

    def lay_out(template, name, **context):
        page.set_content(render_to_string(f"admin/orders/print/{template}.html", context))
        page.screenshot(path=kept / f"{name}.png", full_page=True)
        over = page.evaluate(
            "[...document.querySelectorAll('section')].filter(e => e.scrollWidth > e.clientWidth).length"
        )
        pdf = page.pdf(path=kept / f"{name}.pdf", prefer_css_page_size=True)
        boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
        return [(round(float(width)), round(float(height))) for width, height in boxes], over

    return lay_out


@pytest.mark.parametrize("paper", ["a4", "letter"])
def test_every_slip_is_a_page_of_the_chosen_paper(paper, printed):
    pages, over = printed("slips", f"slips-{paper}", sheets=sheets(3), paper=paper)

    assert (len(pages), over) == (3, 0)
    assert all(abs(width - POINTS[paper][0]) <= 1 and abs(height - POINTS[paper][1]) <= 1 for width, height in pages)


def test_a_long_slip_goes_on_over_pages(printed):
    pages, _ = printed("slips", "slip-long", sheets=sheets(1, rows=60), paper="a4")

    assert len(pages) > 1


def test_every_label_is_a_page_of_four_by_six_inches(printed):
    pages, over = printed("labels", "labels", sheets=sheets(2), paper="a4")

    assert (pages, over) == ([POINTS["label"]] * 2, 0)
