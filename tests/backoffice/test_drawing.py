"""What we draw without the theme's templates looks as the theme draws it."""

import copy
import itertools

import pytest
import time_machine
from django import forms
from django.contrib import admin
from django.forms.renderers import DjangoTemplates
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.test.html import parse_html
from django.urls import reverse
from unfold.templatetags.unfold_list import items_for_result, result_headers
from unfold.utils import display_for_label, display_for_value
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from backoffice import drawing
from backoffice.templatetags.list_rows import list_rows
from inventory.models import Offer
from tests.backoffice import world

PLANTED = '"><script>alert(1)</script>'
WIDGETS = (
    forms.TextInput(),
    forms.TextInput(attrs={"class": "wide", "autofocus": True, "disabled": False, "title": PLANTED}),
    forms.NumberInput(attrs={"step": "0.01", "min": 0}),
    forms.HiddenInput(),
    forms.CheckboxInput(),
    UnfoldAdminTextInputWidget(),
    UnfoldAdminTextInputWidget(attrs={"prefix": PLANTED, "suffix_icon": "euro"}),
    UnfoldAdminDecimalFieldWidget(),
    UnfoldBooleanWidget(),
)
VALUES = (None, "", 0, 1, True, False, "12.50", PLANTED, "ä ‘’ & <b>")


@pytest.mark.parametrize("number", range(len(WIDGETS)))
def test_a_plain_field_is_what_djangos_template_makes_of_it(number):
    widget = WIDGETS[number]
    for value in VALUES:
        ours, theirs = (
            # The theme's takes the words around it out of its attributes as it is drawn.
            copy.deepcopy(widget).render("price", value, attrs={"id": "id_price"}, renderer=renderer)
            for renderer in (drawing.QuickFields(), DjangoTemplates())
        )
        assert parse_html(ours) == parse_html(theirs)


def test_a_field_with_more_to_it_is_still_drawn_by_its_template():
    widget = forms.Select(choices=[("a", "A")])
    ours = widget.render("state", "a", renderer=drawing.QuickFields())
    assert parse_html(ours) == parse_html(widget.render("state", "a", renderer=DjangoTemplates()))


def test_labels_and_marks_are_the_themes():
    for text, colour in itertools.product(("needs attention", PLANTED), ("danger", "")):
        theirs = display_for_label(("key", text), "-", {"key": colour})
        for _ in range(2):  # made, and kept
            assert drawing.label(text, colour) == theirs
    for value in (True, False, None):
        assert drawing.mark(value) == display_for_value(value, "-", True)


@pytest.mark.django_db
@time_machine.travel("2026-05-05 12:00", tick=False)  # ages do not go on between the two
def test_the_rows_of_every_list_are_those_that_the_theme_would_draw(admin_user):
    world.fill(3)
    seen = 0
    for model, shown_by in admin.site._registry.items():
        shown = changelist(shown_by, admin_user)
        ours = list_rows(shown)["rows"]
        assert len(ours) == len(shown.result_list), model
        for row, mine in zip(changelist(shown_by, admin_user).result_list, ours, strict=True):
            assert parse_html(mine.cells) == parse_html(theirs(shown, row)), model
            seen += 1
    assert seen > 100


def theirs(shown, row, form=None):
    """The theme's cells. Where no row can be chosen it calls the first column what belongs to the column of checkboxes."""
    drawn = "".join(items_for_result(shown, row, form))
    if shown.list_display[0] == "action_checkbox":
        return drawn
    heading = next(iter(result_headers(shown)))["text"]
    return drawn.replace('data-label="Select record"', f'data-label="{heading}"', 1)


def changelist(shown_by, user, query=""):
    request = RequestFactory().get(f"/?{query}")
    request.user = user
    request.session = {}
    shown = shown_by.get_changelist_instance(request)
    shown.formset = None
    return shown


@pytest.mark.django_db
def test_rows_with_fields_to_change_are_those_that_the_theme_would_draw(admin_client):
    world.fill(3)
    page = admin_client.get(reverse("admin:inventory_offer_changelist"))
    shown = page.context["cl"]
    assert shown.formset.forms
    ours = list_rows(shown)["rows"]
    for row, form, mine in zip(shown.result_list, shown.formset.forms, ours, strict=True):
        assert parse_html(mine.cells) == parse_html(theirs(shown, row, form))
        assert mine.cells in page.text


@pytest.mark.django_db
def test_what_is_wrong_with_a_field_is_said_beside_it(admin_client):
    world.fill(1)
    address = reverse("admin:inventory_offer_changelist")
    form = admin_client.get(address).context["cl"].formset
    posted = {field.html_name: field.value() or "" for each in form.forms for field in each}
    posted |= {field.html_name: field.value() for field in form.management_form}
    posted["form-0-price"] = "much"
    page = admin_client.post(address, {**posted, "_save": "Save"})
    errors = page.context["cl"].formset.errors[0]
    assert "Enter a number" in errors["price"][0]
    assert render_to_string("unfold/helpers/form_errors.html", {"errors": errors["price"]}) in page.text
    assert "group errors" in page.text


@pytest.mark.django_db
def test_a_row_leads_back_to_the_list_as_it_was_filtered(admin_client):
    world.fill(1)
    address = reverse("admin:inventory_offer_changelist")
    page = admin_client.get(f"{address}?account__id__exact={Offer.objects.get().account_id}")
    shown = page.context["cl"]
    (row,) = list_rows(shown)["rows"]
    assert "_changelist_filters=account__id__exact%3D" in row.cells
    assert parse_html(row.cells) == parse_html(theirs(shown, shown.result_list[0], shown.formset.forms[0]))


@pytest.mark.django_db
def test_a_list_that_is_opened_to_choose_from_says_what_was_chosen(admin_user):
    world.fill(1)
    shown = changelist(admin.site._registry[Offer], admin_user, "_popup=1")
    (row,) = list_rows(shown)["rows"]
    assert f'data-popup-opener="{Offer.objects.get().pk}"' in row.cells
    assert parse_html(row.cells) == parse_html(theirs(shown, shown.result_list[0]))
