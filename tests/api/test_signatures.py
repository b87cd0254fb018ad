"""Every option of a command is a keyword of the function of the same name, and the other way round."""

from __future__ import annotations

import inspect
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperOption

import kce
from tests.support.documents import commands

PAIRS = [(name, command) for name, command in commands() if name.split()[0] in kce._COMMANDS]


def plain(default: Any) -> Any:
    """A default as one can compare it."""
    if isinstance(default, list | tuple):
        return [plain(one) for one in default]
    return str(default) if isinstance(default, Path) else default


@pytest.mark.parametrize(("name", "command"), PAIRS, ids=[name for name, _ in PAIRS])
def test_the_options_of_a_command_are_the_keywords_of_its_function(name: str, command: Any) -> None:
    parameters = inspect.signature(attrgetter(name.replace(" ", "."))(kce)).parameters
    keywords = {key: p for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY and key != "progress"}
    options = {
        max(option.opts, key=len).removeprefix("--").replace("-", "_"): option
        for option in command.params
        if isinstance(option, TyperOption) and option.name not in ("as_json", "help")
    }
    assert list(keywords) == list(options)
    for key, option in options.items():
        keyword = keywords[key].default
        assert option.required == (keyword is inspect.Parameter.empty), key
        if not option.required:
            assert plain(keyword) == plain(option.default), key
    assert len(parameters) - len(keywords) - ("progress" in parameters) == len(command.params) - len(options) - 1


def test_every_function_has_a_command() -> None:
    assert {name.split()[0] for name, _ in PAIRS} == set(kce._COMMANDS)
