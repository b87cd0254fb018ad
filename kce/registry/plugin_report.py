"""What is known of a plugin after somebody looked at it: plain data, which another process or a file can bring."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kce.errors import BrokenPlugin, KCEError
from kce.registry.asking import ask_plugin, describe_error
from kce.registry.libraries import missing_requirement
from kce.registry.specs import factory_signature

if TYPE_CHECKING:
    import pluggy

    from kce.registry.discovery import DiscoveredPlugin

_LONGEST_DOC = 20_000  # letters
_MOST_NAMES = 1000


@dataclass(frozen=True)
class ParameterReport:
    """A parameter of a factory.

    Attributes:
        name: Its name.
        type: Its annotation as text; empty if it has none.
        required: Whether it has no default.
        default: Its default; the text of one that JSON does not know.
    """

    name: str
    type: str
    required: bool
    default: Any = None


@dataclass(frozen=True)
class ComponentReport:
    """A component that a plugin offers.

    Attributes:
        doc: The docstring of its factory.
        parameters: The parameters of its factory.
        error: Why it cannot be used; empty if it can.
        missing: What must be installed before it can be used; empty if nothing is missing.
    """

    doc: str = ""
    parameters: tuple[ParameterReport, ...] = ()
    error: str = ""
    missing: str = ""


@dataclass(frozen=True)
class PluginReport:
    """A plugin that was looked at.

    Attributes:
        check: The check that it fails, as ``kce.errors.BrokenPlugin`` names them; empty if it can be used.
        reason: Why it cannot be used.
        api: The version of the plugin API that it says it was written for; empty if it says none.
        offers: Kind -> name -> component.
    """

    check: str = ""
    reason: str = ""
    api: str = ""
    offers: Mapping[str, Mapping[str, ComponentReport]] = field(default_factory=dict)


def inspect_plugin(plugin: DiscoveredPlugin, manager: pluggy.PluginManager) -> PluginReport:
    """Import a plugin, here, and report what it offers or why it cannot be used; it raises nothing."""
    try:
        offers, api = ask_plugin(plugin, manager)
        if any(len(factories) > _MOST_NAMES for factories in offers.values()):
            return PluginReport("hooks", f"it offers more than {_MOST_NAMES} components of a kind")
        reports = {
            kind: {str(name): describe_factory(f"{kind} {name!r}", factory) for name, factory in factories.items()}
            for kind, factories in offers.items()
        }
    except BrokenPlugin as broken:
        declared = plugin.declared_api()
        _, _, reason = broken.message.partition(" cannot be used: ")
        return PluginReport(broken.check, reason, "" if declared is None else str(declared)[:80])
    except BaseException as error:
        return PluginReport("imports", f"importing it fails with {describe_error(error)}")
    return PluginReport(api=api, offers=reports)


def describe_factory(what: str, factory: Callable[..., Any]) -> ComponentReport:
    """Describe a factory: docstring, parameters and defaults.

    Args:
        what: How messages call the component: "clusterer 'kmeans'".
        factory: The factory.
    """
    try:
        parameters = factory_signature(what, factory).parameters.values()
        missing = missing_requirement(factory)
    except KCEError as broken:
        return ComponentReport(error=broken.message)
    return ComponentReport(
        (inspect.getdoc(factory) or "")[:_LONGEST_DOC],
        tuple(
            ParameterReport(
                parameter.name,
                "" if (type_ := parameter.annotation) is parameter.empty else inspect.formatannotation(type_),
                parameter.default is parameter.empty,
                None if parameter.default is parameter.empty else _plain(parameter.default),
            )
            for parameter in parameters
        ),
        missing=missing,
    )


def _plain(value: Any) -> Any:
    """The value, or its text if JSON does not know it."""
    if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
        return value
    if type(value) in (list, tuple):
        return [_plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else repr(value)[:_LONGEST_DOC]
