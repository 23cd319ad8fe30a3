"""The one door: every call of every marketplace comes in here. No call to anyone else is made inside."""

import logging
from uuid import UUID

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from marketplaces import events
from marketplaces.exceptions import Refused
from marketplaces.models import Account
from marketplaces.types import Call, Reply

log = logging.getLogger(__name__)


@csrf_exempt
def hook(request: HttpRequest, account_id: UUID, path: str = "") -> HttpResponse:
    """Verify, keep the evidence, answer. What cannot be stored is answered 503, so that it is sent again."""
    try:
        account = Account.objects.filter(pk=account_id).first()
        if account is None:
            return HttpResponse(status=404)
        return _let_in(request, account, path)
    except DatabaseError as error:
        log.error("The door could not store a call: %s", type(error).__name__)
        return HttpResponse(status=503, headers={"Retry-After": "30"})


def _let_in(request: HttpRequest, account: Account, path: str) -> HttpResponse:
    service_class = account.service_class
    if request.method not in service_class.hook_methods:
        return HttpResponseNotAllowed(service_class.hook_methods)
    if _body_length(request) > service_class.max_body_bytes:
        account.call_refused(f"The body was larger than {service_class.max_body_bytes:,} bytes")
        return HttpResponse(status=413)
    call = Call(
        method=request.method or "",
        path=path,
        query=request.META.get("QUERY_STRING", ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.body,
        received_at=timezone.now(),
    )
    service = account.service()
    try:
        service.verify(call)
    except Refused as refused:
        account.call_refused(refused.reason)
        return HttpResponse(status=refused.status)
    events.receive(account, call, service.read_notice(call))
    return _to_response(service.accepted)


def _body_length(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdigit() else 0


def _to_response(reply: Reply) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))
