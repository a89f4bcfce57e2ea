"""A project of a user's own, as `hil init` lays it down: layout.py says which files, template/ has them."""
