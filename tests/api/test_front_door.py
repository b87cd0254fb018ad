"""The names of commands are functions, although packages have some of them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import pytest

import kce

LOADED = "import sys; assert not {'torch', 'sklearn', 'h5py', 'cv2', 'numpy', 'rich', 'pandas'} & set(sys.modules)"


def python(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr


def copied(value: Any) -> Any:
    """What another process would get."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - pickled on this line


@pytest.mark.parametrize(
    "code",
    [
        "import kce; kce.report; import kce.report.report",
        "import kce.report.report; import kce",
        "from kce.report import tables; import kce",
        "import kce.report; from kce import report; assert report is kce.report",
    ],
)
def test_a_package_does_not_take_the_name_of_a_command_whichever_comes_first(code: str) -> None:
    python(
        f"{code}\nimport inspect, sys\nassert inspect.isfunction(kce.report)\n"
        "from kce.report.report import write_report\n"
        "assert write_report is sys.modules['kce.report.report'].write_report"
    )


@pytest.mark.parametrize("name", kce._COMMANDS)
def test_a_command_is_as_light_to_import_as_the_rest(name: str) -> None:
    python(f"import kce; kce.{name}; {LOADED}")


@pytest.mark.parametrize("name", kce._COMMANDS)
def test_the_names_are_listed_and_survive_a_pickle(name: str) -> None:
    assert name in kce.__all__
    function = getattr(kce, name)
    assert copied(function) is function


def test_functions_inside_such_a_package_survive_a_pickle() -> None:
    assert kce.report  # the command is looked up first
    from kce.report.report import write_report

    assert copied(write_report) is write_report
