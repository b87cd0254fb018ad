"""Reads the texts of a table in a process of its own: on damaged strings of any length HDF5 may never return.

What KCE writes has strings of fixed length, which are read directly. ``python -m kce.features.probe FILE TABLE
SECONDS`` ends with status 0 unless reading crashes or takes longer.
"""

from __future__ import annotations

import faulthandler
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from kce.errors import BadData, MachineFault
from kce.system.signals import FROM_OUTSIDE

_START = 120  # seconds for a process to start on a busy machine
_checked: set[tuple[str, str, int, int]] = set()


def check_texts(path: Path, table: str, rows: int) -> None:
    """Raise BadData if reading the texts of a table crashes or does not end; MachineFault if the process is killed.

    A file is looked at once in each process, until it changes.

    Args:
        path: The file.
        table: The table, whose columns were checked.
        rows: Its rows.
    """
    stat = path.stat()
    state = (str(path.absolute()), table, stat.st_size, stat.st_mtime_ns)
    if state in _checked:
        return
    seconds = 5 + rows // 5000
    command = [sys.executable, "-m", __name__, str(path), table, str(seconds)]
    try:
        status = subprocess.run(command, capture_output=True, check=False, timeout=_START + seconds).returncode  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        status = 1
    if -status in FROM_OUTSIDE:
        raise MachineFault(
            f"the process that looks at {path}:/{table} was killed, perhaps for lack of memory",
            "free some memory, then run the same command again",
        )
    if status:
        raise BadData(
            f"{path}:/{table} is damaged: reading its texts crashes, or does not end in {seconds} seconds",
            "restore a copy, or extract the features again",
        )
    _checked.add(state)


def _read(path: str, table: str) -> None:
    import h5py

    with h5py.File(path, "r") as file:
        for column in ("key", "label", "group"):
            data = file[table][column]
            for start in range(0, len(data), 4096):
                data[start : start + 4096]


if __name__ == "__main__":
    faulthandler.dump_traceback_later(float(sys.argv[3]), exit=True)  # ends the process, whatever C code it is in
    with suppress(Exception):  # told by the process that asks
        _read(sys.argv[1], sys.argv[2])
