"""A database backend of our own; see base."""
