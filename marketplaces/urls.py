from django.urls import path

from marketplaces.views import hook

urlpatterns = [
    path("<uuid:account_id>", hook, name="hook"),
    path("<uuid:account_id>/", hook),
    path("<uuid:account_id>/<path:path>", hook),
]
