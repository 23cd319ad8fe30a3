"""What a worker does with an uploaded code: send it once, look where it is, bring it back.

A call without an answer is never repeated: there is no list in which the code could be looked up, so it is blocked and a
person decides. Whether the call was made stands in `sent_at`, written before it.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inventory import stock, upload_contents
from inventory.mirror import record_seen
from inventory.models import Offer, Upload
from inventory.publishing import JOB_AGAIN
from inventory.upload_contents import Item
from marketplaces import jobs, outgoing
from marketplaces.base import MarketplaceService
from marketplaces.exceptions import MarketplaceError, NotFound, PermanentError, UnknownOutcome
from marketplaces.models import Job
from marketplaces.outgoing import LOST_AFTER, Again
from marketplaces.types import RemoteOffer, Uploaded, UploadedCode, UploadedState, Urgency

Status = Upload.Status

OFFER_AGAIN, OFFER_STUCK_AGAIN = timedelta(seconds=2), timedelta(minutes=5)
RESERVED_AGAIN = timedelta(minutes=10)
CODE_FORM = "code_form"
LYING_THERE = {UploadedState.AVAILABLE: Status.THERE, UploadedState.RESERVED: Status.RESERVED}


def work(pk: int) -> bool:
    """Do what an upload needs next; False when it is not due. Safe to repeat and to run at once."""
    return outgoing.run(Upload, pk, _step)


def withdraw(rows: Sequence[Upload], status: Upload.Status, note: str) -> None:
    """End uploads whose codes are certainly not there: they can be sold again. Raises stock.NotMoved."""
    with transaction.atomic():
        for row in rows:
            _set(row, status=status, note=note[:300], withdrawn_at=timezone.now())
        stock.get_back([row.code_id for row in rows])


def _step(row: Upload) -> Again | None:
    if row.status in Upload.ENDED or (row.status == Status.THERE and row.collection_id):
        return None  # of a code in a collection nothing more is told
    if row.status == Status.TAKEN:
        return _attach(row, row.account.service())
    if row.needs_an_answer:
        raise _nobody_knows(row)
    service = row.account.service()
    if row.status == Status.WAITING:
        return _give(row, service)
    if row.wish == Upload.Wish.OUT:
        return _take_out(row, service)
    _look(row, service)
    return None


# --- send it -------------------------------------------------------------------------------------------------------


def _give(row: Upload, service: MarketplaceService) -> Again | None:
    """Send a code that was not sent yet. A refusal is certain: the code goes back to stock, with the reason."""
    if row.sent_at is not None:  # a call was begun, and nobody wrote down how it ended
        if timezone.now() - row.sent_at < LOST_AFTER:
            return Again(row.sent_at + LOST_AFTER, "It is being sent.")
        raise _unanswered([row], "The worker that sent it was stopped.")
    if row.code.kind not in service.kinds_taken():
        withdraw(
            [row], Status.REFUSED, f"{service.label} takes no codes of the kind “{row.code.kind}”. It was not sent"
        )
        return None
    if again := _while_promised(row):
        return again
    is_known = CODE_FORM in row.offer.seen
    service.plan(1 if is_known else 2, Urgency.STOCK)
    try:
        form = _code_form(row, service, is_known=is_known)
    except NotFound as error:
        withdraw([row], Status.REFUSED, f"The offer is no longer there: {error}")
        return None
    fitting = _that_fit(_lot(row, service), form, service)
    lot = _mark_sent(fitting)
    if lot:
        _send(lot, [fitting[sent.pk] for sent in lot], service)
    row.refresh_from_db()
    return _attach(row, service) if row.status == Status.TAKEN else None


def _attach(row: Upload, service: MarketplaceService) -> Again | None:
    """Put the collection that the code was taken into on sale, once for all its codes. Safe to repeat: it sets a value."""
    together = Upload.objects.filter(account_id=row.account_id, collection_id=row.collection_id, status=Status.TAKEN)
    job = row.job
    if job is None:
        service.plan(1, Urgency.STOCK)
        remote = service.attach_upload(row.external_offer_id, row.offer.offer_type, row.collection_id)
        if remote.job_id:
            with transaction.atomic():
                job = jobs.start(row.account, remote.job_id, purpose=f"codes for offer {row.offer_id}")
                together.update(job=job)
    if job is not None and not job.result:
        return Again(timezone.now() + JOB_AGAIN, f"The marketplace puts it into the offer (job {job}).")
    if job is not None and job.result != Job.Result.DONE:
        _set(row, job=None)  # the next try, which a person asks for, names the collection again
        raise PermanentError(
            f"{row}: the marketplace took the code, and its job {job} to put it into the offer ended as {job.result}"
            f"{f' ({job.reason})' if job.reason else ''}. Mend what it says, then press “Process again”",
            kind="job_failed",
        )
    together.update(status=Status.THERE, checked_at=timezone.now(), job=None)
    return None


def _while_promised(row: Upload) -> Again | None:
    """Wait until the offer no longer promises the code as stock of ours: shown as both, it could be sold twice."""
    offer, units = row.offer, stock.sellable(row.code.product_id)
    promised = offer.pushed_quantity
    if promised is not None and promised <= units and offer.state != Offer.State.IN_FLIGHT:
        return None
    because = f"It is sent when offer “{offer}” shows at most the {units} units that are left in stock."
    if offer.state == Offer.State.NEEDS_ATTENTION:
        return Again(timezone.now() + OFFER_STUCK_AGAIN, f"{because} Its push does not get through: look at the offer.")
    return Again(timezone.now() + OFFER_AGAIN, because)


def _code_form(row: Upload, service: MarketplaceService, *, is_known: bool) -> RemoteOffer:
    """The form that the offer's codes need, read once if it was never told."""
    offer = row.offer
    if not is_known:
        record_seen(offer, service.get_offer(row.external_offer_id))
        offer.seen.setdefault(CODE_FORM, "")
        offer.save(update_fields=["seen"])
    return RemoteOffer(external_id=row.external_offer_id, code_form=offer.seen[CODE_FORM])


def _lot(row: Upload, service: MarketplaceService) -> list[Upload]:
    """The row, and as many more of the offer as go in one call with it."""
    waiting = Upload.objects.filter(
        offer_id=row.offer_id, external_offer_id=row.external_offer_id, status=Status.WAITING, sent_at=None
    )
    return upload_contents.together(row, waiting.filter(state=Upload.State.DUE), service)


def _that_fit(rows: Sequence[Upload], form: RemoteOffer, service: MarketplaceService) -> dict[int, Item]:
    """What leaves for those whose codes have the form that the offer's codes need; the others go back to stock."""
    items = upload_contents.opened(rows)
    if items[rows[0].code_id] is None:  # of the others each has its own turn
        raise PermanentError(
            f"{rows[0]} can't be opened, and was not sent. CODE_KEYS must hold the key that it was stored with; then press"
            " “Look now”",
            kind="sealed",
        )
    fitting = {}
    for row in rows:
        item = items[row.code_id]
        if item is None:
            continue
        if problem := upload_contents.problem(item, form, service):
            withdraw([row], Status.REFUSED, f"{problem}. It was not sent")
        else:
            fitting[row.pk] = item
    return fitting


def _mark_sent(pks: Collection[int]) -> list[Upload]:
    """Write down that codes are about to leave; those called back in the meantime are left out."""
    with transaction.atomic():
        still = Upload.objects.select_for_update().filter(pk__in=pks, status=Status.WAITING, sent_at=None)
        lot = list(still.order_by("pk"))
        _all(lot).update(sent_at=timezone.now())
        return lot


def _send(lot: Sequence[Upload], items: Sequence[Item], service: MarketplaceService) -> None:
    try:
        answer = upload_contents.give(items, lot[0].external_offer_id, service)
    except UnknownOutcome as error:
        if error.kind == "already_done" and len(lot) == 1:
            raise _there_already(lot[0]) from error
        raise _unanswered(lot, str(error)) from error
    except PermanentError as error:
        withdraw(lot, Status.REFUSED, str(error))
    except MarketplaceError:  # it certainly did not arrive
        _all(lot).update(sent_at=None)
        raise
    else:
        _record(lot, answer)


def _record(lot: Sequence[Upload], answer: Uploaded) -> None:
    now = timezone.now()
    if answer.collection_id:
        _all(lot).update(collection_id=answer.collection_id, status=Status.TAKEN, checked_at=now)
        return
    for row, external_id in zip(lot, answer.ids, strict=True):
        _set(row, external_id=external_id, status=Status.THERE, checked_at=now)


# --- when nobody knows ---------------------------------------------------------------------------------------------


def _there_already(row: Upload) -> PermanentError:
    _set(row, status=Status.THERE, checked_at=timezone.now())
    return PermanentError(
        f"{row} is there already, and the marketplace tells no id for it, so its sale would not be noticed. Find it there"
        f" (our reference is {row.reference}) and press “It is there” with its id",
        kind="already_done",
    )


def _unanswered(lot: Sequence[Upload], why: str) -> PermanentError:
    """Block codes of which nobody knows whether they were taken."""
    _all(lot).update(status=Status.UNANSWERED)
    lot[0].status = Status.UNANSWERED
    return _nobody_knows(lot[0], why)


def _nobody_knows(row: Upload, why: str = "") -> PermanentError:
    what = "may be there or not" if row.status == Status.UNANSWERED else "is not found there: it may have been sold"
    return PermanentError(
        f"{row} {what}. {why + ' ' if why else ''}It stays blocked. Look there (our reference is {row.reference}), then"
        " say here where it is",
        kind=row.status,
    )


# --- where it is, and bringing it back -----------------------------------------------------------------------------


def _look(row: Upload, service: MarketplaceService) -> None:
    service.plan(1, Urgency.CATALOGUE)
    seen = _read(row, service)
    if seen is None:
        raise _gone(row)
    if seen.state == UploadedState.SOLD:
        _sold(row)
    if seen.state == UploadedState.DELETED:
        _gone(row)
        raise PermanentError(
            f"{row} was taken out there, and not from here. If it is good and nobody has it, press “It is not there”",
            kind="deleted",
        )


def _take_out(row: Upload, service: MarketplaceService) -> Again | None:
    """Delete it there. That it is not found does not say that it is free: it may have been sold."""
    service.plan(2, Urgency.STOCK)
    if row.must_look or row.status == Status.RESERVED:
        again = _conclude(row, _read(row, service))
        if again or row.status in Upload.ENDED:
            return again
    try:
        service.delete_uploaded(row.external_offer_id, row.external_id)
    except NotFound:
        again = _conclude(row, _read(row, service))
        if again or row.status in Upload.ENDED:
            return again
        raise
    withdraw([row], Status.BACK, row.note)
    return None


def _conclude(row: Upload, seen: UploadedCode | None) -> Again | None:
    """Say what a look means for a code that should come back; None when it ended, or can still be deleted."""
    if seen is None:
        raise _gone(row)
    if seen.state == UploadedState.SOLD:
        _sold(row)
    if seen.state == UploadedState.DELETED:
        withdraw([row], Status.BACK, row.note)
    if seen.state == UploadedState.RESERVED:
        return Again(
            timezone.now() + RESERVED_AGAIN, "It is reserved for a buyer, and comes back if that one does not buy."
        )
    return None


def _read(row: Upload, service: MarketplaceService) -> UploadedCode | None:
    """Ask where the code is; None when the marketplace does not know it."""
    try:
        seen = service.get_uploaded(row.external_offer_id, row.external_id)
    except NotFound:
        return None
    status = LYING_THERE.get(seen.state, Status(row.status))
    _set(row, status=status, status_word=seen.state_word[:60], checked_at=timezone.now())
    return seen


def _gone(row: Upload) -> PermanentError:
    _set(row, status=Status.GONE, checked_at=timezone.now())
    return _nobody_knows(row)


def _sold(row: Upload) -> None:
    with transaction.atomic():
        _set(row, status=Status.SOLD, sold_at=timezone.now())
        stock.mark_sold_there([row.code_id])


def _set(row: Upload, **facts: object) -> None:
    Upload.objects.filter(pk=row.pk).update(**facts)
    for name, value in facts.items():
        setattr(row, name, value)


def _all(rows: Sequence[Upload]) -> QuerySet[Upload]:
    return Upload.objects.filter(pk__in=[row.pk for row in rows])
