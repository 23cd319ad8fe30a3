"""The one door: every call of every marketplace comes in here. No call to anyone else is made inside."""

import logging
from contextlib import suppress
from uuid import UUID

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from backoffice import login, logs
from marketplaces import door, events
from marketplaces.door import Known
from marketplaces.exceptions import Refused
from marketplaces.models import Account
from marketplaces.strangers import WINDOW_SECONDS, Strangers
from marketplaces.types import Call, Reply

log = logging.getLogger(__name__)

strangers = Strangers()


@csrf_exempt
def hook(request: HttpRequest, account_id: UUID, path: str = "") -> HttpResponse:
    """Verify, keep the evidence, answer. Never raises.

    What cannot be stored is answered 503, so that it is sent again.
    """
    account = None
    try:
        for fresh in (False, True):
            known = door.look_up(account_id, fresh=fresh)
            if known is None:
                return _turned_away(request, HttpResponse(status=404))
            account = known.account
            with suppress(_ReadAgain):
                return _let_in(request, known, path)
        return _broken(account, 503)  # its row changed twice while the call was read
    except RequestDataTooBig:  # without a length of its own it was read until it was too much
        return _broken(account, 413)
    except (SuspiciousOperation, UnreadablePostError):
        return _broken(account, 400)
    except Exception as error:
        log.error("The door broke at a call for account %s: %s", account_id, logs.place_of(error))
        return _broken(account, 503 if isinstance(error, DatabaseError) else 500)


class _ReadAgain(Exception):
    """What is known of the account may be old, and more than to keep evidence is to be done."""


def _let_in(request: HttpRequest, known: Known, path: str) -> HttpResponse:
    account = known.account
    service_class = account.service_class
    if request.method not in service_class.hook_methods:
        return _turned_away(request, HttpResponseNotAllowed(service_class.hook_methods))
    length = _body_length(request)
    if length is None:
        return _refused(request, account, Refused(400, "The call's Content-Length is no number"))
    if length > service_class.max_body_bytes:
        return _too_big(request, account)
    call = Call(
        method=request.method or "",
        path=path,
        query=request.META.get("QUERY_STRING", ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.body,
        received_at=timezone.now(),
    )
    if len(call.body) > service_class.max_body_bytes:  # it told no length, or a wrong one
        return _too_big(request, account)
    try:
        return _to_response(_reply_to(known, call))
    except events.AnotherAccount as error:
        raise _ReadAgain from error
    except Refused as refused:
        if not known.is_fresh:
            raise _ReadAgain from refused
        return _refused(request, account, refused)


def _too_big(request: HttpRequest, account: Account) -> HttpResponse:
    reason = f"The body was larger than {account.service_class.max_body_bytes:,} bytes"
    return _refused(request, account, Refused(413, reason))


def _refused(request: HttpRequest, account: Account, refused: Refused) -> HttpResponse:
    response = _to_response(account.service_class.refusal(refused.status))
    if refused.by_stranger and strangers.is_one_too_many(login.client_address(request)):
        # A caller of ours whose token has expired may share its address with strangers, and has to learn of it.
        return response if refused.status in account.service_class.always_told else _slow_down()
    account.call_refused(refused.reason)
    return response


def _turned_away(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return _slow_down() if strangers.is_one_too_many(login.client_address(request)) else response


def _slow_down() -> HttpResponse:
    return HttpResponse(status=429, headers={"Retry-After": str(round(WINDOW_SECONDS))})


def _reply_to(known: Known, call: Call) -> Reply:
    account = known.account
    service = account.service()
    is_question = service.answers(call)
    if is_question and not known.is_fresh:
        raise _ReadAgain
    service.verify(call)
    if not is_question:
        for part, notice in service.notices(call):
            events.receive(account, part, notice, version=known.version)
        return service.accepted
    if not account.is_enabled:
        reason = "The account is switched off, so what the marketplace asks is not answered"
        raise Refused(403, reason, by_stranger=False)
    return events.answer(account, service, call)


def _broken(account: Account | None, status: int) -> HttpResponse:
    try:
        reply = account.service_class.refusal(status) if account else Reply(status, b"", {})
    except KeyError:  # the marketplace's folder is gone
        reply = Reply(status, b"", {})
    response = _to_response(reply)
    if status == 503:
        response["Retry-After"] = "30"
    return response


def _body_length(request: HttpRequest) -> int | None:
    """What the call says of its body's length; 0 where it says nothing, None where it says what no server should pass on."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None


def _to_response(reply: Reply) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))
