"""What the wheel holds beside kce/: the built-in plugins and the registry that names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuiltIn(BuildHookInterface[Any]):
    """Takes from plugins/ what `kce/plugins.py` takes for a plugin, modules and packages, so not the examples."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # there they are found where they lie
            return
        plugins = [
            path
            for path in (Path(self.root) / "plugins").iterdir()
            if path.suffix == ".py" or (path / "__init__.py").is_file()
        ]
        # `kce/plugins.py` has the name that the folder would have
        build_data["force_include"] |= {str(path): f"kce/builtin/{path.name}" for path in plugins}
        build_data["force_include"][str(Path(self.root) / "registry.toml")] = "kce/registry.toml"
