"""The page behind the one search box. What is typed comes in the body of a POST and stays on no address, in no cache."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from backoffice import search


@sensitive_post_parameters("text")
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Go to the one row that is meant, or list what may be meant; without a text, say what can be searched for.

    Access logs, histories and referrers hold addresses, so a query in the address is not looked at. The text goes back to
    whoever typed it, on a page that nobody may keep.
    """
    text = request.POST.get("text", "")
    found = search.find(text, request)
    if found.only:
        return HttpResponseRedirect(found.only.link)
    context = {
        **admin.site.each_context(request),
        "title": "Search",
        "text": text[: search.LONGEST],
        "is_asked": bool(text.strip()),
        "groups": found.groups,
        "most": search.MOST,
        "shortest": search.SHORTEST,
        "help": search.help_for(request),
    }
    return TemplateResponse(request, "admin/search.html", context)
