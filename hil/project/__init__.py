"""A user's own project, as `hil init` makes it: layout.py lists the files, template/ has them."""
