"""Tasks: take a primary key, call one verb. All are safe to run twice at once."""
