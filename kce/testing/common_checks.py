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
from kce.registry.validation import METHODS
from kce.system.worker_pool import TaskLost, Workers
from kce.testing import resources
from kce.testing.base import CheckSkipped, Failure, Subject, check, factory_of, reference
from kce.testing.probes import ROWS, ask, check_answer, made, question, same, seen_by
from kce.types import Aligner, Clusterer, Dataset, Detector, Engine, Evaluator, Reducer

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPUTE = (*ROWS, "detector", "backbone")
PASSIVE = (*COMPUTE, "dataset")
"""All kinds but engines, whose work is done in other processes."""
_PROTOCOLS = (Dataset, Detector, Aligner, Reducer, Clusterer, Evaluator, Engine)
_SMALL, _LARGE = 200, 800  # rows that are compared for growth
_BUSY = 0.05  # seconds of processor time that may be spent elsewhere


@check()
def signature(subject: Subject) -> None:
    """The keyword parameters of the factory are its whole configuration: no positional-only ones, no *args or
    **kwargs, and a default for each but a dataset's `root`."""
    for name, parameter in factory_signature(subject.what, subject.factory).parameters.items():
        given = name in subject.parameters or (subject.kind == "dataset" and name == "root")
        if parameter.default is parameter.empty and not given:
            raise Failure(f"its parameter {name!r} has no default")


@check()
def builds(subject: Subject) -> None:
    """The factory builds a component, and another one when it is called again."""
    _needs_root(subject)
    try:
        with made(subject) as one:
            if subject.kind == "engine":
                return
            with made(subject) as other:
                if one is other:
                    raise Failure("it returns the same object twice")
    except Exception as error:
        subject.hopeless = f"it cannot be built: {error}".splitlines()[0]
        raise


@check()
def protocol(subject: Subject) -> None:
    """It has the methods and attributes of its Protocol in kce.types; a backbone is a torch.nn.Module with `size` and
    `dim`."""
    with _made(subject) as component:
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
            subject.hopeless = "it does not fit the Protocol of its kind"
            raise Failure(f"{component.__class__.__qualname__} does not fit the Protocol of its kind in kce.types")


@check()
def no_exit(subject: Subject) -> None:
    """It does not end the process."""
    _is_asked(subject)


@check()
def time_limit(subject: Subject) -> None:
    """It answers small questions within the time limit (by default 60 seconds)."""
    if _is_asked(subject) > subject.limit:
        raise CheckFailed("time-limit", f"it does not answer in {subject.limit:g} seconds")


def _is_asked(subject: Subject) -> float:
    """Ask it a small question, ignore the answer, and return the seconds it took."""
    with _made(subject) as component:
        start = time.monotonic()
        try:
            ask(subject.kind, component, question(subject, component))
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
    """Where numeric libraries are limited to one thread (OMP_NUM_THREADS, threadpoolctl, torch), it works only in the
    calling thread and in no other process."""
    with _made(subject) as component, resources.one_thread():
        asked = question(subject, component, _SMALL)
        ask(subject.kind, component, asked)  # what it imports may start threads that then do nothing
        here, everywhere = time.thread_time(), resources.spent()
        end = time.monotonic() + 6 * _BUSY
        while time.monotonic() < end:
            ask(subject.kind, component, asked)
        here, everywhere = time.thread_time() - here, resources.spent() - everywhere
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


@check("aligner", "reducer")
def own_memory(subject: Subject) -> None:
    """Its answer is not a view of its input."""
    with _made(subject) as component:
        given = seen_by(subject.kind, component, question(subject, component))
        validation.check_own_memory(subject.kind, getattr(component, METHODS[subject.kind])(given), given)


def _answers(subject: Subject, name: str) -> None:
    """Check the answer to a small question; failures of another name are for another check to report."""
    with _made(subject) as component:
        asked = question(subject, component)
        answer = ask(subject.kind, component, asked)
        try:
            check_answer(subject.kind, component, asked, answer)
        except CheckFailed as failed:
            if failed.check == name:
                raise


@check(*PASSIVE)
def deterministic(subject: Subject) -> None:
    """Two components built with the same parameters give the same answer, to the last bit."""
    with _made(subject) as one, _made(subject) as other:
        asked = question(subject, one)
        if not same(ask(subject.kind, one, asked), ask(subject.kind, other, asked)):
            raise Failure("two of them, built with the same parameters, answer differently")


@check(*PASSIVE)
def repeatable(subject: Subject) -> None:
    """Called again with the same input, it gives the same answer: it carries over nothing from earlier calls."""
    with _made(subject) as component:
        asked = question(subject, component)
        first = ask(subject.kind, component, asked)
        if subject.kind in COMPUTE:
            ask(subject.kind, component, question(subject, component, 64))
        if not same(first, ask(subject.kind, component, asked)):
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
    with _made(subject) as component:
        here = ask(subject.kind, component, question(subject, component))
    with Workers(1, _elsewhere, (subject.kind, where, again, subject.limit)) as other:
        other.submit(None)
        there = other.take()
    if isinstance(there, TaskLost):
        raise Failure(f"in another process it fails: {there.reason}")
    if not same(_portable(here), there):
        raise Failure("in another process it answers differently")


def _elsewhere(kind: str, where: tuple[str, ...], parameters: dict[str, Any], limit: float) -> Callable[[Any], Any]:
    subject = Subject(kind, factory_of(where), parameters, limit=limit)

    def work(_: None) -> Any:
        with observed(pools=False), made(subject) as component:
            return _portable(ask(kind, component, question(subject, component)))

    return work


def _portable(answer: Any) -> Any:
    return answer.detach().numpy().copy() if hasattr(answer, "detach") else answer


@check(*COMPUTE)
def time_growth(subject: Subject) -> None:
    """Its time grows with n (rows, faces or pixels) at most as declared: with the power `growth["time"]` of the
    factory, by default 1."""
    _grows(subject, "time", resources.seconds, 0.6)


@check(*COMPUTE)
def memory_growth(subject: Subject) -> None:
    """Its memory, as far as Python can see it, grows with n at most as declared: with the power `growth["memory"]` of
    the factory, by default 1."""
    _grows(subject, "memory", resources.memory, 0.4)


def _grows(subject: Subject, what: str, measure: Callable[[Callable[[], Any]], float], slack: float) -> None:
    with _made(subject) as component, resources.one_thread():
        small, large = (question(subject, component, size) for size in (_SMALL, _LARGE))
        ask(subject.kind, component, small)
        taken = [measure(lambda asked=asked: ask(subject.kind, component, asked)) for asked in (small, large)]  # type: ignore[misc]
    power = log(max(taken[1], 1e-9) / max(taken[0], 1e-9)) / log(_LARGE / _SMALL)
    if power > subject.growth[what] + slack:
        raise CheckFailed(
            "",
            f"its {what} grows with the power {power:.1f} of n; {subject.growth[what]:g} is declared",
            f'declare it in the factory\'s attribute: growth = {{"{what}": {power:.0f}}}',
        )


def _behaves(subject: Subject, what: str) -> None:
    with _made(subject) as component:
        asked = question(subject, component)
        with observed():  # imports what it needs; changes are undone
            ask(subject.kind, component, asked)
        with observed() as seen:
            if subject.kind not in (
                "backbone",
                "engine",
            ):  # drawing weights uses random numbers, engines are slow to start
                subject.build()
            ask(subject.kind, component, asked)
    seen.raise_for(what)


@contextmanager
def _made(subject: Subject) -> Iterator[Any]:
    _needs_root(subject)
    with made(subject) as component:
        yield component


def _needs_root(subject: Subject) -> None:
    if subject.kind == "dataset" and "root" not in subject.parameters:
        raise CheckSkipped("it needs a tree to read: give root=FOLDER")
