"""What goes into the wheel beside the package `kce`: every built-in plugin, and the registry that names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the folders of `plugins/` one by one: `plugins/examples` holds distributions of their own."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files to add, unless the installation reads them from the checkout anyway."""
        if version == "editable":
            return
        plugins = Path(self.root) / "plugins"
        built_in = [path for path in plugins.iterdir() if path.name not in ("examples", "__pycache__")]
        build_data["force_include"] |= {
            # not `kce/plugins`: the name says that these are not the user's
            **{str(path): f"kce/builtin/{path.name}" for path in built_in},
            str(Path(self.root) / "registry.toml"): "kce/registry.toml",
        }
