"""`python -m kevo` is the command `kevo`."""

from kevo.cli import main

if __name__ == "__main__":
    main()
