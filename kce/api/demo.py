"""``kce.demo``: the whole method on a small synthetic corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.progress import shown_progress
from kce.api.results import Result, interval_columns
from kce.api.threads import AUTO, limited_threads
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import Progress


class DemoResult(Result):
    """What the demo made: the plan by clusters, and how the plans compare."""

    @property
    def plan(self) -> dict[str, str]:
        """Category -> class of the plan by clusters."""
        return dict(self._document["plan"])

    @property
    def plans(self) -> dict[str, dict[str, Any]]:
        """Plan -> its classes, n, calinski_harabasz, interval, variance_share and ari_truth."""
        return dict(self.to_dict()["plans"])

    @property
    def report(self) -> Path:
        """The page."""
        return Path(self._document["report"])

    def _records(self) -> list[dict[str, Any]]:
        records = []
        for plan, line in self.plans.items():
            interval = interval_columns(line.pop("interval"))
            records.append({"plan": plan, **line, **interval})
        return records

    def _summary(self) -> str:
        return f"{counted(len(self.plans), 'plan')} compared; {self.report}"


def demo(
    *,
    to: AnyPath = "kce-demo",
    world: str | None = None,
    seed: int = 0,
    threads: int | str = AUTO,
    progress: bool | Progress = True,
) -> DemoResult:
    """Run the whole method on a small synthetic corpus, without data or a download. What exists already is reused.

    Args:
        to: The folder for everything that is made.
        world: A dataset with known truth instead of the synthetic faces: NAME:key=value.
        seed: Seed of every random choice.
        threads: As for ``kce.run``.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        The plans and their scores. ``to_frame()``: a line for each plan.

    Raises:
        KCEError: Another process or thread works in the folder, a file is in its place, or `world` is no dataset with
            known truth.

    Example:
        It takes a minute; ``kce docs python`` shows what comes of it.

        >>> Path("taken").touch()
        >>> demo(to="taken", progress=False)
        Traceback (most recent call last):
        kce.errors.MachineFault: taken cannot be made: something with this name is there already
        hint: choose another name
    """
    from kce.demo import run_demo

    with limited_threads(threads), shown_progress(progress) as show:
        return DemoResult(run_demo(Path(to), seed, progress=show, world=world))
