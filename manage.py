#!/usr/bin/env python
"""Django's command line for the back office."""

import sys

from backoffice.startup import load_settings


def main() -> None:
    load_settings()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
