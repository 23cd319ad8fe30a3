"""An app as a shop would write it."""
