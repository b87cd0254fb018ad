"""What goes into the wheel beside the package `kce`: every built-in plugin, and the registry that names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatch takes folders whole; `plugins/examples` are distributions of their own."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # a checkout has them where they lie; copies would only grow old
            return
        plugins = Path(self.root) / "plugins"
        built_in = [path for path in plugins.iterdir() if path.name not in ("examples", "__pycache__")]
        build_data["force_include"] |= {
            # beside `kce/registry/` and the rest, under a name of their own
            **{str(path): f"kce/builtin/{path.name}" for path in built_in},
            str(Path(self.root) / "registry.toml"): "kce/registry.toml",
        }
