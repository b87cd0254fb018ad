"""The faces of a page: which are shown, their pictures, and what the panels behind points and plans need to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import KCEError
from kce.merging.plans import by_name
from kce.report import thumbnails
from kce.report.charts import Points, ReportTable
from kce.report.packing import pack_array, pack_texts
from kce.report.plan_tables import PlanTable, plan_tables
from kce.system.rng import hash_order

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.report.charts import ReportFigure
    from kce.report.figures import ShownFaces
    from kce.report.sources import ReportSource

MAX_PICTURES = 6000  # on a page: 5 MB of photographs of 64 x 64 pixels, and 16 MB if all were noise
PER_CATEGORY = 12  # faces of a category in a panel of the plan
_HOW = (
    "A click on a point of a map, or on a class in the table of merge plans, opens the faces behind it; with the "
    "keyboard, arrow keys choose one and Enter opens it."
)


@dataclass(frozen=True, eq=False)
class PageFaces:
    """What a page shows of faces.

    Attributes:
        tables: The plan tables, and one that counts the faces of each category.
        data: What the script of the page reads.
    """

    tables: Sequence[ReportTable]
    data: Mapping[str, Any]


def page_faces(
    source: ReportSource, tables: Sequence[ReportTable], figures: Sequence[ReportFigure], shown: ShownFaces
) -> PageFaces:
    """Choose the faces and pictures of a page.

    Args:
        source: The runs.
        tables: Tables of the page.
        figures: Figures of the page.
        shown: The faces of all maps; faces of categories on no map are added.
    """
    seed = min(run.seed for run in source.runs)
    folder, problem = _read_folder(source)
    plans = plan_tables(source, tables)
    if folder is not None:
        _add_unmapped(folder, {category for plan in plans for category in plan.classes}, shown, seed)
    order = hash_order(seed, list(shown.numbers))
    panels = [_panel_faces(plan, figures, shown, order) for plan in plans]
    first = dict.fromkeys(number for panel in panels for numbers in panel.values() for number in numbers)
    preferred = [*first, *(number for number in order if number not in first)]
    pictured = choose_pictured(shown.category, preferred, MAX_PICTURES)
    sheets: list[str] = []
    picture = np.full(len(shown.numbers), -1, np.int32)
    lost = 0
    if folder is not None:
        keys = list(shown.numbers)
        sheets, readable = thumbnails.sprite_sheets(folder, [keys[number] for number in pictured])
        picture[pictured] = np.where(readable, np.arange(len(pictured)), -1)
        lost = int((~readable).sum())
    data = {
        "keys": list(shown.numbers),
        "categories": pack_texts(shown.category),
        "recordings": pack_texts(shown.group),
        "datasets": _by_category(folder, "dataset") or _first_words(source),
        "same_name": by_name(_by_category(folder, "method")).classes,
        "picture": pack_array(picture),
        "thumbnails": sheets,
        "problem": problem,
        "plans": [_plan_data(plan, panel) for plan, panel in zip(plans, panels, strict=True)],
    }
    pictures = _describe_pictures(len(picture), int((picture >= 0).sum()), lost, seed, problem)
    counts = _counts(folder, shown.category, picture >= 0, pictures)
    return PageFaces([*(plan.table for plan in plans if plan.new), *([counts] if counts.rows else [])], data)


def _plan_data(plan: PlanTable, panel: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    # Rows are a list, since an object of JavaScript would put a category that is called "1" first.
    rows = [[category, classes, panel[category]] for category, classes in plan.classes.items()]
    return {"table": plan.name, "map": plan.map, "columns": plan.columns, "rows": rows}


def _read_folder(source: ReportSource) -> tuple[Faces | None, str]:
    """The face folder; or None, and why there is none."""
    try:
        return source.faces(), ""
    except KCEError as error:
        return None, error.message


def _add_unmapped(folder: Faces, categories: set[str], shown: ShownFaces, seed: int) -> None:
    """Add some faces of the folder, from many recordings, of those categories of a plan that no map shows."""
    for category in sorted(categories - set(shown.category)):
        rows = np.flatnonzero(folder.category == category)
        keys, groups = folder.key[rows].tolist(), folder.group[rows].tolist()
        chosen = _of_many_recordings(hash_order(seed, keys), groups)
        shown.add([keys[n] for n in chosen], [category] * len(chosen), [groups[n] for n in chosen])


def _panel_faces(
    plan: PlanTable, figures: Iterable[ReportFigure], shown: ShownFaces, order: Sequence[int]
) -> dict[str, list[int]]:
    """Category -> the faces that a panel shows; of those on the map from which the plan was made, if there is one."""
    maps = [figure.variants.get(plan.map) for figure in figures if figure.name == "known"]
    on_map = {number for chart in maps if isinstance(chart, Points) for number in chart.face.tolist()}
    candidates: dict[str, list[int]] = {category: [] for category in plan.classes}
    for number in order:
        if (number in on_map or not on_map) and shown.category[number] in candidates:
            candidates[shown.category[number]].append(number)
    return {category: _of_many_recordings(numbers, shown.group) for category, numbers in candidates.items()}


def _of_many_recordings(numbers: Iterable[int], groups: Sequence[str]) -> list[int]:
    """The first ``PER_CATEGORY`` numbers, one of each recording before a second one of any."""
    times: Counter[str] = Counter()
    ranked = []
    for number in numbers:
        ranked.append((times[groups[number]], number))
        times[groups[number]] += 1
    return [number for _, number in sorted(ranked, key=lambda item: item[0])[:PER_CATEGORY]]


def choose_pictured(categories: Sequence[str], order: Sequence[int], limit: int) -> list[int]:
    """Choose the faces that have a picture: of each category at most N, with N as large as the limit allows.

    Args:
        categories: Category of each face.
        order: Numbers of the faces, those to prefer first.
        limit: Pictures in total.

    Returns:
        The chosen numbers, in ascending order; if there are more categories than `limit`, the first of the order.

    Example:
        >>> choose_pictured(["A", "A", "A", "B"], [2, 0, 1, 3], limit=3)
        [0, 2, 3]
    """
    counts = list(Counter(categories).values())
    most = max(counts, default=0)
    while most > 1 and sum(min(count, most) for count in counts) > limit:
        most -= 1
    taken: Counter[str] = Counter()
    chosen = []
    for number in order:
        if taken[categories[number]] < most:
            taken[categories[number]] += 1
            chosen.append(number)
    return sorted(chosen[:limit])


def _by_category(folder: Faces | None, column: str) -> dict[str, str]:
    """Category -> its dataset or method; {} without a folder."""
    if folder is None:
        return {}
    one_each = folder.first_of_categories()
    return dict(zip(one_each.category.tolist(), getattr(one_each, column).tolist(), strict=True))


def _first_words(source: ReportSource) -> dict[str, str]:
    """Category -> what its name begins with, for the check boxes that filter the points of a map."""
    categories = {category for run in source.runs for category in (*run.report["known"], *run.report["unknown"])}
    return {category: category.partition("_")[0] for category in sorted(categories)}


def _describe_pictures(faces: int, pictures: int, lost: int, seed: int, problem: str) -> str:
    if problem:
        return f"There are no pictures: {problem}. Maps and panels name the faces all the same."
    missing = f" {lost} are gone from the face folder or cannot be read." if lost else ""
    return (
        f"The page has pictures of {pictures} of its {faces} faces, in {thumbnails.SIDE} x {thumbnails.SIDE} pixels."
        f"{missing} It shows at most {MAX_PICTURES}: of each category the same number where there are more, sampled "
        f"with seed {seed}."
    )


def _counts(folder: Faces | None, categories: Sequence[str], pictured: Any, pictures: str) -> ReportTable:
    """How many faces of each category are on the page, and of how many."""
    on_page = Counter(categories)
    with_picture = Counter(category for category, has in zip(categories, pictured, strict=True) if has)
    in_folder = folder.category.counts() if folder is not None else {}
    rows = [
        [category, str(in_folder.get(category, "?")), str(on_page[category]), str(with_picture[category])]
        for category in sorted(on_page)
    ]
    note = f"{_HOW} {pictures}"
    head = ["category", "in the face folder", "on this page", "with a picture"]
    return ReportTable("faces", "Faces on this page", note, head, rows, [False, True, True, True])
