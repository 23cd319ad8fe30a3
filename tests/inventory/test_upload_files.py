"""Codes that are files, given into an offer's own inventory: with the promises of keys, and never among them."""

import pytest
from django.urls import reverse

from inventory import kinds, publishing, upload_contents, uploads
from inventory.models import Code, Offer, Upload
from marketplaces.models import ApiCall
from marketplaces.shop import CodeKind
from orders.verify import verify
from tests import make
from tests.inventory.test_admin import OFFERS, press, says
from tests.inventory.test_upload_collections import calls, on_sale
from tests.orders import story

Status = Upload.Status
State = Upload.State
PNG = b"\x89PNG\r\n"


def add_files(product, count, *, data=PNG, name="scan"):
    texts = [kinds.file_text(f"{name}-{number}.png", data + b"%d" % number) for number in range(count)]
    kinds.add(product=product, kind=CodeKind.FILE, texts=texts)


def open_offer(desk, product):
    product_id = desk.account.service().search_products()[0].external_id
    made = make.offer(
        product, desk.account, external_product_id=product_id, price="5.98", currency="EUR", offer_type="promo",
        visibility="all",
    )  # fmt: skip
    publishing.request(Offer.objects.all())
    desk.advance(120)
    made.refresh_from_db()
    return made


@pytest.fixture
def offer(g2a):
    product = make.product(codes=3)
    add_files(product, 2)
    return open_offer(g2a, product)


def collections(desk):
    found = [shown for shown in desk.sandbox.state()["collections"] if shown["keys"]]
    return sorted((len(shown["files"]), len(shown["keys"])) for shown in found)


@pytest.mark.smoke
def test_files_go_up_as_a_collection_of_their_own(g2a, offer):
    """G2A-T36 for images: their collection, too, is named in the next change of the offer."""
    assert uploads.upload(offer, quantity=5, by="ann") == 5
    g2a.advance(300)

    assert set(Upload.objects.values_list("status", "state")) == {(Status.THERE, State.DONE)}
    assert calls("G2A-12") == 2
    assert collections(g2a) == [(0, 3), (2, 2)], "never texts and files in one"
    assert len(on_sale(g2a, offer)) == 5
    names = {name for shown in g2a.sandbox.state()["collections"] for name in shown["files"]}
    assert names == {f"code-{pk}.png" for pk in Code.objects.filter(kind="file").values_list("pk", flat=True)}
    assert Code.objects.filter(state=Code.State.UPLOADED).count() == 5
    assert verify().is_ok


@pytest.mark.parametrize("mode", ["timeout", "drop_after_commit", "malformed_json", "empty_body"])
def test_files_without_an_answer_are_blocked_and_never_sent_again(g2a, mode):
    """G2A-T36, G2A-P54"""
    product = make.product()
    add_files(product, 2)
    offer = open_offer(g2a, product)
    g2a.fault("G2A-12", mode)
    uploads.upload(offer, quantity=2, by="ann")
    g2a.advance(86_400)

    assert set(Upload.objects.values_list("status", "state")) == {(Status.UNANSWERED, State.NEEDS_ATTENTION)}
    assert calls("G2A-12") == 1
    assert Code.objects.filter(state=Code.State.UPLOADED).count() == 2

    for row in Upload.objects.all():
        assert uploads.say_not_there(row, by="ann")
    assert Code.objects.filter(state=Code.State.AVAILABLE).count() == 2
    assert verify().is_ok


def test_a_file_that_is_no_image_is_refused_before_it_leaves(g2a):
    product = make.product()
    kinds.add(product=product, kind=CodeKind.FILE, texts=[kinds.file_text("card.pdf", b"%PDF-1.7 secret")])
    offer = open_offer(g2a, product)
    uploads.upload(offer, quantity=1, by="ann")
    g2a.advance(300)

    row = Upload.objects.get()
    assert (row.status, row.note) == (Status.REFUSED, "G2A takes images, and this is application/pdf. It was not sent")
    assert calls("G2A-12") == 0
    assert Code.objects.get().state == Code.State.AVAILABLE


def test_an_image_is_known_by_its_content_whatever_it_was_called(g2a):
    product = make.product()
    text = kinds.file_code(name="upload", data=b"\xff\xd8\xff-1")
    kinds.add(product=product, kind=CodeKind.FILE, texts=[text])
    offer = open_offer(g2a, product)
    uploads.upload(offer, quantity=1, by="ann")
    g2a.advance(300)

    assert Upload.objects.get().status == Status.THERE
    assert g2a.sandbox.state()["collections"][-1]["files"] == [f"code-{Code.objects.get().pk}.jpg"]


def test_large_files_leave_in_more_than_one_request(g2a, monkeypatch):
    monkeypatch.setattr(upload_contents, "MOST_BYTES", 5_000)
    product = make.product()
    add_files(product, 4, data=PNG + b"x" * 1200)
    offer = open_offer(g2a, product)
    uploads.upload(offer, quantity=4, by="ann")
    g2a.advance(300)

    assert collections(g2a) == [(2, 2), (2, 2)]
    assert set(Upload.objects.values_list("status", flat=True)) == {Status.THERE}


def test_a_code_that_does_not_open_stops_no_other(g2a, offer):
    broken = Code.objects.filter(kind="file").first()
    Code.objects.filter(pk=broken.pk).update(sealed=b"\x05test1" + b"0" * 40)
    uploads.upload(offer, quantity=5, by="ann")
    g2a.advance(300)

    row = Upload.objects.get(code=broken)
    assert (row.status, row.state, row.failure) == (Status.WAITING, State.NEEDS_ATTENTION, "sealed")
    assert "CODE_KEYS" in row.last_error
    assert Upload.objects.filter(status=Status.THERE).count() == 4


def test_a_marketplace_that_takes_texts_alone_gets_no_file(g2g):
    shop = story.begin(g2g, codes=0)
    add_files(shop.product, 2)
    make.add_codes(shop.product, 1)
    assert uploads.upload(shop.offer, quantity=3, by="ann") == 1
    assert set(Code.objects.filter(state=Code.State.UPLOADED).values_list("kind", flat=True)) == {"text"}


def test_the_login_of_an_account_is_never_given_away(g2a):
    product = make.product()
    kinds.add(product=product, kind=CodeKind.ACCOUNT, texts=[kinds.account_code(username="u", password="p")])
    assert uploads.upload(open_offer(g2a, product), quantity=1, by="ann") == 0


def test_no_file_and_none_of_their_names_stands_in_the_call_log(g2a, offer):
    uploads.upload(offer, quantity=5, by="ann")
    g2a.advance(300)

    logged = " ".join(ApiCall.objects.filter(operation="G2A-12").values_list("request", flat=True))
    assert "code-" in logged
    assert "bytes" in logged
    assert "scan" not in logged
    assert "PNG" not in logged


def test_staff_see_how_many_are_files_and_which(g2a, offer, admin_client):
    asked = says(press(admin_client, OFFERS, "upload_codes", offer))
    assert "5 codes of GAME-1 can be uploaded. 2 of them are files" in asked

    press(admin_client, OFFERS, "upload_codes", offer, answered=1, quantity=5)
    g2a.advance(300)
    listed = reverse("admin:inventory_upload_changelist")
    files = says(admin_client.get(listed, {"code__kind__exact": "file"}))
    assert "2 uploads" in files
    page = says(
        admin_client.get(
            reverse("admin:inventory_upload_change", args=[Upload.objects.filter(code__kind="file")[0].pk])
        )
    )
    assert "file" in page
    assert "scan" not in page + files
