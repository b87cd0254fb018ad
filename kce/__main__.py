"""``python -m kce`` is the command ``kce``."""

from kce.cli import app

app(prog_name="kce")
