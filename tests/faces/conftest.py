"""What the tests of face folders share."""

from __future__ import annotations

from pathlib import Path

import pytest

# A detector of the user, beside their registry.toml: the face is the right half, a black picture has none, and it
# fails on some pictures.
PLUGIN = '''
import os, time
from pathlib import Path
from kce import Box, hookimpl

class Half:
    """The right half."""

    def __init__(self, *, slow: float = 0.0, die: bool = False, refuse: bool = False, kills: int = 0, lack: str = ""):
        self.slow, self.die, self.refuse, self.kills, self.lack = slow, die, refuse, kills, lack

    def detect(self, image):
        from kce import KCEError
        time.sleep(self.slow)
        height, width = image.shape[:2]
        if self.refuse:
            raise KCEError("this detector wants something", "give it that")
        if (image == 255).all():
            marks = Path("killed")
            if self.kills and (not marks.is_file() or marks.stat().st_size < self.kills):
                with marks.open("a") as file:
                    file.write("x")
                os.kill(os.getpid(), 9)  # as the system does when memory runs out
            if self.kills:
                return [Box(0, 0, width, height, 1.0)]
            if self.lack:
                raise {"memory": MemoryError(), "threads": RuntimeError("can't start new thread")}[self.lack]
            if self.die:
                os.kill(os.getpid(), 11)
            raise ValueError("too bright")
        if image.max() < 10:
            return []
        return [Box(0, 0, 2, 2, 1.0), Box(width / 2, 0, width, height, 0.75)]

@hookimpl
def kce_detectors():
    return {"half": Half}
'''


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's folder with a registry and a plugin of their own."""
    (tmp_path / "home" / "plugins").mkdir(parents=True)
    (tmp_path / "home" / "plugins" / "half.py").write_text(PLUGIN)
    (tmp_path / "home" / "registry.toml").write_text('[detector.half]\nuse = "half:half"\n')
    return tmp_path / "home"
