"""`python -m hil`, where the command `hil` is not on the PATH."""

from hil.cli import main

if __name__ == "__main__":
    main()
