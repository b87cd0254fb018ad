"""What every component promises, whatever its kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from math import log
from typing import TYPE_CHECKING, Any

from kce.errors import BrokenPromise
from kce.registry.side_effects import watched
from kce.registry.specs import factory_signature, format_spec, parse_spec
from kce.system.worker_pool import TaskLost, Workers
from kce.testing import resources
from kce.testing.base import NotChecked, Subject, factory_of, promise, reference
from kce.testing.probes import ROWS, ask, check_answer, made, question, same
from kce.types import Aligner, Clusterer, Dataset, Detector, Engine, Evaluator, Reducer

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPUTE = (*ROWS, "detector", "backbone")
PASSIVE = (*COMPUTE, "dataset")
"""All kinds but engines, whose work is done in other processes."""
_PROTOCOLS = (Dataset, Detector, Aligner, Reducer, Clusterer, Evaluator, Engine)
_SMALL, _LARGE = 200, 800  # rows that are compared for growth
_BUSY = 0.05  # seconds of processor time that may be spent elsewhere


@promise()
def signature(subject: Subject) -> None:
    """The keyword parameters of the factory are its whole configuration: no positional-only ones, no *args or
    **kwargs, and a default for each but a dataset's `root`."""
    for name, parameter in factory_signature(subject.what, subject.factory).parameters.items():
        given = name in subject.parameters or (subject.kind == "dataset" and name == "root")
        if parameter.default is parameter.empty and not given:
            raise BrokenPromise("", f"its parameter {name!r} has no default")


@promise()
def builds(subject: Subject) -> None:
    """The factory builds a component, and another one when it is called again."""
    _needs_root(subject)
    try:
        with made(subject) as one:
            if subject.kind == "engine":
                return
            with made(subject) as other:
                if one is other:
                    raise BrokenPromise("", "it builds one and the same object twice")
    except Exception as error:
        subject.hopeless = f"it cannot be built: {error}".splitlines()[0]
        raise


@promise()
def protocol(subject: Subject) -> None:
    """It has what its kind asks for: the methods of the Protocol; a backbone is a torch.nn.Module with `size` and
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
            subject.hopeless = "it is nothing of its kind"
            raise BrokenPromise("", f"{component.__class__.__qualname__} has not what kce.types says of its kind")


@promise()
def stays(subject: Subject) -> None:
    """It does not end the process."""
    _is_asked(subject)


@promise()
def in_time(subject: Subject) -> None:
    """It answers small questions within the time limit (60 seconds, if nothing else is said)."""
    if _is_asked(subject) > subject.limit:
        raise BrokenPromise("in-time", f"it gives no answer in {subject.limit:g} seconds")


def _is_asked(subject: Subject) -> float:
    """Ask it something small, whatever it answers; returns the seconds it took."""
    with _made(subject) as component:
        start = time.monotonic()
        try:
            ask(subject.kind, component, question(subject, component))
        except Exception as error:  # other promises say what is wrong with that
            raise NotChecked(f"it raises {error.__class__.__name__}: {error}") from error
        return time.monotonic() - start


@promise()
def silent(subject: Subject) -> None:
    """It prints nothing to standard output, which belongs to the command's own answer."""
    _behaves(subject, "silent")


@promise()
def random_state(subject: Subject) -> None:
    """It leaves the random states alone that all share: of `random`, of numpy and of torch."""
    _behaves(subject, "random-state")


@promise()
def warnings(subject: Subject) -> None:
    """It does not change which warnings others see."""
    _behaves(subject, "warnings")


@promise()
def threads(subject: Subject) -> None:
    """It does not change how many threads other libraries use."""
    _behaves(subject, "threads")


@promise(*COMPUTE)
def thread_limit(subject: Subject) -> None:
    """Told to use one thread (OMP_NUM_THREADS, threadpoolctl, torch), it works in the thread that asks it alone, and in
    no other process."""
    with _made(subject) as component, resources.one_thread():
        asked = question(subject, component, _SMALL)
        ask(subject.kind, component, asked)  # what it imports may start threads that then do nothing
        here, everywhere = time.thread_time(), resources.spent()
        end = time.monotonic() + 6 * _BUSY
        while time.monotonic() < end:
            ask(subject.kind, component, asked)
        here, everywhere = time.thread_time() - here, resources.spent() - everywhere
    if everywhere - here > max(_BUSY, 0.2 * here):
        raise BrokenPromise(
            "", f"of {everywhere:.2f} seconds of work {everywhere - here:.2f} were done in other threads"
        )


@promise(*COMPUTE)
def type(subject: Subject) -> None:  # noqa: A001 - its name is the promise's
    """Its answer is of its kind's type: a numpy array, a list of Box, {figure: number}, a tensor."""
    _answers(subject, "type")


@promise(*COMPUTE)
def shape(subject: Subject) -> None:
    """Its answer has its kind's shape: a row for a row, boxes with an area, one figure at least."""
    _answers(subject, "shape")


@promise("clusterer", "detector")
def range(subject: Subject) -> None:  # noqa: A001
    """Its answer lies where its kind's may: clusters from -1 on, boxes on the picture with a score in [0, 1]."""
    _answers(subject, "range")


@promise("aligner", "reducer")
def own_memory(subject: Subject) -> None:
    """Its answer is no view of what it was given."""
    _answers(subject, "own-memory")


def _answers(subject: Subject, wanted: str) -> None:
    with _made(subject) as component:
        asked = question(subject, component)
        found = ask(subject.kind, component, asked)
        try:
            check_answer(subject.kind, component, asked, found)
        except BrokenPromise as broken:
            if broken.promise == wanted:
                raise


@promise(*PASSIVE)
def deterministic(subject: Subject) -> None:
    """Two components built alike give the same answer to the last bit."""
    with _made(subject) as one, _made(subject) as other:
        asked = question(subject, one)
        if not same(ask(subject.kind, one, asked), ask(subject.kind, other, asked)):
            raise BrokenPromise("", "two of them, built alike, answer differently")


@promise(*PASSIVE)
def asked_again(subject: Subject) -> None:
    """Asked again, it gives the same answer: it keeps nothing of what it was asked before."""
    with _made(subject) as component:
        asked = question(subject, component)
        first = ask(subject.kind, component, asked)
        if subject.kind in COMPUTE:
            ask(subject.kind, component, question(subject, component, 64))
        if not same(first, ask(subject.kind, component, asked)):
            raise BrokenPromise("", "asked again it answers differently")


@promise(*PASSIVE)
def travels(subject: Subject) -> None:
    """It travels as its name and parameters: written as text, read again and built in another process, it answers the
    same."""
    where, given = reference(subject), dict(subject.parameters)
    text = format_spec("name", given)
    again = {key: given[key].__class__(value) for key, value in parse_spec(text)[1].items()}
    if again != {key: value for key, value in given.items() if value is not None}:
        raise BrokenPromise("", f"its parameters cannot be written as text: {text}")
    factory_of(where)
    with _made(subject) as component:
        here = ask(subject.kind, component, question(subject, component))
    with Workers(1, _elsewhere, (subject.kind, where, again, subject.limit)) as other:
        other.submit(None)
        there = other.take()
    if isinstance(there, TaskLost):
        raise BrokenPromise("", f"in another process it fails: {there.reason}")
    if not same(_portable(here), there):
        raise BrokenPromise("", "in another process it answers differently")


def _elsewhere(kind: str, where: tuple[str, ...], parameters: dict[str, Any], limit: float) -> Callable[[Any], Any]:
    subject = Subject(kind, factory_of(where), parameters, limit=limit)

    def work(_: None) -> Any:
        with watched(pools=False), made(subject) as component:
            return _portable(ask(kind, component, question(subject, component)))

    return work


def _portable(answer: Any) -> Any:
    return answer.detach().numpy().copy() if hasattr(answer, "detach") else answer


@promise(*COMPUTE)
def time_growth(subject: Subject) -> None:
    """Its time grows no faster with n than it says: the power `growth["time"]` of the factory, 1 if it says nothing (n:
    rows, faces or pixels)."""
    _grows(subject, "time", resources.seconds, 0.6)


@promise(*COMPUTE)
def memory_growth(subject: Subject) -> None:
    """Its memory, as far as Python sees it, grows no faster with n than it says: the power `growth["memory"]` of the
    factory, 1 if it says nothing."""
    _grows(subject, "memory", resources.memory, 0.4)


def _grows(subject: Subject, what: str, measure: Callable[[Callable[[], Any]], float], slack: float) -> None:
    with _made(subject) as component, resources.one_thread():
        small, large = (question(subject, component, size) for size in (_SMALL, _LARGE))
        ask(subject.kind, component, small)
        taken = [measure(lambda asked=asked: ask(subject.kind, component, asked)) for asked in (small, large)]  # type: ignore[misc]
    power = log(max(taken[1], 1e-9) / max(taken[0], 1e-9)) / log(_LARGE / _SMALL)
    if power > subject.growth[what] + slack:
        raise BrokenPromise(
            "",
            f"its {what} grows with the power {power:.1f} of n, and it says {subject.growth[what]:g}",
            f'say so in the factory\'s attribute: growth = {{"{what}": {power:.0f}}}',
        )


def _behaves(subject: Subject, what: str) -> None:
    with _made(subject) as component:
        asked = question(subject, component)
        with watched():  # imports what it needs; what it changes is put back
            ask(subject.kind, component, asked)
        with watched() as seen:
            if subject.kind not in ("backbone", "engine"):  # weights are drawn, engines are costly
                subject.build()
            ask(subject.kind, component, asked)
    seen.complain(what)


@contextmanager
def _made(subject: Subject) -> Iterator[Any]:
    _needs_root(subject)
    with made(subject) as component:
        yield component


def _needs_root(subject: Subject) -> None:
    if subject.kind == "dataset" and "root" not in subject.parameters:
        raise NotChecked("it needs a tree to read: give root=FOLDER")
