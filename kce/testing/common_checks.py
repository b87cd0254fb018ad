"""The checks of every kind of component."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from math import log
from typing import TYPE_CHECKING, Any

from kce.errors import CheckFailed
from kce.registry import validation
from kce.registry.side_effects import observed
from kce.registry.specs import factory_signature, format_spec, parse_spec
from kce.system.worker_pool import TaskLost, Workers
from kce.testing import resources
from kce.testing.base import CheckSkipped, Failure, Subject, check, factory_of, reference
from kce.testing.probes import (
    ROWS,
    built,
    call_component,
    check_component_answer,
    component_input,
    identical,
    small_input,
)
from kce.types import Aligner, Clusterer, Dataset, Detector, Engine, Evaluator, Reducer, Tracer

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPUTE = (*ROWS, "detector", "backbone")
PASSIVE = (*COMPUTE, "dataset")
"""All kinds but engines, whose work is done in other processes."""
_PROTOCOLS = (Dataset, Detector, Aligner, Reducer, Clusterer, Evaluator, Tracer, Engine)
_SMALL, _LARGE = 200, 800  # rows that are compared for growth
_BUSY = 0.05  # seconds of processor time that may be spent elsewhere


@check()
def signature(subject: Subject) -> None:
    """The keyword parameters of the factory are its whole configuration.

    There are no positional-only parameters, *args or **kwargs, and each has a default but a dataset's `root`.
    """
    for name, parameter in factory_signature(subject.what, subject.factory).parameters.items():
        given = name in subject.parameters or (subject.kind == "dataset" and name == "root")
        if parameter.default is parameter.empty and not given:
            raise Failure(f"its parameter {name!r} has no default")


@check()
def builds(subject: Subject) -> None:
    """The factory builds a component, and another one when it is called again."""
    _needs_root(subject)
    try:
        with built(subject) as one:
            if subject.kind == "engine":
                return
            with built(subject) as other:
                if one is other:
                    raise Failure("it returns the same object twice")
    except Exception as error:
        subject.skip_reason = f"it cannot be built: {error}".splitlines()[0]
        raise


@check()
def protocol(subject: Subject) -> None:
    """It has the methods and attributes of its Protocol in kce.types; a backbone is also a torch.nn.Module."""
    with _built(subject) as component:
        if subject.kind == "backbone":
            from torch import nn

            fits = isinstance(component, nn.Module) and all(
                isinstance(getattr(component, name, None), int) and getattr(component, name) > 0
                for name in ("size", "dim")
            )
        else:
            kind = next(kind for kind in _PROTOCOLS if kind.__name__.lower() == subject.kind)
            fits = isinstance(component, kind)
        if not fits:
            subject.skip_reason = "it does not fit the Protocol of its kind"
            raise Failure(f"{component.__class__.__qualname__} does not fit the Protocol of its kind in kce.types")


@check()
def no_exit(subject: Subject) -> None:
    """It does not end the process."""
    _time_call(subject)


@check()
def time_limit(subject: Subject) -> None:
    """It answers a small input within the time limit (by default 60 seconds)."""
    if _time_call(subject) > subject.limit:
        raise CheckFailed("time-limit", f"it does not answer in {subject.limit:g} seconds")


def _time_call(subject: Subject) -> float:
    """Call it with a small input, ignore the answer, and return the seconds it took."""
    with _built(subject) as component:
        start = time.monotonic()
        try:
            call_component(subject.kind, component, small_input(subject, component))
        except Exception as error:  # other checks report what is wrong with that
            raise CheckSkipped(f"it raises {error.__class__.__name__}: {error}") from error
        return time.monotonic() - start


@check()
def silent(subject: Subject) -> None:
    """It prints nothing to standard output, which is for the answer of the command."""
    _behaves(subject, "silent")


@check()
def random_state(subject: Subject) -> None:
    """It leaves the global random states of `random`, numpy and torch unchanged."""
    _behaves(subject, "random-state")


@check()
def warnings(subject: Subject) -> None:
    """It does not change the filters of `warnings`, or how warnings are shown."""
    _behaves(subject, "warnings")


@check()
def threads(subject: Subject) -> None:
    """It does not change how many threads numeric libraries use."""
    _behaves(subject, "threads")


@check(*COMPUTE)
def thread_limit(subject: Subject) -> None:
    """Where numeric libraries are limited to one thread, it works only in the calling thread.

    Limits are OMP_NUM_THREADS, threadpoolctl and torch's own; other processes count as other threads.
    """
    with _built(subject) as component, resources.one_thread():
        given = small_input(subject, component, _SMALL)
        call_component(subject.kind, component, given)  # what it imports may start threads that then do nothing
        here, everywhere = time.thread_time(), resources.processor_seconds()
        end = time.monotonic() + 6 * _BUSY
        while time.monotonic() < end:
            call_component(subject.kind, component, given)
        here, everywhere = time.thread_time() - here, resources.processor_seconds() - everywhere
    if everywhere - here > max(_BUSY, 0.2 * here):
        raise Failure(f"of {everywhere:.2f} seconds of work {everywhere - here:.2f} were done in other threads")


@check(*COMPUTE)
def type(subject: Subject) -> None:  # noqa: A001 - its name is that of the check
    """Its answer has the type of its kind: a numpy array, a list of Box, {name: number} or a tensor."""
    _answers(subject, "type")


@check(*COMPUTE)
def shape(subject: Subject) -> None:
    """Its answer has the shape of its kind: one row per row, boxes with an area, at least one score."""
    _answers(subject, "shape")


@check("clusterer", "detector")
def range(subject: Subject) -> None:  # noqa: A001
    """Its answer is in the range of its kind: cluster numbers from -1, boxes in the picture with a score in [0, 1]."""
    _answers(subject, "range")


@check("aligner", "reducer", "tracer")
def own_memory(subject: Subject) -> None:
    """Its answer is not a view of its input."""
    with _built(subject) as component:
        rows = small_input(subject, component)
        answer = call_component(subject.kind, component, rows)
        validation.check_own_memory(subject.kind, answer, component_input(subject.kind, component, rows))


def _answers(subject: Subject, name: str) -> None:
    """Check the answer to a small question; failures of another name are for another check to report."""
    with _built(subject) as component:
        given = small_input(subject, component)
        answer = call_component(subject.kind, component, given)
        try:
            check_component_answer(subject.kind, component, given, answer)
        except CheckFailed as failed:
            if failed.check == name:
                raise


@check(*PASSIVE)
def deterministic(subject: Subject) -> None:
    """Two components built with the same parameters give the same answer, to the last bit."""
    with _built(subject) as one, _built(subject) as other:
        given = small_input(subject, one)
        if not identical(call_component(subject.kind, one, given), call_component(subject.kind, other, given)):
            raise Failure("two of them, built with the same parameters, answer differently")


@check(*PASSIVE)
def repeatable(subject: Subject) -> None:
    """Called again with the same input, it gives the same answer: it carries over nothing from earlier calls."""
    with _built(subject) as component:
        given = small_input(subject, component)
        first = call_component(subject.kind, component, given)
        if subject.kind in COMPUTE:
            call_component(subject.kind, component, small_input(subject, component, 64))
        if not identical(first, call_component(subject.kind, component, given)):
            raise Failure("called again with the same input, it answers differently")


@check(*PASSIVE)
def rebuilt(subject: Subject) -> None:
    """Rebuilt in another process from its name and its parameters, written as text, it gives the same answer."""
    where, given = reference(subject), dict(subject.parameters)
    text = format_spec("name", given)
    again = {key: given[key].__class__(value) for key, value in parse_spec(text)[1].items()}
    if again != {key: value for key, value in given.items() if value is not None}:
        raise Failure(f"its parameters cannot be written as text: {text}")
    factory_of(where)
    with _built(subject) as component:
        local = call_component(subject.kind, component, small_input(subject, component))
    with Workers(1, _elsewhere, (subject.kind, where, again, subject.limit)) as other:
        other.submit(None)
        remote = other.take()
    if isinstance(remote, TaskLost):
        raise Failure(f"in another process it fails: {remote.reason}")
    if not identical(_portable(local), remote):
        raise Failure("in another process it answers differently")


def _elsewhere(kind: str, where: tuple[str, ...], parameters: dict[str, Any], limit: float) -> Callable[[Any], Any]:
    subject = Subject(kind, factory_of(where), parameters, limit=limit)

    def work(_: None) -> Any:
        with observed(pools=False), built(subject) as component:
            return _portable(call_component(kind, component, small_input(subject, component)))

    return work


def _portable(answer: Any) -> Any:
    return answer.detach().numpy().copy() if hasattr(answer, "detach") else answer


@check(*COMPUTE)
def time_growth(subject: Subject) -> None:
    """Its time grows with n (rows, faces or pixels) at most as declared.

    The power of n is `growth["time"]` of the factory, by default 1.
    """
    _grows(subject, "time", resources.seconds, 0.6)


@check(*COMPUTE)
def memory_growth(subject: Subject) -> None:
    """Its memory, as far as Python can see it, grows with n at most as declared.

    The power of n is `growth["memory"]` of the factory, by default 1.
    """
    _grows(subject, "memory", resources.memory, 0.4)


def _grows(subject: Subject, what: str, measure: Callable[[Callable[[], Any]], float], slack: float) -> None:
    with _built(subject) as component, resources.one_thread():
        small, large = (small_input(subject, component, size) for size in (_SMALL, _LARGE))
        call_component(subject.kind, component, small)
        least = measure(lambda: call_component(subject.kind, component, small))
        most = measure(lambda: call_component(subject.kind, component, large))
    power = log(max(most, 1e-9) / max(least, 1e-9)) / log(_LARGE / _SMALL)
    declared: float = getattr(subject.growth, what)
    if power > declared + slack:
        raise Failure(
            f"its {what} grows with the power {power:.1f} of n; {declared:g} is declared",
            f'declare it in the factory\'s attribute: growth = {{"{what}": {power:.0f}}}',
        )


def _behaves(subject: Subject, what: str) -> None:
    with _built(subject) as component:
        given = small_input(subject, component)
        with observed():  # imports what it needs; changes are undone
            call_component(subject.kind, component, given)
        with observed() as seen:
            if subject.kind not in (
                "backbone",
                "engine",
            ):  # drawing weights uses random numbers, engines are slow to start
                subject.build()
            call_component(subject.kind, component, given)
    seen.raise_for(what)


@contextmanager
def _built(subject: Subject) -> Iterator[Any]:
    _needs_root(subject)
    with built(subject) as component:
        yield component


def _needs_root(subject: Subject) -> None:
    if subject.kind == "dataset" and "root" not in subject.parameters:
        raise CheckSkipped("it needs a tree to read: give root=FOLDER")
