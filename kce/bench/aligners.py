"""Aligners and trainings on picture worlds whose datasets are stored in ways of their own, and whose truth is known."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.audit.unlearned import UNLEARNED_NOTE
from kce.bench import cell_store
from kce.errors import BadData, KCEError, UnknownName
from kce.evaluation.agreement import agreement_scores
from kce.faces import degrade
from kce.faces import folder as folders
from kce.faces.cut import cut
from kce.merging.plan_file import read_plan
from kce.pipeline.recipe import library_versions, recipe_from_table
from kce.pipeline.run import run as run_method
from kce.registry.registry import Registry
from kce.system.shipped import RECIPES
from kce.system.worker_pool import TaskLost, Workers

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.types import Progress

RECIPE = RECIPES / "aligners.toml"
ALIKE = "alike"
"""The kind of artefact of a world whose datasets are all stored in one way: amount 0 of any kind."""

KS = ("known", "estimate")


@dataclass(frozen=True)
class Setting:
    """One first model: the world's number, how its datasets are stored, the training by name, the network's seed."""

    world: int
    kind: str
    amount: float
    training: str
    net: int

    @property
    def faces(self) -> str:
        """Below the bench's folder."""
        stored = "faces" if self.kind == ALIKE else f"{self.kind}-{self.amount:g}"
        return f"{self.world}/{stored}"

    @property
    def runs(self) -> str:
        return f"{self.faces}-runs/{self.training}-{self.net}"


@dataclass(frozen=True)
class Cell:
    """One plan of a setting.

    k  "known": as many classes as there are methods; "estimate": as the run thinks; "own": as the clusterer does
    """

    setting: Setting
    aligner: str
    clusterer: str
    k: str

    @property
    def id(self) -> str:
        return xxhash.xxh3_64_hexdigest(json.dumps(asdict(self), sort_keys=True).encode())

    @property
    def run(self) -> str:
        parts = (self.aligner, self.clusterer, self.k)
        return f"{self.setting.runs}/{'-'.join(re.sub(r'[^0-9A-Za-z.+=]+', '_', part) for part in parts)}"


def told(path: Path) -> dict[str, Any]:
    """The document of a bench: world, aligners, clusterers, [cut], [run] and [training.NAME].

    Raises KCEError for what is none.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise KCEError(f"{path} tells no bench: {error}", f"{RECIPE} is an example") from error
    lacking = [key for key in ("world", "aligners", "clusterers", "run", "training") if not document.get(key)]
    if lacking:
        raise KCEError(f"{path} tells no bench: it has no {lacking[0]}", f"{RECIPE} is an example")
    for name in document["training"]:
        _recipe(document, name, str(path))
    return document


def _recipe(document: Mapping[str, Any], training: str, where: str = "the bench") -> Recipe:
    return recipe_from_table({**document["run"], "train": document["training"][training]}, where)


def cells(
    registry: Registry,
    document: Mapping[str, Any],
    worlds: Sequence[int],
    kinds: Sequence[str],
    amounts: Sequence[float],
    nets: Sequence[int],
    trainings: Sequence[str] = (),
    aligners: Sequence[str] = (),
    clusterers: Sequence[str] = (),
    ks: Sequence[str] = KS,
) -> list[Cell]:
    """Every combination, those of one setting together; amount 0 stands once for all kinds.

    Raises UnknownName and KCEError for what cannot be, before any work.
    """
    chosen = list(trainings) or list(document["training"])
    for training in chosen:
        if training not in document["training"]:
            raise UnknownName.among("training", training, document["training"])
    registry.resolve("dataset", document["world"], root="")
    asked = list(aligners) or list(document["aligners"])
    joining = list(clusterers) or list(document["clusterers"])
    for what, specs in (("aligner", asked), ("clusterer", joining)):
        for spec in specs:
            registry.resolve(what, spec)
    for kind, amount in product(kinds, amounts):
        degrade.artefacts(["A"], kind, amount, 0)
    for k in ks:
        if k not in KS:
            raise UnknownName.among("k", k, KS)
    stored = [(kind, amount) if amount else (ALIKE, 0.0) for amount in sorted(amounts) for kind in kinds]
    settings = [
        Setting(world, kind, amount, training, net)
        for (kind, amount), world, training, net in product(dict.fromkeys(stored), worlds, chosen, nets)
    ]
    ways = [
        (aligner, clusterer, k)
        for aligner, clusterer in product(asked, joining)
        for k in (ks if registry.takes("clusterer", clusterer, "n_clusters") else ["own"])
    ]
    return [Cell(setting, *way) for setting in dict.fromkeys(settings) for way in ways]


def run(
    folder: Path,
    todo: Sequence[Cell],
    document: Mapping[str, Any],
    registry: Registry,
    workers: int = 1,
    progress: Progress = lambda *_: None,
) -> list[dict[str, Any]]:
    """The results of all cells, in their order; those that `folder` holds already are not computed again, but for those
    that failed.

    A result is {"id", "world", "kind", "amount", "training", "net", "aligner", "clusterer", "k", "status": "ok" or
    "failed", "reason", "n": known categories, "classes": methods, "clusters", "ari", "parted": methods whose
    categories are not together, "joined": pairs of methods that are, as "one + other", "faint": methods that the
    first model does not tell from reals in some dataset, as far as the aligner brings reals}. Worlds, faces, models and
    features are kept in the folder too. Raises Refused for a folder whose results were made otherwise.
    """
    # What is left out only says which cells there are.
    own = {name: told for name, told in document.items() if name not in ("aligners", "clusterers")}
    cell_store.settle(folder, {"versions": library_versions(), "told": own})
    done = {name: result for name, result in cell_store.begin(folder).items() if result["status"] == "ok"}
    missing = [cell for cell in todo if cell.id not in done]
    settings: dict[Setting, list[Cell]] = {}
    for cell in missing:
        settings.setdefault(cell.setting, []).append(cell)
    progress("cells", len(todo) - len(missing), len(todo))
    if missing:
        arguments = (str(registry.folder.absolute()), str(folder.absolute()), dict(document))
        # Processes of their own where third parties' parts may run in further ones.
        with Workers(min(workers, len(settings)), _at_work, arguments, tries=1, parents=True) as crew:
            # Faces first, each set of them once: settings share them.
            stored = dict.fromkeys(replace(setting, training="", net=0) for setting in settings)
            plain = dict.fromkeys(replace(setting, kind=ALIKE, amount=0.0) for setting in stored)
            for batch in (list(plain), [setting for setting in stored if setting not in plain]):
                for place, setting in enumerate(batch):
                    crew.submit((setting, []))
                    progress("worlds", place, len(batch))
                for place in range(len(batch)):
                    _see(crew.take())
                    progress("worlds", place + 1, len(batch))
            for setting, its in settings.items():
                crew.submit((setting, its))
            count = len(todo) - len(missing)
            for its in settings.values():
                answer = crew.take()
                results = [_lost(cell, answer.reason) for cell in its] if isinstance(answer, TaskLost) else answer
                done |= {result["id"]: result for result in results}
                cell_store.add(folder, results)
                count += len(its)
                progress("cells", count, len(todo))
    return [done[cell.id] for cell in todo]


def _see(answer: Any) -> None:
    if isinstance(answer, TaskLost):
        raise BadData(f"a world could not be made: {answer.reason}", "is there memory and disk enough?")


def _lost(cell: Cell, reason: str) -> dict[str, Any]:
    return {**_about(cell), "status": "failed", "reason": reason}


def _about(cell: Cell) -> dict[str, Any]:
    return {"id": cell.id, **asdict(cell.setting), "aligner": cell.aligner, "clusterer": cell.clusterer, "k": cell.k}


# -------------------------------------------------------------------------------------------- in a process of its own


def _at_work(home: str, folder: str, document: Mapping[str, Any]) -> Callable[[Any], Any]:
    registry = Registry.load(Path(home))

    def work(task: tuple[Setting, list[Cell]]) -> list[dict[str, Any]]:
        setting, its = task
        if not its:
            _make(Path(folder), setting, document, registry)
            return []
        results: list[dict[str, Any]] = []
        for cell in its:
            try:
                results.append(_cell(Path(folder), cell, document, registry))
            except KCEError as error:
                results.append(_lost(cell, error.message))
        return results

    return work


def _make(folder: Path, setting: Setting, document: Mapping[str, Any], registry: Registry) -> None:
    """The face folder of a setting, unless it is there."""
    at = folder / str(setting.world)
    own = {"root": at / "world", "seed": setting.world, "placement": setting.world}
    own = {name: value for name, value in own.items() if registry.takes("dataset", document["world"], name)}
    cut(registry.build("dataset", document["world"], **own), at / "faces", seed=setting.world, workers=1,
        registry_folder=registry.folder, **document.get("cut", {}))  # fmt: skip
    if setting.kind != ALIKE:
        datasets = sorted(set(folders.read(at / "faces").dataset.tolist()))
        stored = degrade.artefacts(datasets, setting.kind, setting.amount, setting.world)
        degrade.degrade(at / "faces", folder / setting.faces, stored, setting.world)


def _cell(folder: Path, cell: Cell, document: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    setting = cell.setting
    text = (folder / str(setting.world) / "world" / "truth.toml").read_text(encoding="utf-8")
    truth = tomllib.loads(text)["method"]
    chosen = _recipe(document, setting.training).changed(
        faces=str(folder / setting.faces), aligner=cell.aligner, clusterer=cell.clusterer, seed=setting.net
    )
    held = set(chosen.unknown)
    method = {its: made for its, made in truth.items() if made != "real" and its not in held}
    classes = len(set(method.values()))
    k: int | str = classes if cell.k == "known" else {"estimate": "estimate", "own": "name"}[cell.k]
    # What another plan of the setting has made is taken over: the model, and features with their views.
    made = [path for path in sorted((folder / setting.runs).glob("*")) if path != folder / cell.run]
    run_method(folder / cell.run, replace(chosen, k=k), registry, until="plan", other_runs=made)
    told = read_plan(folder / cell.run / "plan.toml")
    plan = told.classes
    joined, parted = mistakes(method, plan)
    numbers = np.unique(list(plan.values()), return_inverse=True)[1]
    scores = agreement_scores([method[one] for one in plan], numbers)
    return {
        **_about(cell),
        "status": "ok",
        "reason": "",
        "n": len(plan),
        "classes": classes,
        "clusters": len(set(plan.values())),
        "ari": scores["ari"],
        "joined": joined,
        "parted": parted,
        "faint": sorted({method[one] for one, vote in told.votes.items() if UNLEARNED_NOTE in vote}),
    }


def mistakes(method: Mapping[str, str], plan: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Pairs of methods that have categories in one class, as "one + other"; methods that are in several."""
    joined = {
        " + ".join(sorted((method[a], method[b])))
        for a, b in combinations(sorted(plan), 2)
        if plan[a] == plan[b] and method[a] != method[b]
    }
    classes: dict[str, set[str]] = {}
    for category, its in plan.items():
        classes.setdefault(method[category], set()).add(its)
    return sorted(joined), sorted(name for name, its in classes.items() if len(its) > 1)
