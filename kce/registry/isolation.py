"""The components of a run: one that fails a check ends its run, with an error that names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from kce.errors import CheckFailed, KCEError
from kce.registry import validation
from kce.registry.registry import Registry
from kce.registry.side_effects import observed
from kce.system.worker_pool import TaskLost, Workers

if TYPE_CHECKING:
    from kce.registry.registry import ResolvedComponent


@contextmanager
def component(
    part: ResolvedComponent, registry: Registry, timeout: float = 0, *, isolate: bool = True
) -> Iterator[Any]:
    """An aligner, reducer, clusterer or evaluator to be asked as its kind is, inside.

    timeout  seconds a third party's part may take for an answer; 0 = for ever
    aside     whether a third party's part gets a process of its own; the caller may have made one for it already

    A built-in part works right here. One of a third party works in a process of its own, so that one that hangs or ends
    its process ends nothing else; that costs the start of a process, and a copy of what it is given and answers. Every
    answer is checked. Raises CheckFailed, naming component, plugin and check, for output, changes, or no answer
    of its kind; KCEError for any other error in a third party's code.
    """
    kind, who = part.entry.kind, _who(part, registry)
    if who.source == "built-in":
        yield _component(kind, *_handle(kind, part.build(), who))
        return
    if not isolate:
        ask, traits = _third_party(lambda: _handle(kind, part.build(), who), who)
        yield _component(kind, lambda *given: _third_party(lambda: ask(*given), who), traits)
        return
    with _aside(_at_work, part, registry, who, timeout) as crew:
        yield _component(kind, lambda *given: _hand_over(crew, given, who), _hand_over(crew, None, who))


def check_backbone(part: ResolvedComponent, registry: Registry, timeout: float = 0) -> None:
    """Check that a third party's backbone answers two faces, in another process; raises as ``component``."""
    who = _who(part, registry)
    if who.source != "built-in":
        with _aside(_network_at_work, part, registry, who, timeout) as crew:
            _hand_over(crew, None, who)


class _Who(NamedTuple):
    """How messages call a part."""

    kind: str
    name: str
    plugin: str
    source: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} (plugin {self.plugin}, {self.source})"

    @property
    def hint(self) -> str:
        return f"`kce check {self.kind} {self.name}` runs all its checks; choose another, or tell its author"


def _who(part: ResolvedComponent, registry: Registry) -> _Who:
    entry = part.entry
    return _Who(entry.kind, entry.name, entry.plugin, registry.plugins.source(entry.plugin))


def _aside(make: Callable[..., Any], part: ResolvedComponent, registry: Registry, who: _Who, timeout: float) -> Workers:
    told = (part.spec, str(registry.folder.absolute()), who)
    return Workers(1, make, told, limit=timeout or None, tries=1, threads=None)


_TRAITS = {"intervals": True, "reals": False, "views": (), "cannot_link": False}
"""What a component says of itself, and what holds where it says nothing: evaluators, aligners, clusterers."""


def _component(kind: str, call: Callable[..., Any], traits: Mapping[str, Any]) -> Any:
    return SimpleNamespace(**{validation.METHODS[kind]: call, **traits})


def _handle(kind: str, component: Any, who: _Who) -> tuple[Callable[..., Any], dict[str, Any]]:
    """How to ask a component that is here, and what it says of itself."""
    looked = False

    def call(*given: Any) -> Any:
        nonlocal looked
        with _blamed(who), observed(pools=not looked) as seen:
            answer = getattr(component, validation.METHODS[kind])(*given)
        looked = True  # what it does to the libraries' threads it does the first time
        with _blamed(who):
            seen.raise_for()
            validation.check_answer(kind, answer, given[0])
            validation.check_own_memory(kind, answer, given[0])
        return answer

    return call, {trait: getattr(component, trait, default) for trait, default in _TRAITS.items()}


@contextmanager
def _blamed(who: _Who) -> Iterator[None]:
    try:
        yield
    except CheckFailed as failed:
        text = f"{who} fails the check {failed.check!r}: {failed.message}"
        raise CheckFailed(failed.check, text, who.hint) from failed


def _at_work(text: str, folder: str, who: _Who) -> Callable[[Any], Any]:
    """What the process of its own does: None asks what it says of itself, anything else is what it is asked."""
    with observed(pools=False) as seen:
        component = _third_party(lambda: Registry.load(Path(folder)).build(who.kind, text), who)
    with _blamed(who):
        seen.raise_for()
    call, traits = _handle(who.kind, component, who)

    def work(given: Any) -> Any:
        return traits if given is None else _third_party(lambda: call(*given), who)

    return work


def _network_at_work(text: str, folder: str, who: _Who) -> Callable[[None], None]:
    def look() -> None:
        import torch

        with _blamed(who), observed(pools=False) as seen:
            network = Registry.load(Path(folder)).build("backbone", text)
        with _blamed(who):
            seen.raise_for("silent", "warnings", "threads")  # drawing weights takes random numbers
            with observed(pools=False) as seen, torch.inference_mode():
                answer = network.eval()(torch.zeros(2, 3, network.size, network.size))
            seen.raise_for()
            validation.check_features(answer, 2, network.dim)

    return lambda _: _third_party(look, who)


def _third_party(call: Callable[[], Any], who: _Who) -> Any:
    """Whatever goes wrong in a third party's code is its author's to mend, and no fault of ours."""
    try:
        return call()
    except KCEError:
        raise
    except Exception as error:
        raise KCEError(f"{who} fails with {type(error).__name__}: {error}", who.hint) from error


def _hand_over(crew: Workers, given: Any, who: _Who) -> Any:
    crew.submit(given)
    found = crew.take()
    if isinstance(found, TaskLost):
        check = "time-limit" if found.timed_out else "no-exit"
        with _blamed(who):
            raise CheckFailed(check, found.reason if found.timed_out else f"it ends the process: {found.reason}")
    return found
