"""Run the command line as ``python -m cityloop``."""

from cityloop.cli.main import main

if __name__ == "__main__":
    main()
