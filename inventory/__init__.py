"""What we have, and what we offer where."""
