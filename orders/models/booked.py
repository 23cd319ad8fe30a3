"""What a row has moved in counted stock; see orders.booking."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class Booked(models.Model):
    """A row with which units leave."""

    booked_as: ClassVar[str]  # under which stock knows what left

    booked = models.PositiveIntegerField(default=0, help_text=_("Units that stock was asked for."))
    taken = models.PositiveIntegerField(default=0, help_text=_("Units that stock had."))
    bookings = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        abstract = True

    @property
    def booking_reference(self) -> str:
        """Under which stock knows what left. What came back and leaves again is another movement."""
        return f"{self.booked_as} {self.pk}" + (f" #{self.bookings + 1}" if self.bookings else "")
