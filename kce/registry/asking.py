"""Imports a plugin and asks its hooks what it offers, in the process that calls."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from kce import hookspecs
from kce.errors import BrokenPlugin, UnknownName
from kce.hookspecs import API, KINDS, Factories

if TYPE_CHECKING:
    from kce.registry.discovery import DiscoveredPlugin

HINTS = {
    "api": "install a KCE of that version, or another version of the plugin",
    "names": "rename it, or remove it",
}
"""Check -> what to do about a plugin that fails it; for the others: `HINT`."""
HINT = "fix or remove the plugin"
HOOKS = {f"kce_{kind}s": kind for kind in KINDS}
_LONGEST = 500  # letters of a message of somebody else's


def hook_manager() -> pluggy.PluginManager:
    """Return a pluggy manager that knows the hooks of KCE."""
    manager = pluggy.PluginManager("kce")
    manager.add_hookspecs(hookspecs)
    return manager


def broken_plugin(plugin: DiscoveredPlugin, check: str, reason: str) -> BrokenPlugin:
    """Return the error about a plugin that cannot be used."""
    message = f"plugin {plugin.name!r} ({plugin.source}) cannot be used: {reason}"
    return BrokenPlugin(check, message, HINTS.get(check, HINT))


def describe_error(error: BaseException) -> str:
    """Return type and text of an exception; code of others may raise one whose text is endless, or cannot be had."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:
        text = type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_imported: dict[str, DiscoveredPlugin] = {}  # name of a module -> the third party's plugin, if it is imported here


def plugin_behind(error: BaseException) -> str:
    """Name the third party's plugin whose code raised an exception, with its source; empty if there is none."""
    found, trace = "", error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if module in _imported:
            found = f"{_imported[module].name!r} ({_imported[module].source})"
        trace = trace.tb_next
    return found


def ask_plugin(plugin: DiscoveredPlugin, manager: pluggy.PluginManager) -> tuple[dict[str, Factories], str]:
    """Import a plugin and call its hooks.

    Args:
        plugin: What was found.
        manager: A pluggy manager with nothing registered; so each hook is answered by this plugin alone.

    Returns:
        What it offers, as kind -> {component name: factory}; and the version of the plugin API that it says it was
        written for, empty if it says none.

    Raises:
        BrokenPlugin: It cannot be used.
    """
    try:
        # What a plugin prints while it is imported must not end up in our JSON.
        with contextlib.redirect_stdout(sys.stderr):
            module = plugin.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A plugin written for another KCE may import names that this one does not have.
        _check_api(plugin, plugin.declared_api())
        raise broken_plugin(plugin, "imports", f"importing it fails with {describe_error(error)}") from error
    if not isinstance(module, ModuleType):
        text = f"its entry point names something of type {type(module).__name__}, which is not a module"
        raise broken_plugin(plugin, "imports", text)
    # Not getattr: a module with a __getattr__ of its own has every name.
    names = vars(module)
    if not plugin.built_in:
        _imported[str(names.get("__name__", "")).partition(".")[0]] = plugin
    declared = names.get("KCE_API")
    _check_api(plugin, declared)
    for name, value in names.items():
        if name.startswith("kce_") and name not in HOOKS and callable(value):
            raise broken_plugin(plugin, "hooks", UnknownName.among("hook", name, HOOKS).message)
    hooks = _Hooks(**{hook: names[hook] for hook in HOOKS if hook in names})
    try:
        manager.register(hooks, plugin.name)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise broken_plugin(plugin, "hooks", describe_error(error)) from error
    try:
        callers = {caller.name for caller in manager.get_hookcallers(hooks) or ()}
        offers = {
            kind: _call(plugin, hook, getattr(manager.hook, hook)) for hook, kind in HOOKS.items() if hook in callers
        }
    finally:
        manager.unregister(hooks)
    return offers, "" if declared is None else str(declared)[:80]


def _check_api(plugin: DiscoveredPlugin, declared: object) -> None:
    if declared is not None and (reason := api_mismatch(declared)):
        raise broken_plugin(plugin, "api", reason)


def _call(plugin: DiscoveredPlugin, hook: str, caller: Callable[[], Any]) -> Factories:
    kind = HOOKS[hook]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            results = caller()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise broken_plugin(plugin, "hooks", f"{hook}() fails with {describe_error(error)}") from error
    factories = results[0] if results else None
    if not isinstance(factories, dict) or not all(isinstance(n, str) and callable(f) for n, f in factories.items()):
        raise broken_plugin(plugin, "hooks", f"{hook}() must return a dict of name -> factory, not {factories!r:.80}")
    for name in factories:
        if not name or set(name) & set(":,") or not name.isprintable():
            text = f"it offers a {kind} named {name!r:.80}: a name must be printable, without ':' and ','"
            raise broken_plugin(plugin, "names", text)
    return factories


class _Hooks:
    """The hooks of a module and nothing else: pluggy looks at every name in `dir`, 50 ms for 200 modules."""

    def __init__(self, **hooks: Any) -> None:
        vars(self).update(hooks)

    def __dir__(self) -> list[str]:
        return list(vars(self))


def api_mismatch(declared: object) -> str:
    """Say what is wrong with the plugin API version that a plugin was written for; empty if it can be used."""
    major, _, minor = declared.partition(".") if isinstance(declared, str) else ("", "", "")
    if not (major.isdecimal() and minor.isdecimal() and len(major) < 10):
        return f'its KCE_API is {declared!r:.80}, which is not a version like "{API}"'
    own_major = API.partition(".")[0]
    if major == own_major:
        return ""
    newer = "a newer" if int(major) > int(own_major) else "an older"
    return f"it was written for {newer} version of the plugin API, {declared:.80}; this KCE has {API}"
