"""A promise: what a component of some kind always does, as a sentence and as a function that looks whether it does."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kce.errors import BrokenPromise, KCEError, UnknownName
from kce.hookspecs import KINDS
from kce.registry.registry import Registry
from kce.registry.side_effects import watched, within
from kce.registry.specs import bind_parameters, parse_spec

LIMIT = 60.0
"""Seconds a component has for an answer about the small things the kit asks."""


class NotChecked(Exception):
    """Raised by a check that cannot be made here, with the reason."""


@dataclass(eq=False)
class Subject:
    """A component under examination: how to build it, and what it says of itself.

    kind        one of ``kce.hookspecs.KINDS``
    factory     what builds it
    parameters  given to the factory
    named       (folder of the registry, name) where it is known by name, else None
    limit       seconds for an answer
    """

    kind: str
    factory: Callable[..., Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    named: tuple[str, str] | None = None
    limit: float = LIMIT
    hopeless: str = ""  # why nothing more can be asked of it
    engine: Any = None  # one that was started, and serves several promises

    @classmethod
    def of(
        cls,
        kind: str,
        factory: Callable[..., Any] | str,
        parameters: Mapping[str, Any],
        registry: Registry | None = None,
    ) -> Subject:
        """Of a factory, or of a name that a registry knows, here that of the working folder; parameters may be written
        with the name."""
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
        """How messages call it."""
        name = self.named[1] if self.named else getattr(self.factory, "__qualname__", repr(self.factory))
        return f"{self.kind} {name!r}"

    @cached_property
    def known_faults(self) -> dict[str, str]:
        """promise -> why its author says it is not kept; the factory's attribute `known_faults`."""
        return dict(getattr(self.factory, "known_faults", {}))

    @cached_property
    def growth(self) -> dict[str, float]:
        """The powers of n that time and memory grow with at most: the factory's attribute `growth`, else 1."""
        return {"time": 1.0, "memory": 1.0, **getattr(self.factory, "growth", {})}

    def takes(self, parameter: str) -> bool:
        """Whether the factory has a parameter that is not given."""
        return parameter not in self.parameters and parameter in inspect.signature(self.factory).parameters

    def build(self, **more: Any) -> Any:
        """A new component. What its own code raises comes out as it is."""
        given = {**self.parameters, **more}
        return self.factory(**bind_parameters(self.what, self.factory, given))


@dataclass(frozen=True)
class Promise:
    """`text` is the sentence; `keep` raises BrokenPromise where it is not kept."""

    name: str
    text: str
    kinds: tuple[str, ...]
    check: Callable[[Subject], None]

    def keep(self, subject: Subject) -> None:
        """Raise BrokenPromise, naming this promise, if `subject` breaks it; NotChecked if that cannot be seen here."""
        if subject.hopeless and self.name not in ("stays", "in-time"):
            raise NotChecked(subject.hopeless)
        try:
            # What one promise's questions do to the process must not hide it from the next.
            # Rows that are all alike are worth a warning, which is kept here, and no error.
            with warnings.catch_warnings(record=True), watched(pools=False), within(subject.limit):
                warnings.simplefilter("default")
                self.check(subject)
        except NotChecked:
            raise
        except BrokenPromise as broken:
            if broken.promise == "in-time":
                subject.hopeless = "it gives no answer in time"
                if self.name == "stays":
                    raise NotChecked(subject.hopeless) from broken
            raise BrokenPromise(self.name, broken.message or self.text, broken.hint) from broken
        except SystemExit as error:
            subject.hopeless = "it ends the process"
            raise BrokenPromise(self.name, "it ends the process") from error
        except KCEError as error:
            raise BrokenPromise(self.name, f"it refuses: {error.message}", error.hint) from error
        except Exception as error:
            raise BrokenPromise(self.name, f"it raises {type(error).__name__}: {error}") from error


ALL: list[Promise] = []
"""As they are made; ``kce.testing.runner.of_kind`` has them in order."""


def promise(*kinds: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Make a promise of a function: its name with "-", its docstring the sentence."""

    def note(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
        text = " ".join((check.__doc__ or "").split())
        ALL.append(Promise(check.__name__.strip("_").replace("_", "-"), text, kinds or KINDS, check))
        return check

    return note


def refuses(call: Callable[[], Any], what: str) -> bool:
    """Whether the call refuses in words (KCEError, or ValueError as libraries do) instead of answering.

    Raises BrokenPromise for any other error, and for a refusal that says nothing.
    """
    try:
        call()
    except BrokenPromise:
        raise
    except (KCEError, ValueError) as error:
        if not str(error).strip():
            raise BrokenPromise("", f"it refuses {what} without a word") from error
        return True
    except Exception as error:
        raise BrokenPromise("", f"for {what} it raises {type(error).__name__}: {error}") from error
    return False


def reference(subject: Subject) -> tuple[str, ...]:
    """How another process finds the factory: (folder, kind, name) or (module, qualified name)."""
    if subject.named:
        return (subject.named[0], subject.kind, subject.named[1])
    return (subject.factory.__module__, subject.factory.__qualname__)


def factory_of(where: tuple[str, ...]) -> Callable[..., Any]:
    """The factory of a reference. Raises NotChecked where it is no global name of an importable module."""
    from importlib import import_module

    if len(where) == 3:
        folder, kind, name = where
        return Registry.load(Path(folder)).component(kind, name).factory
    try:
        at: Any = import_module(where[0])
        for name in where[1].split("."):
            at = getattr(at, name)
    except (ImportError, AttributeError) as error:
        raise NotChecked(f"another process cannot import {':'.join(where)}") from error
    return at  # type: ignore[no-any-return]
