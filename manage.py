#!/usr/bin/env python
"""Django's command line for the back office."""

import os
import sys

from backoffice.startup import load_settings


def main() -> None:
    # People read what a command says; each step stands in the log of web and workers.
    if sys.argv[1:2] != ["qcluster"]:
        os.environ.setdefault("LOG_LEVEL", "WARNING")
    load_settings()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
