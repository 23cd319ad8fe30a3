"""What those above may want to know; they listen, so that no import runs upwards."""

from django.dispatch import Signal

# Sent outside any transaction with `job`, after a marketplace's job ended. May come late or twice.
job_ended = Signal()
