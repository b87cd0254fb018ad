"""What a check is, and the component that is being checked."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kce.errors import CheckFailed, KCEError, UnknownName
from kce.hookspecs import KINDS
from kce.registry.prices import Growth
from kce.registry.registry import Registry
from kce.registry.side_effects import observed, time_limit
from kce.registry.specs import bind_parameters, parse_spec

LIMIT = 60.0
"""Seconds a component has to answer one of the small inputs of the kit."""


class CheckSkipped(Exception):
    """A check that cannot be run here; the message is the reason."""


class Failure(Exception):
    """What a check found wrong. ``Check.run`` makes a ``CheckFailed`` of it, which names the check."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(eq=False)
class Subject:
    """A component that is being checked: how to build it, and what its factory declares.

    Attributes:
        kind: One of ``kce.hookspecs.KINDS``.
        factory: What builds the component.
        parameters: Passed to the factory.
        named: (folder of the registry, name) of a component known by name, else None.
        limit: Seconds for an answer.
        skip_reason: Why no further check can be run; empty while they can.
        engine: A started engine, which serves several checks.
    """

    kind: str
    factory: Callable[..., Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    named: tuple[str, str] | None = None
    limit: float = LIMIT
    skip_reason: str = ""
    engine: Any = None

    @classmethod
    def create(
        cls,
        kind: str,
        factory: Callable[..., Any] | str,
        parameters: Mapping[str, Any],
        registry: Registry | None = None,
    ) -> Subject:
        """Return the subject of a factory, or of a name in a registry.

        Args:
            kind: One of ``kce.hookspecs.KINDS``.
            factory: What builds the component, or its name, with or without parameters ("kmeans:n_init=3").
            parameters: Passed to the factory.
            registry: Where names are looked up; by default the registry of the working folder.

        Raises:
            UnknownName: There is no such kind or name.
        """
        if kind not in KINDS:
            raise UnknownName.among("kind of component", kind, KINDS)
        if not isinstance(factory, str):
            return cls(kind, factory, dict(parameters))
        registry = registry or Registry.load()
        name, written = parse_spec(factory)
        part = registry.component(kind, name)
        given = {**part.parameters, **written, **parameters}
        return cls(kind, part.factory, given, (str(registry.folder.absolute()), part.entry.name))

    @property
    def what(self) -> str:
        """The component as messages call it: ``clusterer 'kmeans'``."""
        name = self.named[1] if self.named else getattr(self.factory, "__qualname__", repr(self.factory))
        return f"{self.kind} {name!r}"

    @cached_property
    def known_faults(self) -> dict[str, str]:
        """Check -> why the component fails it, by the factory's attribute `known_faults`.

        Raises:
            KCEError: The attribute is neither {check: reason}, nor a function of the parameters that returns that.
        """
        declared = getattr(self.factory, "known_faults", {})
        if callable(declared):
            declared = declared(bind_parameters(self.what, self.factory, self.parameters))
        if not isinstance(declared, Mapping) or not all(
            isinstance(text, str) for pair in declared.items() for text in pair
        ):
            raise KCEError(
                f"the attribute `known_faults` of {self.what} is {str(declared)[:200]}",
                'write known_faults = {"row-order": "the reason"}, or a static method that returns that for parameters',
            )
        return dict(declared)

    @cached_property
    def growth(self) -> Growth:
        """The highest powers of n that time and memory grow with, by the factory's attribute `growth`."""
        return Growth.declared(self.factory)

    def takes(self, parameter: str) -> bool:
        """Return whether the factory has a parameter that is not given yet."""
        return parameter not in self.parameters and parameter in inspect.signature(self.factory).parameters

    def build(self, **more: Any) -> Any:
        """Build a new component. Errors of its own code come out unchanged."""
        given = {**self.parameters, **more}
        return self.factory(**bind_parameters(self.what, self.factory, given))


@dataclass(frozen=True)
class Check:
    """One thing that every component of some kinds must do.

    Attributes:
        name: What results and `known_faults` call it: "row-order".
        text: One sentence: what the component must do.
        kinds: The kinds it applies to.
        function: Raises ``Failure`` or ``CheckFailed`` for a component that does otherwise.

    Example:
        >>> from kce.testing import checks
        >>> (check,) = [check for check in checks("reducer") if check.name == "own-memory"]
        >>> check.text
        'Its answer is not a view of its input.'
    """

    name: str
    text: str
    kinds: tuple[str, ...]
    function: Callable[[Subject], None]

    def run(self, subject: Subject) -> None:
        """Check one component.

        Raises:
            CheckFailed: It fails; the error names this check.
            CheckSkipped: The check cannot be run here.
        """
        if subject.skip_reason and self.name not in ("no-exit", "time-limit"):
            raise CheckSkipped(subject.skip_reason)
        try:
            # The side effects of one check must not hide those of the next.
            # Libraries rightly warn of degenerate rows; such a warning is recorded here and is not an error.
            with warnings.catch_warnings(record=True), observed(pools=False), time_limit(subject.limit):
                warnings.simplefilter("default")
                self.function(subject)
        except CheckSkipped:
            raise
        except Failure as failure:
            raise CheckFailed(self.name, failure.message, failure.hint) from failure
        except CheckFailed as failed:
            if failed.check == "time-limit":
                subject.skip_reason = "it does not answer in time"
                if self.name == "no-exit":
                    raise CheckSkipped(subject.skip_reason) from failed
            raise CheckFailed(self.name, failed.message, failed.hint) from failed
        except SystemExit as error:
            subject.skip_reason = "it ends the process"
            raise CheckFailed(self.name, "it ends the process") from error
        except KCEError as error:
            raise CheckFailed(self.name, f"it raises KCEError: {error.message}", error.hint) from error
        except Exception as error:
            raise CheckFailed(self.name, f"it raises {type(error).__name__}: {error}") from error


ALL: list[Check] = []
"""Every check, in the order of definition; ``kce.testing.runner.checks_of`` sorts those of a kind."""


def check(*kinds: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Make a check of these kinds (default: all) of a function: its name with "-", its docstring as the text."""

    def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        text = " ".join((function.__doc__ or "").split())
        ALL.append(Check(function.__name__.strip("_").replace("_", "-"), text, kinds or KINDS, function))
        return function

    return register


def raises_clear_error(call: Callable[[], Any], what: str) -> bool:
    """Return whether a call raises a clear error: KCEError, or ValueError as libraries do, with a message.

    Args:
        call: Asks the component.
        what: What it is called with, for the message: "no rows".

    Raises:
        Failure: The call raises any other error, or one without a message.
    """
    try:
        call()
    except (CheckFailed, Failure):
        raise
    except (KCEError, ValueError) as error:
        if not str(error).strip():
            raise Failure(f"for {what} it raises {type(error).__name__} without a message") from error
        return True
    except Exception as error:
        raise Failure(f"for {what} it raises {type(error).__name__}: {error}") from error
    return False


def reference(subject: Subject) -> tuple[str, ...]:
    """Return how another process finds the factory: (folder, kind, name) or (module, qualified name)."""
    if subject.named:
        return (subject.named[0], subject.kind, subject.named[1])
    return (subject.factory.__module__, subject.factory.__qualname__)


def factory_of(where: tuple[str, ...]) -> Callable[..., Any]:
    """Return the factory of a ``reference``.

    Raises:
        CheckSkipped: It is not a global name of an importable module.
    """
    from importlib import import_module

    if len(where) == 3:
        folder, kind, name = where
        return Registry.load(Path(folder)).component(kind, name).factory
    try:
        factory: Any = import_module(where[0])
        for name in where[1].split("."):
            factory = getattr(factory, name)
    except (ImportError, AttributeError) as error:
        raise CheckSkipped(f"another process cannot import {':'.join(where)}") from error
    return factory  # type: ignore[no-any-return]
