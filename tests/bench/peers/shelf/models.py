from django.db import models


class PeerCode(models.Model):
    code = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=10, default="available")
