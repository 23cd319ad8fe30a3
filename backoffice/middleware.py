"""What happens around every page of the admin."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from backoffice import environment, runs
from backoffice.models import Run

ANONYMOUS_BODY = 64 * 1024  # bytes: a form with a name and a password


class TellOfRuns:
    """Tell whoever started a run, on the next page that they open, that it has ended and how."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_page = request.method == "GET" and request.path.startswith(reverse("admin:index"))
        if is_page and "text/html" in request.headers.get("accept", "") and request.user.is_authenticated:
            for run in runs.to_tell(request.user):
                found = runs.tally(run)
                level = messages.WARNING if found["failed"] or found["cancelled"] else messages.SUCCESS
                messages.add_message(request, level, _end_of(run, found))
        return self.get_response(request)


def _end_of(run: Run, found: Mapping[str, int]) -> str:
    texts = {"failed": gettext("%(count)s failed"), "cancelled": gettext("%(count)s cancelled")}
    left = [text % {"count": found[word]} for word, text in texts.items() if found[word]]
    counts = {"done": found["done"], "total": run.total, "rows": runs.what_it_counts(run)}
    done = gettext("%(done)s of %(total)s %(rows)s done") % counts
    text = gettext("“%(run)s” has ended: %(counts)s. See Runs for the results.")
    return text % {"run": run.title, "counts": ", ".join([done, *left])}


class BodyLimits:
    """Refuse a body that is too large for its address, by its length and before any of it is read.

    Marketplaces have limits of their own at the door, and files come from staff alone. A body without a length is none.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        said = request.META.get("CONTENT_LENGTH") or "0"
        if _is_door(request):
            return self.get_response(request)
        if not (said.isascii() and said.isdigit() and len(said) < 20):
            return HttpResponse(status=400)
        if int(said) > ANONYMOUS_BODY and int(said) > _limit(request):
            return HttpResponse("This is larger than anything that is meant for here.", status=413)
        return self.get_response(request)


def _is_door(request: HttpRequest) -> bool:
    return request.path.startswith("/hooks/")


def _limit(request: HttpRequest) -> int:
    is_staffs = request.path.startswith(reverse("admin:index")) and request.user.is_authenticated
    return settings.LARGEST_UPLOAD if is_staffs else ANONYMOUS_BODY


class InZone:
    """Show every page of the admin in the time zone of whoever is logged in; their login put it into the session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.session.get("time_zone", "") if request.path.startswith(reverse("admin:index")) else ""
        try:
            zone = environment.time_zone(name) if name else None
        except ValueError:  # it is not known here any more
            zone = None
        with timezone.override(zone) if zone else nullcontext():
            return self.get_response(request)
