from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kce.errors import BadData, KCEError, MachineFault, Refused
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.merging.plans import MergePlan, unmerged_plan
from kce.registry.registry import Registry
from kce.training.batches import pair_faces
from kce.training.device import make_fabric
from kce.training.history import read_history
from kce.training.sampling import choose_examples, within_dataset_mask
from kce.training.settings import TrainSettings
from kce.training.steps import Accuracy, _masked, measure_accuracy
from kce.training.train import LOG_STEPS, _augmented, build_classifier, lr_factor, train
from kce.training.weights import file_sha256, read_weights_file, write_weights_file
from tests.conftest import REPOSITORY
from tests.support.corpus import KNOWN, UNKNOWN, pictures
from tests.support.interrupts import interrupt_at
from tests.support.training import PLAN, QUICK, REGISTRY, TINY, trained


def test_one_seed_one_result(pixels: Pixels, tmp_path: Path) -> None:
    first = trained(pixels, tmp_path / "a.safetensors")
    assert trained(pixels, tmp_path / "b.safetensors") == first
    assert trained(pixels, tmp_path / "c.safetensors", replace(QUICK, seed=1)) != first


def test_without_training_a_network_keeps_the_weights_it_begins_with(pixels: Pixels, tmp_path: Path) -> None:
    said: list[object] = []
    settings = replace(QUICK, epochs=0, held_out=0.25)
    to = tmp_path / "a.safetensors"
    about = train(TINY, pixels, PLAN, settings, REGISTRY, to, progress=lambda *what: said.append(what))
    assert (about["history"], about["images"], said) == ([], 0, [])
    assert read_history(tmp_path / "train.csv", "a") == []
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        begins = build_classifier(REGISTRY.build("backbone", TINY), len(PLAN.names)).state_dict()
    kept, _ = read_weights_file(to)
    assert kept.keys() == begins.keys()
    assert all(torch.equal(kept[name], begins[name]) for name in kept)
    assert trained(pixels, to, settings) == file_sha256(to)


def test_it_learns(pixels: Pixels, tmp_path: Path) -> None:
    about = train(
        "tiny:size=32,width=4",
        Pixels(pixels.faces, 32),
        PLAN,
        replace(QUICK, epochs=12),
        REGISTRY,
        tmp_path / "a.safetensors",
    )
    assert about["history"][-1]["loss"] < 0.6 * about["history"][0]["loss"]
    rows = read_history(tmp_path / "train.csv", "a")
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in about["history"]]
    assert all(float(row["images_per_second"]) > 0 for row in rows)
    assert "images_per_second" not in about["history"][0], (
        "the file of weights would differ from one making to the next"
    )


def test_every_face_is_seen_once_an_epoch_however_batches_fall(pixels: Pixels, tmp_path: Path) -> None:
    """Also where one face would be left over: 6 classes of 16 in batches of 19 and 95."""
    for batch in (19, 95, 96, 1000):
        seen: list[int] = []

        class Counting(Pixels):
            def read(self, rows: NDArray[np.int64], seen: list[int] = seen) -> NDArray[np.uint8]:
                seen.extend(rows.tolist())
                return super().read(rows)

        to = tmp_path / f"{batch}.safetensors"
        spec = "timm:model=resnet10t,size=32"  # its last maps are one pixel wide
        train(spec, Counting(pixels.faces, 32), PLAN, replace(QUICK, batch_size=batch), REGISTRY, to)
        assert sorted(seen) == sorted([*range(96), *range(96)])


def test_nothing_is_trained_twice(pixels: Pixels, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    trained(pixels, tmp_path / "other" / "first.safetensors")
    seen: list[str] = []
    for _ in range(2):
        trained(
            pixels,
            tmp_path / "a.safetensors",
            reuse_from=[tmp_path / "other"],
            progress=lambda *said: seen.append(str(said)),
        )
    assert seen == []
    assert file_sha256(tmp_path / "a.safetensors") == file_sha256(tmp_path / "other" / "first.safetensors")


def test_a_plan_that_only_renames_makes_the_same_weights(pixels: Pixels, tmp_path: Path) -> None:
    renamed = MergePlan({category: f"class {number}" for number, category in enumerate(sorted(KNOWN))})
    trained(pixels, tmp_path / "a.safetensors")
    train(TINY, pixels, renamed, QUICK, REGISTRY, tmp_path / "b.safetensors")
    a, _ = read_weights_file(tmp_path / "a.safetensors")
    b, _ = read_weights_file(tmp_path / "b.safetensors")
    assert all((a[name] == b[name]).all() for name in a)


def test_weights_made_in_another_way_are_refused_with_the_differences(pixels: Pixels, tmp_path: Path) -> None:
    trained(pixels, tmp_path / "a.safetensors")
    with pytest.raises(Refused, match=r"epochs: was '2', now '3'"):
        trained(pixels, tmp_path / "a.safetensors", replace(QUICK, epochs=3))


def test_a_loss_that_is_not_finite_is_an_error(pixels: Pixels, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="the loss became NaN or infinite in epoch"):
        trained(pixels, tmp_path / "a.safetensors", replace(QUICK, lr=1000.0, epochs=20))
    assert not (tmp_path / "a.safetensors").exists()


def test_the_callers_random_numbers_are_left_alone(pixels: Pixels, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    trained(pixels, tmp_path / "a.safetensors")
    assert (torch.rand(3) == wanted).all()


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x04K\x01."])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(BadData, match="is not a weights file of KCE"):
        read_weights_file(tmp_path / "a.safetensors")


def test_the_rate_rises_and_falls_to_nothing() -> None:
    rates = [lr_factor(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001
    assert 0 < lr_factor(0, 1) <= 1


def test_weights_of_an_older_version_are_refused_by_name(pixels: Pixels, tmp_path: Path) -> None:
    to = tmp_path / "a.safetensors"
    write_weights_file(to, {"x": torch.zeros(1)}, {"made": {}})
    with pytest.raises(BadData, match="written by an older version of KCE"):
        trained(pixels, to)


# --------------------------------------------------------------------------------------------- held-out faces, codec


def test_held_out_faces_are_never_trained_on_and_are_the_same_for_every_plan(pixels: Pixels, tmp_path: Path) -> None:
    read: list[int] = []

    class Counting(Pixels):
        def prefetch(self, batches: Any, change: Any = None) -> Any:
            batches = list(batches)
            if change is not None:  # training, and not the measuring
                read.extend(row for batch in batches for row in batch.tolist())
            return super().prefetch(batches, change)

    settings = replace(QUICK, held_out=0.25, augment=("flip",))
    joined = MergePlan(dict.fromkeys(KNOWN, "one") | {KNOWN[0]: "two", KNOWN[1]: "two"})
    held = [choose_examples(pixels.faces, plan, settings)[1].rows.tolist() for plan in (PLAN, joined)]
    assert held[0] == held[1]
    assert len(held[0]) >= 24
    train(TINY, Counting(pixels.faces, 16), PLAN, settings, REGISTRY, tmp_path / "a.safetensors")
    assert read
    assert set(read).isdisjoint(held[0])
    groups = pixels.faces.group
    assert set(groups[read].tolist()).isdisjoint(groups[held[0]].tolist())


def test_the_best_checkpoint_is_the_one_its_row_says(pixels: Pixels, tmp_path: Path) -> None:
    """At a rate that makes it stumble, so that the last epoch is not the best; also when killed after the best one."""
    settings = replace(QUICK, epochs=6, lr=0.1, held_out=0.25, checkpoint="best", save_every=0.0)
    spec, at32 = "tiny:size=32,width=4", Pixels(pixels.faces, 32)
    result = []
    for seed in range(4):
        chosen = replace(settings, seed=seed)
        about = train(spec, at32, PLAN, chosen, REGISTRY, tmp_path / f"{seed}.safetensors")
        accuracy = [row["held_out_balanced_accuracy"] for row in about["history"]]
        network = build_classifier(REGISTRY.build("backbone", spec), len(PLAN.names))
        network.load_state_dict(read_weights_file(tmp_path / f"{seed}.safetensors")[0])
        _, held = choose_examples(at32.faces, PLAN, chosen)
        measured = measure_accuracy(make_fabric("32"), network, at32, held, 32)
        assert measured is not None
        assert measured.balanced == pytest.approx(max(accuracy))
        result.append(accuracy.index(max(accuracy)))
    assert min(result) < 5, "one seed at least must have its best before the last epoch"

    seed = int(np.argmin(result))

    def interrupt(what: str, done: int, total: int | None) -> None:
        assert total is not None
        if 5 / 6 < done / total < 1:  # in the last epoch
            signal.raise_signal(signal.SIGINT)

    chosen = replace(settings, seed=seed)
    with pytest.raises(KeyboardInterrupt):
        train(spec, at32, PLAN, chosen, REGISTRY, tmp_path / "again.safetensors", progress=interrupt)
    train(spec, at32, PLAN, chosen, REGISTRY, tmp_path / "again.safetensors")
    assert file_sha256(tmp_path / "again.safetensors") == file_sha256(tmp_path / f"{seed}.safetensors")


def test_an_unknown_category_cannot_choose_the_checkpoint(faces_at: Path, tmp_path: Path) -> None:
    """Faces that the plan does not name get no further than the door, whatever share is held out."""
    every = Pixels(read_faces(faces_at), 16)
    assert set(UNKNOWN) <= set(every.faces.category.tolist())
    for share in (0.0, 0.25):
        with pytest.raises(KCEError, match="which the plan does not name"):
            trained(every, tmp_path / "a.safetensors", replace(QUICK, held_out=share))


def test_there_is_no_best_checkpoint_without_held_out_faces(pixels: Pixels, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="no face is held out"):
        trained(pixels, tmp_path / "a.safetensors", replace(QUICK, checkpoint="best"))


@pytest.fixture
def derived(tmp_path: Path) -> Pixels:
    """Faces of forgeries that two datasets made of their recordings, two pictures of each."""
    root = pictures(tmp_path / "pictures", count=8, groups=4)
    lines = ["path,dataset,method,label,group"]
    for path in sorted(root.glob("*/*/*.png")):
        dataset, _, method = path.parts[-3].partition("_")
        lines.append(f"{path.relative_to(root)},{dataset},{method},fake,{dataset}:{path.parts[-2]}")
    (root / "faces.csv").write_text("\n".join(lines), encoding="utf-8")
    cut(Registry.load(Path("/")).build("dataset", "folder", root=root), tmp_path / "faces", detector="whole", workers=0)
    faces = read_faces(tmp_path / "faces")
    return Pixels(faces.take(np.flatnonzero(np.isin(faces.category, KNOWN))), 16)


def test_counterparts_are_changed_alike_and_an_interrupt_changes_nothing(derived: Pixels, tmp_path: Path) -> None:
    settings = replace(QUICK, augment=("flip", "codec"), batches="paired")
    whole = trained(derived, tmp_path / "whole.safetensors", settings)
    assert whole != trained(derived, tmp_path / "random.safetensors", replace(settings, batches="random"))
    with pytest.raises(KeyboardInterrupt):
        trained(derived, tmp_path / "cut.safetensors", settings, progress=interrupt_at(3))
    assert trained(derived, tmp_path / "cut.safetensors", settings) == whole
    faces = derived.faces
    pair = pair_faces(faces.category, faces.group, faces.key)
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    changed = [_augmented(derived, pair, settings, 0, noise, row).tobytes() for row in range(len(faces))]
    assert len({*zip(pair.tolist(), changed, strict=True)}) == pair.max() + 1 == 16  # 3 categories in each
    assert len(set(changed)) > 8


def test_counterparts_take_groups(pixels: Pixels, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no face has a counterpart"):
        trained(pixels, tmp_path / "a.safetensors", replace(QUICK, batches="paired"))


# ------------------------------------------------------------------------------------------------------- what can fail


def test_a_folder_that_vanishes_in_mid_run_costs_nothing(faces_at: Path, tmp_path: Path) -> None:
    shutil.copytree(faces_at, tmp_path / "faces")

    def at() -> Pixels:
        faces = read_faces(tmp_path / "faces")
        return Pixels(faces.take(np.flatnonzero(np.isin(faces.category, KNOWN))), 16, budget=0)

    whole = trained(at(), tmp_path / "whole.safetensors")
    calls = iter(range(1000))

    def unmount(what: str, done: int, total: int | None) -> None:
        if next(calls) == 4:
            (tmp_path / "faces").rename(tmp_path / "away")

    with pytest.raises(MachineFault, match="is missing") as caught:
        trained(at(), tmp_path / "a.safetensors", progress=unmount)
    assert "continues where it stopped" in caught.value.hint
    (tmp_path / "away").rename(tmp_path / "faces")
    seen: list[int] = []
    assert whole == trained(at(), tmp_path / "a.safetensors", progress=lambda what, done, total: seen.append(done))
    assert seen[0] > 0


def test_a_class_of_one_image_is_named(faces_at: Path, tmp_path: Path) -> None:
    faces = read_faces(faces_at)
    few = np.flatnonzero(np.isin(faces.category, KNOWN))
    rows = np.concatenate([few[faces.category[few] != KNOWN[2]], few[faces.category[few] == KNOWN[2]][:1]])
    with pytest.raises(BadData, match=f"{KNOWN[2]} has 1"):
        trained(Pixels(faces.take(rows), 16), tmp_path / "a.safetensors")


def test_running_out_of_memory_is_an_error_that_names_the_batch_that_fits(faces_at: Path, tmp_path: Path) -> None:
    """In a process that may take 400 MB more than it has; the rows it had trained on are kept."""
    script = f"""
import resource, sys
from pathlib import Path
import numpy as np
import torch
torch.set_num_threads(1)
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.errors import KCEError
from kce.faces.loader import Pixels
from kce.training.settings import TrainSettings
from kce.training.train import train
from tests.support.corpus import KNOWN
from tests.support.training import PLAN, REGISTRY
faces = read_faces(Path({str(faces_at)!r}))
pixels = Pixels(faces.take(np.flatnonzero(np.isin(faces.category, KNOWN))), 64)
to = Path({str(tmp_path)!r})
spec = "tiny:size=64,width=64"
train(spec, pixels, PLAN, TrainSettings(epochs=1, batch_size=4, per_class=2), REGISTRY, to / "warm.safetensors")
there = int(Path("/proc/self/status").read_text().split("VmSize:")[1].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (there + 400_000_000, -1))
try:
    train(spec, pixels, PLAN, TrainSettings(epochs=1, batch_size=96, held_out=0), REGISTRY, to / "a.safetensors")
except KCEError as error:
    print(error)
    sys.exit(2)
"""
    # Each thread's own pool of memory would take 64 MB of the address space, or not, as threads happen to meet.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "memory ran out at 96 faces of 64 px a step on cpu" in done.stdout
    fits = int(re.search(r"a batch of (\d+) faces may fit", done.stdout)[1])  # type: ignore[index]
    assert fits in (6, 12, 24, 48)


def test_rows_come_every_so_many_steps_and_tensorboard_shows_them(pixels: Pixels, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = replace(QUICK, epochs=2, batch_size=1, held_out=0.25)  # a batch of one is one of two
    about = train(TINY, pixels, PLAN, settings, REGISTRY, tmp_path / "a.safetensors")
    rows = read_history(tmp_path / "train.csv", "a")
    steps_in_epoch = about["images"] // 2
    assert steps_in_epoch > LOG_STEPS / 2
    wanted = sorted({*range(LOG_STEPS, 2 * steps_in_epoch, LOG_STEPS), steps_in_epoch, 2 * steps_in_epoch})
    assert [int(row["step"]) for row in rows] == wanted
    assert [bool(row["held_out_accuracy"]) for row in rows] == [int(row["step"]) % steps_in_epoch == 0 for row in rows]
    events = EventAccumulator(str(tmp_path / "tensorboard" / "a"))
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("loss")}
    assert shown == pytest.approx({int(row["step"]): float(row["loss"]) for row in rows}, rel=1e-6)


def test_the_histories_of_both_models_are_in_one_file(pixels: Pixels, tmp_path: Path) -> None:
    trained(pixels, tmp_path / "first.safetensors")
    trained(pixels, tmp_path / "final.safetensors", replace(QUICK, seed=1))
    assert [row["model"] for row in read_history(tmp_path / "train.csv")] == ["first"] * 2 + ["final"] * 2
    (tmp_path / "other").mkdir()
    train(TINY, pixels, PLAN, QUICK, REGISTRY, tmp_path / "other" / "a.safetensors", reuse_from=[tmp_path])
    taken = read_history(tmp_path / "other" / "train.csv")
    assert [row["loss"] for row in taken] == [row["loss"] for row in read_history(tmp_path / "train.csv", "first")]
    assert {row["images_per_second"] for row in taken} == {""}


def test_classes_of_other_datasets_get_no_gradient_from_a_face() -> None:
    import torch

    scores = torch.randn(4, 3, requires_grad=True)
    among = torch.tensor([[True, True, False]] * 4)
    torch.nn.functional.cross_entropy(_masked(scores, among), torch.tensor([0, 1, 0, 1])).backward()
    assert scores.grad is not None
    assert (scores.grad[:, 2] == 0).all()
    assert (scores.grad[:, :2] != 0).all()


def test_the_mask_allows_the_classes_with_a_member_in_the_face_s_dataset(faces_at: Path) -> None:
    faces = read_faces(faces_at)
    plan = unmerged_plan(faces.category.tolist())
    merged = replace(plan, classes={**plan.classes, "A_FaceSwap": "joint", "B_Paste": "joint"})
    assert within_dataset_mask(faces, merged, TrainSettings()) is None
    result = within_dataset_mask(faces, merged, TrainSettings(loss="within-dataset"))
    assert result is not None
    for row in range(0, len(faces), 7):
        own = {merged.classes[c] for c in set(faces.category[faces.dataset == faces.dataset[row]].tolist())}
        allowed = result.for_rows(np.array([row]))[0]
        assert {name for name, may in zip(merged.names, allowed.tolist(), strict=True) if may} == own
        assert merged.classes[str(faces.category[row])] in own


def test_accuracy_is_the_share_of_faces_and_balanced_the_mean_over_classes(pixels: Pixels) -> None:
    """A network that always answers one class, on faces of which most are of that class."""
    network = build_classifier(REGISTRY.build("backbone", TINY), len(PLAN.names))
    with torch.no_grad():
        network.head.weight.zero_()  # type: ignore[union-attr,operator]
        network.head.bias.copy_(torch.eye(len(PLAN.names))[0])  # type: ignore[union-attr,operator]
    examples, _ = choose_examples(pixels.faces, PLAN, QUICK)
    first, others = np.flatnonzero(examples.targets == 0), np.flatnonzero(examples.targets == 1)
    few = examples.take(np.concatenate([first[:6], others[:2]]))
    assert measure_accuracy(make_fabric("32"), network, pixels, few, 4) == Accuracy(6 / 8, 1 / 2)
    assert measure_accuracy(make_fabric("32"), network, pixels, few.take(slice(0, 0)), 4) is None
