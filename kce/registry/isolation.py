"""Components in a run: their answers are checked, and those of third parties are isolated from the run.

``kce check`` is strict about everything. A run ends only for what makes its result wrong: an answer of the wrong type
or shape, NaN, an exception, a hang, a crash. What is only untidy (output, changed global states) is undone and reported
once per component, as a warning.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kce.errors import BadData, CheckFailed, KCEError
from kce.registry import validation
from kce.registry.checked import Price, Traits, checked_component
from kce.registry.registry import Registry
from kce.registry.side_effects import SideEffects, observed
from kce.system.machine_faults import fault_of
from kce.system.worker_pool import StartFailed, TaskLost, Workers, lost_fault

if TYPE_CHECKING:
    from kce.registry.registry import ResolvedComponent

_log = logging.getLogger("kce.registry.isolation")


_COPIES_BETWEEN_PROCESSES = 3
"""Copies of rows on their way to another process: pickled here, received there, and the array made of it."""


@contextmanager
def component(
    part: ResolvedComponent, registry: Registry, timeout: float = 0, *, isolate: bool = True
) -> Iterator[Any]:
    """Provide an aligner, reducer, clusterer or evaluator whose answers are checked.

    A built-in component is called directly. One of a third party is called in another process, so that a hang or crash
    ends nothing else; this costs the start of a process, and copies of each input and answer. Its side effects are
    undone, and reported once as a warning.

    Args:
        part: What to build.
        registry: Where it was resolved.
        timeout: Seconds a third party's component may take for an answer; 0 for no limit.
        isolate: Whether a third party's component gets another process; False where the caller has made one for it.

    Yields:
        A component with the methods of its kind. A call raises CheckFailed, which names component, plugin and check,
        for an answer that is not one of its kind, a hang or a crash; BadData for features that were not finite before;
        KCEError for any other exception of a third party's code.
    """
    origin = _origin(part, registry)
    if origin.source == "built-in":
        built = part.build()
        traits = Traits.of_component(origin.kind, built)
        yield checked_component(_direct_call(built, origin), traits, Price.of_part(part, copies=0))
    elif not isolate:
        work = _ThirdParty(part.build, origin)
        traits = replace(_report(work(Describe()), origin).value, takes_rows=False)
        # A component that writes into its input must not change the caller's.
        caller = _Caller(lambda message: work(deepcopy(message)), origin)
        yield checked_component(caller, traits, Price.of_part(part, copies=1))
    else:
        with _worker(_make_third_party, part, registry, origin, timeout) as send:
            traits = replace(_report(send(Describe()), origin).value, takes_rows=False)
            price = Price.of_part(part, copies=_COPIES_BETWEEN_PROCESSES)
            yield checked_component(_Caller(send, origin), traits, price)


def check_backbone(part: ResolvedComponent, registry: Registry, timeout: float = 0) -> None:
    """Check that a third party's backbone answers two faces, in another process; raises as ``component`` does.

    A backbone that changes the global random state fails here too: in training, which calls it directly, every step
    would use the same random numbers.
    """
    origin = _origin(part, registry)
    if origin.source != "built-in":
        with _worker(_Backbone, part, registry, origin, timeout) as send:
            _report(send(Call()), origin)


# --------------------------------------------------------------------------------------- messages of the two processes


@dataclass(frozen=True)
class Describe:
    """Asks the other process for the traits of the component."""


@dataclass(frozen=True)
class Call:
    """Asks the other process to call the component: the method of its kind, or another one."""

    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""


@dataclass(frozen=True)
class Reply:
    """What the component returned, and its side effects, which have been undone."""

    value: Any
    effects: SideEffects


Message = Describe | Call


class Origin(NamedTuple):
    """What messages say of a component: what it is, and where it is from."""

    kind: str
    name: str
    plugin: str
    source: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} (plugin {self.plugin}, {self.source})"

    @property
    def hint(self) -> str:
        """What to do about a component that fails."""
        return f"`kce check {self.kind} {self.name}` runs all its checks; choose another, or tell its author"


def _origin(part: ResolvedComponent, registry: Registry) -> Origin:
    entry = part.entry
    return Origin(entry.kind, entry.name, entry.plugin, registry.plugins.source(entry.plugin))


def _direct_call(built: Any, origin: Origin) -> Callable[..., Any]:
    def call(*arguments: Any, method: str = "", **keywords: Any) -> Any:
        answer = getattr(built, method or validation.METHODS[origin.kind])(*arguments, **keywords)
        return _checked_answer(answer, method, arguments, origin)

    return call


_LEARNING = ("fit", "partial_fit")  # methods whose answer means nothing: often it is the component itself


def _checked_answer(answer: Any, method: str, arguments: tuple[Any, ...], origin: Origin) -> Any:
    if method in _LEARNING:
        return None
    if method == validation.SCORE_RESAMPLES:
        with _naming(origin):
            validation.check_resampled_scores(answer, arguments[1].count)
    elif method == validation.SCORE_RANGES:
        with _naming(origin):
            validation.check_ranges(answer)
    else:
        _check(answer, arguments[0], origin, finite=method != validation.METHODS["evaluator"])
    return answer


def _check(answer: Any, given: Any, origin: Origin, finite: bool) -> None:
    with _naming(origin):
        validation.check_answer(origin.kind, answer, given)
        if not finite:  # the scores of a resample, whose NaN are counted
            return
        try:
            validation.check_finite(origin.kind, answer)
        except CheckFailed as failed:
            x = given if isinstance(given, np.ndarray) else getattr(given, "x", None)
            if x is None or np.isfinite(x).all():  # a stream, whose values were checked when they were read
                raise
            raise BadData(
                f"the features given to {origin} have NaN or infinity, and so has its answer", "extract them again"
            ) from failed


@contextmanager
def _naming(origin: Origin) -> Iterator[None]:
    """Name the component in errors of checks."""
    try:
        yield
    except CheckFailed as failed:
        text = f"{origin} fails the check {failed.check!r}: {failed.message}"
        raise CheckFailed(failed.check, text, origin.hint) from failed


@contextmanager
def _third_party_errors(origin: Origin) -> Iterator[None]:
    """Make a KCEError of whatever a third party's code raises: it is for its author to fix, and not a fault of KCE."""
    try:
        yield
    except KCEError:
        raise
    except SystemExit as error:
        text = f"{origin} fails the check 'no-exit': it ends the process"
        raise CheckFailed("no-exit", text, origin.hint) from error
    except Exception as error:
        if fault := fault_of(error, str(origin)):
            raise fault from error
        raise KCEError(f"{origin} fails with {type(error).__name__}: {error}", origin.hint) from error


# ------------------------------------------------------------------------------------------------ in the other process


class _ThirdParty:
    """Builds a third party's component and answers messages about it."""

    def __init__(self, build: Callable[[], Any], origin: Origin) -> None:
        self._origin = origin
        with observed(pools=False) as self._effects, _third_party_errors(origin):
            self._component = build()
        self._called = False

    def __call__(self, message: Message) -> Reply:
        if isinstance(message, Describe):
            return Reply(Traits.of_component(self._origin.kind, self._component), self._effects)
        # Thread pools are looked at once: components change them when they first run, if at all.
        with observed(pools=not self._called) as effects, _third_party_errors(self._origin):
            method = getattr(self._component, message.method or validation.METHODS[self._origin.kind])
            answer = method(*message.arguments, **message.keywords)
        self._called = True
        answer = _checked_answer(answer, message.method, message.arguments, self._origin)
        if answer is None:
            return Reply(None, effects)
        try:
            validation.check_own_memory(self._origin.kind, answer, message.arguments[0])
        except CheckFailed as failed:  # harmless here: the input is a copy
            effects.failures[failed.check] = failed.message
        return Reply(answer, effects)


def _make_third_party(spec: str, folder: str, origin: Origin) -> _ThirdParty:
    return _ThirdParty(lambda: Registry.load(Path(folder)).build(origin.kind, spec), origin)


class _Backbone:
    """Builds a third party's backbone and gives it two black faces."""

    def __init__(self, spec: str, folder: str, origin: Origin) -> None:
        self._origin = origin
        with observed(pools=False) as self._effects, _third_party_errors(origin):
            self._network = Registry.load(Path(folder)).build("backbone", spec)
        self._effects.failures.pop("random-state", None)  # initial weights are random

    def __call__(self, message: Message) -> Reply:  # noqa: ARG002 - there is one call
        import torch

        network = self._network
        with observed(pools=False) as effects, _third_party_errors(self._origin), torch.inference_mode():
            answer = network.eval()(torch.zeros(2, 3, network.size, network.size))
        with _naming(self._origin):
            effects.raise_for("random-state")
            validation.check_features(answer, 2, network.dim)
        effects.failures.update(self._effects.failures)
        return Reply(None, effects)


# ------------------------------------------------------------------------------------------ in the process of the run


@contextmanager
def _worker(
    make: Callable[..., Any], part: ResolvedComponent, registry: Registry, origin: Origin, timeout: float
) -> Iterator[Callable[[Message], Reply]]:
    """Start a process for a component and provide the function that sends it a message."""
    arguments = (part.spec, str(registry.folder.absolute()), origin)
    try:
        workers = Workers(1, make, arguments, limit=timeout or None, tries=1, threads=None)
    except StartFailed as error:
        text = f"{origin} fails the check 'no-exit': its process ends while it is built"
        raise CheckFailed("no-exit", text, origin.hint) from error

    def send(message: Message) -> Reply:
        workers.submit(message)
        reply = workers.take()
        if fault := lost_fault(reply, str(origin)) if isinstance(reply, TaskLost) and reply.passing else None:
            raise fault
        if isinstance(reply, TaskLost):
            with _naming(origin):
                if reply.timed_out:
                    raise CheckFailed("time-limit", reply.reason)
                raise CheckFailed("no-exit", f"it ends the process: {reply.reason}")
        return reply  # type: ignore[no-any-return]

    with workers:
        yield send


class _Caller:
    """Sends calls to a third party's component and reports its side effects."""

    def __init__(self, send: Callable[[Message], Reply], origin: Origin) -> None:
        self._send, self._origin = send, origin

    def __call__(self, *arguments: Any, method: str = "", **keywords: Any) -> Any:
        return _report(self._send(Call(arguments, keywords, method)), self._origin).value


_reported: set[tuple[Origin, str]] = set()


def _report(reply: Reply, origin: Origin) -> Reply:
    """Log the side effects of a call: as a warning those that this component has not shown before."""
    if reply.effects.output:
        _log.debug("output of %s: %s", origin, reply.effects.output.rstrip())
    new = {check: text for check, text in reply.effects.failures.items() if (origin, check) not in _reported}
    if new:
        _reported.update((origin, check) for check in new)
        _log.warning(
            "%s: %s. The run continues without this side effect; `kce check %s %s` runs all its checks",
            origin,
            "; ".join(f"{text} (check {check!r})" for check, text in new.items()),
            origin.kind,
            origin.name,
        )
    return reply
