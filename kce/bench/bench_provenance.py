"""Where the results of a benchmark come from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xxhash

from kce.bench.aligner_cells import run_recipe
from kce.bench.aligners import made_from
from kce.bench.drawn_worlds import is_drawn_world, parse_drawn_world
from kce.bench.worlds import hash_of_worlds
from kce.pipeline.recipe import named_components
from kce.registry.result_provenance import Provenance, record_provenance
from kce.system.documents import document_to_table

if TYPE_CHECKING:
    from kce.bench.aligner_cells import AlignerBench
    from kce.bench.drawn_worlds import DrawnRecipe
    from kce.registry.registry import Registry


def cluster_provenance(registry: Registry, results: Sequence[Mapping[str, Any]], truth: str = "") -> Provenance:
    """Record where the results of a benchmark come from; `truth` is the path of the truth of stored features."""
    kinds = ("aligner", "reducer", "clusterer")
    parts = {(kind, result[kind]) for result in results for kind in kinds}
    return _of_worlds(registry, parts, results, hash_of_worlds([result["world"] for result in results], truth))


def tracer_provenance(
    registry: Registry, recipe: DrawnRecipe, results: Sequence[Mapping[str, Any]], truth: str = ""
) -> Provenance:
    """Record where the results of a benchmark of tracers come from; the hash is of drawn worlds' recipe, too.

    Args:
        registry: Where components were looked up.
        recipe: That of drawn worlds.
        results: Its results.
        truth: As in ``cluster_provenance``.
    """
    parts = {("tracer", result["tracer"]) for result in results}
    parts |= {("clusterer", result["discover"]) for result in results if result["discover"]}
    worlds = {result["world"] for result in results}
    drawn = {world for world in worlds if is_drawn_world(world)}
    data_hash = hash_of_worlds(sorted(worlds - drawn), truth)
    if drawn:
        parts |= {("dataset", parse_drawn_world(world).dataset or recipe.world) for world in drawn}
        parts.add(("backbone", recipe.backbone))
        parts.add(("detector", recipe.cut.finder))
        made = json.dumps([data_hash, document_to_table(recipe), sorted(drawn)], sort_keys=True)
        data_hash = xxhash.xxh3_128_hexdigest(made.encode())
    return _of_worlds(registry, parts, results, data_hash)


def _of_worlds(
    registry: Registry, parts: Iterable[tuple[str, str]], results: Sequence[Mapping[str, Any]], data_hash: str
) -> Provenance:
    worlds = sorted({result["world"] for result in results})
    return record_provenance(
        registry,
        parts,
        n={"worlds": len(worlds), "cells": len(results)},
        seeds=sorted({result["seed"] for result in results}),
        data=f"worlds: {', '.join(worlds)}",
        data_hash=data_hash,
    )


def aligner_provenance(registry: Registry, bench: AlignerBench, results: Sequence[Mapping[str, Any]]) -> Provenance:
    """Record where the results of a benchmark come from; the hash is of its recipe, worlds and artefacts."""
    parts = {("dataset", bench.world), ("detector", bench.cut.finder)}
    for training in {result["training"] for result in results}:
        parts |= {part for part in named_components(run_recipe(bench, training)) if part[0] in ("backbone", "reducer")}
    parts |= {(kind, result[kind]) for result in results for kind in ("aligner", "clusterer")}
    settings = sorted({tuple(result[key] for key in ("world", "kind", "amount", "training")) for result in results})
    worlds = {result["world"] for result in results}
    made = json.dumps([made_from(bench), settings], sort_keys=True)
    return record_provenance(
        registry,
        parts,
        n={"worlds": len(worlds), "cells": len(results)},
        seeds=sorted({result["net"] for result in results}),
        data=f"{bench.world}, worlds {', '.join(map(str, sorted(worlds)))}",
        data_hash=xxhash.xxh3_128_hexdigest(made.encode()),
    )
