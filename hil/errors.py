"""Errors that are for the person who reads them."""


class HilError(Exception):
    """Something a user can mend: the message says what was wrong, where, what was expected and what to do next.

    The command line prints the message alone and exits with exit_code: 2 for bad input and what is missing, 1 where a
    run failed. A traceback of any other exception is a bug.
    """

    exit_code = 2
