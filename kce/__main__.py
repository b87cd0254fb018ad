"""``python -m kce`` is the command ``kce``."""

from kce.cli.main import app

app(prog_name="kce")
