"""``python -m pentameter``: the command line without the console script."""

from pentameter.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
