"""The product's addresses, and beside them two that show what the same server can do at best."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

TABLE = "bench_event"


@csrf_exempt
def bare(request: HttpRequest) -> HttpResponse:
    """One INSERT, and no question asked."""
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} (body) VALUES (%s)", [request.body])
    return HttpResponse()


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("bench/bare", bare), path("bench/nothing", nothing), path("", include("backoffice.urls"))]
