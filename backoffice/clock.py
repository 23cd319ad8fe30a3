"""A moment as a text for people, in the time zone of whoever looks."""

from datetime import datetime

from django.utils import timezone


def said(at: datetime) -> str:
    """Write a moment such as “2026-11-26 14:05”, in the current time zone."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"
