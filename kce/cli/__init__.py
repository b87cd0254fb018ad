"""The command line: one file a group of commands; each parses, calls, prints.

No logic enters here. `main` holds the app, `console` what all commands print with.
"""

from kce.system.interrupts import EndingWhenInterrupted

with EndingWhenInterrupted():  # a Ctrl-C while these imports run
    from kce.cli.main import app

__all__ = ["app"]
