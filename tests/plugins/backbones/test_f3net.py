"""F3-Net against the paper's definitions and the arithmetic of its parts."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from kce.errors import BadData, KCEError
from kce.registry.registry import Registry
from kce.training.train import build_classifier
from plugins.backbones import f3net

REGISTRY = Registry.load(Path("/"))
XCEPTION = 20_806_952  # parameters of timm's legacy_xception without a head


def build(spec: str) -> nn.Module:
    torch.manual_seed(0)
    return REGISTRY.build("backbone", spec).eval()


def faces(n: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def opened(network: nn.Module) -> nn.Module:
    """The network with its gates open and its filters learnt, as somewhere in a training."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("_gate"):
                parameter.fill_(1.0)
            elif name.endswith(".learnable"):
                parameter.normal_(0, 0.1)
    return network


# The transforms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 64, 224, 256, 299])
def test_the_dct_is_orthonormal_and_the_one_that_scipy_computes(size: int) -> None:
    matrix = f3net.dct_matrix(size).float()
    assert (matrix @ matrix.T - torch.eye(size)).abs().max() < 1e-5
    picture = np.random.default_rng(0).random((size, size))
    ours = (matrix @ torch.tensor(picture).float() @ matrix.T).numpy()
    np.testing.assert_allclose(ours, scipy.fft.dctn(picture, norm="ortho"), atol=1e-4)


@pytest.mark.parametrize("size", [*range(48, 66), 224, 256, 299])
def test_fad_bands_have_a_sixteenth_a_sixteenth_and_seven_eighths_of_the_area(size: int) -> None:
    bands = f3net.diagonal_bands(size, f3net.FAD_SHARES)
    np.testing.assert_allclose(bands.mean((1, 2)), [1 / 16, 1 / 16, 7 / 8], atol=0.01)


@pytest.mark.parametrize(("size", "shares"), [(64, (1, 1, 14)), (299, (1, 1, 14)), (10, (1,) * 6)])
def test_every_coefficient_is_in_one_band_and_low_frequencies_come_first(size: int, shares: tuple[int, ...]) -> None:
    bands = f3net.diagonal_bands(size, shares)
    assert torch.equal(bands.sum(0), torch.ones(size, size))
    assert bands[0, 0, 0] == 1
    diagonal = torch.arange(size)[:, None] + torch.arange(size)
    for low, high in pairwise(bands):
        assert diagonal[low > 0].max() < diagonal[high > 0].min()
    # Whole diagonals cannot divide the area better than to about half of the longest.
    np.testing.assert_allclose(bands.sum((1, 2)), size**2 * np.array(shares) / sum(shares), atol=size / 2)


def test_filters_are_squashed_as_the_paper_writes_it() -> None:
    x = torch.linspace(-8, 8, 101, dtype=torch.float64)
    torch.testing.assert_close(f3net.squash(x), (1 - torch.exp(-x)) / (1 + torch.exp(-x)))
    assert f3net.squash(torch.tensor([-1e4, 1e4])).tolist() == [-1, 1]  # the formula itself would overflow


@pytest.mark.parametrize("size", [64, 224, 256, 299])
def test_unlearnt_bands_add_up_to_the_picture(size: int) -> None:
    fad = f3net._fad(size)
    picture = 2 * faces(1, size) - 1
    bands = fad(picture).view(1, 3, 3, size, size)
    torch.testing.assert_close(bands.sum(1), picture, rtol=0, atol=1e-5)
    # The mean is in the low band; what is left in the others has none.
    torch.testing.assert_close(bands[:, 0].mean((2, 3)), picture.mean((2, 3)), rtol=0, atol=1e-5)
    assert bands[:, 1:].mean((3, 4)).abs().max() < 1e-6


def test_a_learnt_filter_changes_its_own_band_by_its_own_coefficient() -> None:
    fad = f3net._fad(32)
    picture = 2 * faces(1, 32) - 1
    before = fad(picture).view(3, 3, 32, 32)
    with torch.no_grad():
        fad.learnable[2, 4, 5] = 1.5
    change = (fad(picture).view(3, 3, 32, 32) - before).detach()
    assert change[:2].abs().max() == 0
    spectrum = scipy.fft.dctn(change[2].numpy(), axes=(1, 2), norm="ortho")
    expected = math.tanh(0.75) * scipy.fft.dctn(picture[0].numpy(), axes=(1, 2), norm="ortho")[:, 4, 5]
    np.testing.assert_allclose(spectrum[:, 4, 5], expected, atol=1e-5)
    spectrum[:, 4, 5] = 0
    assert np.abs(spectrum).max() < 1e-5


@pytest.mark.parametrize("size", [32, 33, 299])
def test_local_statistics_are_those_of_a_loop_over_windows(size: int) -> None:
    lfs = opened(f3net._lfs())
    x = faces(1, size)
    maps = lfs(x)[0].detach().numpy()
    side = (size - 1) // 2
    assert maps.shape == (6, side, side)
    grey = np.tensordot([0.299, 0.587, 0.114], 255 * x[0].numpy(), 1)
    grey = np.pad(grey, (3, 4), mode="reflect")
    filters = (lfs.base + f3net.squash(lfs.learnable)).detach().numpy()
    for i, j in [(0, 0), (3, side // 2), (side // 2, 1), (side - 1, side - 1)]:
        spectrum = scipy.fft.dctn(grey[2 * i : 2 * i + 10, 2 * j : 2 * j + 10], norm="ortho")
        sums = np.abs(spectrum * filters).sum((1, 2))  # filter, then sum, then logarithm
        np.testing.assert_allclose(maps[:, i, j], np.log10(1 + sums), atol=1e-4)


def test_local_statistics_of_flat_black_and_extreme_faces_are_finite_and_in_range() -> None:
    lfs = f3net._lfs()
    with torch.no_grad():
        lfs.learnable.zero_()
    assert lfs(torch.zeros(1, 3, 32, 32)).abs().max() == 0
    flat = lfs(torch.full((1, 3, 32, 32), 0.5))[0]
    # Ten times the grey level is all a flat window has, and it is in the lowest band.
    torch.testing.assert_close(flat[0], torch.full_like(flat[0], math.log10(1 + 1275)))
    assert flat[1:].abs().max() < 1e-3
    with torch.no_grad():
        lfs.learnable.fill_(50.0)  # every filter at its bounds: 1 outside its band, 2 inside
    checks = ((torch.arange(32)[:, None] + torch.arange(32)) % 2).float().expand(1, 3, 32, 32)
    for extreme in (torch.ones(1, 3, 32, 32), checks, faces(1, 32).round()):
        sums = 10 ** lfs(extreme) - 1
        assert sums.max() <= 2 * f3net.LFS_MAX < torch.finfo(torch.float16).max


def test_a_doubled_contrast_shifts_the_logarithm() -> None:
    lfs = f3net._lfs()
    x = faces(1, 32) / 2
    # Noise is far above the floor of one grey level, so log10 2 it is.
    torch.testing.assert_close(lfs(2 * x) - lfs(x), torch.tensor(math.log10(2)).expand(1, 6, 15, 15), rtol=0, atol=0.01)


# Sizes and parameters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "dim"),
    [
        ("f3net:size=64", 4096),
        ("f3net-mix:size=64", 4096),
        ("f3net-both:size=64", 4096),
        ("f3net-fad:size=64", 2048),
        ("f3net-lfs:size=64", 2048),
        ("f3net-tiny", 256),
        ("f3net-tiny:width=4,mode=fad,size=32", 32),
    ],
)
def test_faces_in_pooled_features_out_whoever_the_neighbours_are(spec: str, dim: int) -> None:
    network = opened(build(spec))
    x = faces(3, network.size)
    with torch.inference_mode():
        features = network(x)
        assert features.shape == (3, network.dim) == (3, dim)
        assert features.min() >= 0  # they come after the last ReLU
        assert torch.equal(network(x), features)
        np.testing.assert_allclose(network(x[1:2])[0], features[1], rtol=1e-3, atol=1e-5)
        last = network.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
        np.testing.assert_allclose(last, features, rtol=1e-3, atol=1e-5)


def sides(trunk: nn.Module, maps: dict[str, int]) -> list[torch.utils.hooks.RemovableHandle]:
    return [
        module.register_forward_hook(lambda _, __, out, name=name: maps.__setitem__(name, out.shape[-1]))
        for name, module in trunk.named_children()
        if name.startswith(("conv", "block"))
    ]


@pytest.mark.parametrize(
    ("size", "path"),
    [
        (299, {"conv1": 149, "conv2": 147, "block1": 74, "block2": 37, "block3": 19, "block7": 19, "block12": 10}),
        (256, {"conv1": 127, "block7": 16, "block12": 8}),
        (224, {"conv1": 111, "block7": 14, "block12": 7}),
        (64, {"conv1": 31, "block7": 4, "block12": 2}),
        (296, {"conv1": 147, "block7": 19, "block12": 10}),  # public padding gives 18 in one trunk, 19 in the other
        (33, {}),
    ],
)
def test_the_maps_of_both_trunks_have_the_paper_s_sides_and_agree(size: int, path: dict[str, int]) -> None:
    network = build(f"f3net:size={size}")
    fad: dict[str, int] = {}
    lfs: dict[str, int] = {}
    handles = [*sides(network.fad_trunk, fad), *sides(network.lfs_trunk, lfs)]
    assert handles
    with torch.inference_mode():
        network(faces(1, size))
    assert fad == lfs
    assert path.items() <= fad.items()


def test_windows_slide_to_as_many_places_as_the_other_trunk_s_first_convolution_has() -> None:
    lfs, first = f3net._lfs(), nn.Conv2d(3, 1, 3, 2)
    mix = build("f3net-tiny:width=1")
    with torch.inference_mode():
        for size in range(32, 120):
            x = faces(1, size)
            assert lfs(x).shape[2:] == first(x).shape[2:] == 2 * ((size - 1) // 2,)
            mix.fad = f3net._fad(size)
            assert mix(x).shape == (1, 16)  # maps of two sides could not be mixed


@pytest.mark.parametrize(
    ("channels", "parameters"), [(3, XCEPTION), (6, 20_807_816), (9, 20_808_680), (12, 20_809_544)]
)
def test_the_trunk_is_timm_s_with_more_channels(channels: int, parameters: int) -> None:
    trunk = timm.create_model("legacy_xception", in_chans=channels, num_classes=0)
    assert count(trunk) == parameters
    assert count(classifier_of(trunk, 2)) == parameters + 4_098
    if channels == 3:
        assert count(classifier_of(trunk, 2)) == 20_811_050
        assert count(timm.create_model("legacy_xception")) == 22_855_952


def classifier_of(trunk: nn.Module, classes: int) -> nn.Module:
    trunk.dim = trunk.num_features
    return build_classifier(trunk, classes)


@pytest.mark.parametrize(("channels", "parameters"), [(728, 2_128_674), (1024, 4_206_594)])
def test_a_mix_block_has_as_many_parameters_as_the_public_form(channels: int, parameters: int) -> None:
    assert count(f3net._mix_block(channels)) == parameters


# Public codes have a fourth band of everything: 3 channels x 32 filters x 9, and a learnt filter as large as the face.
def fourth_band(size: int) -> int:
    return 864 + size**2


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ("f3net-fad:size=299", 21_080_981),
        ("f3net-fad:size=299", 21_171_246 - fourth_band(299)),
        ("f3net-fad:size=256", 21_075_786 - fourth_band(256)),
        ("f3net-lfs:size=299", 20_807_816 + 600 + 4_098),
        ("f3net-both:size=299", 41_983_758 - fourth_band(299)),
        ("f3net:size=299", 48_319_026 - fourth_band(299)),
    ],
)
def test_the_networks_with_two_classes_have_the_parameters_of_their_parts(spec: str, parameters: int) -> None:
    network = build_classifier(build(spec), 2)
    assert count(network) == parameters
    assert all(p.requires_grad for p in network.parameters())
    # DCT and base filters follow from the size: neither counted nor saved.
    assert not [name for name in network.state_dict() if name.endswith((".dct", ".base", ".luma"))]


# Training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["f3net:size=64", "f3net-tiny"])
def test_gradients_reach_every_parameter_that_features_depend_on(spec: str) -> None:
    network = opened(build(spec))
    network(faces(2, 64)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if not name.endswith("_key.bias"):
            assert parameter.grad.abs().max() > 0, name


def test_a_key_s_bias_shifts_whole_rows_so_the_softmax_cancels_it() -> None:
    block = opened(f3net._mix_block(8)).double().eval()
    fad, lfs = torch.randn(2, 2, 8, 5, 5, dtype=torch.float64)
    before = block(fad, lfs)
    with torch.no_grad():
        block.fad_key.bias += 3
        block.lfs_key.bias -= 2
    torch.testing.assert_close(block(fad, lfs), before)
    with torch.no_grad():
        block.fad_query.bias += 3
    assert not torch.allclose(block(fad, lfs)[0], before[0])


def test_off_band_filters_of_the_statistics_can_learn_from_the_start() -> None:
    lfs = f3net._lfs()
    lfs(faces(1, 32)).sum().backward()
    assert (lfs.learnable.grad != 0).all()
    assert lfs.learnable.abs().max() < 0.01


def test_a_fresh_mix_is_both_streams_untouched_and_a_few_steps_move_everything() -> None:
    mix, both = build("f3net-tiny"), build("f3net-tiny:mode=both")
    both.load_state_dict({k: v for k, v in mix.state_dict().items() if not k.startswith("mix.")})
    x = faces(4, 64)
    assert torch.equal(mix(x), both(x))
    before = {name: p.detach().clone() for name, p in mix.named_parameters()}
    optimizer = torch.optim.SGD(mix.parameters(), lr=0.1)
    mix.train()
    for _ in range(3):  # the gates first, then what is behind them
        optimizer.zero_grad()
        mix(x).square().sum().backward()
        optimizer.step()
    still = {name for name, p in mix.named_parameters() if torch.equal(p, before[name])}
    # A bias before a batch's normalisation, or shared by a softmax's row, is cancelled up to rounding.
    assert {name for name in still if not name.endswith(("_key.bias", ".0.bias"))} == set()


def test_what_one_attends_to_is_what_both_maps_say() -> None:
    block = opened(f3net._mix_block(4)).eval()
    fad, lfs = torch.randn(2, 1, 4, 6, 6)
    queries = torch.cat([block.fad_query(fad), block.lfs_query(lfs)], dim=3)  # 6 x 12 for each channel
    keys = torch.cat([block.fad_key(fad), block.lfs_key(lfs)], dim=3)
    attention = (queries @ keys.transpose(2, 3)).softmax(-1)
    torch.testing.assert_close(attention.sum(-1), torch.ones(1, 4, 6))
    mixed = block(fad, lfs)
    torch.testing.assert_close(mixed[0], fad + math.tanh(0.5) * block.to_fad(attention * lfs))
    torch.testing.assert_close(mixed[1], lfs + math.tanh(0.5) * block.to_lfs(attention * fad))


@pytest.mark.parametrize(
    ("spec", "dtype"),
    [
        ("f3net-tiny", torch.bfloat16),
        ("f3net-tiny", torch.float16),
        pytest.param("f3net:size=64", torch.bfloat16, marks=pytest.mark.slow),
        pytest.param("f3net:size=64", torch.float16, marks=pytest.mark.slow),
    ],
)
def test_mixed_precision_gives_no_nan_and_leaves_the_transforms_exact(spec: str, dtype: torch.dtype) -> None:
    network = opened(build(spec))
    hard = torch.stack([torch.zeros(3, 64, 64), torch.ones(3, 64, 64), faces(1, 64)[0], faces(1, 64)[0].round()])
    heads = network.fad(hard), network.lfs(hard)
    with torch.autocast("cpu", dtype):
        features = network(hard)
        assert torch.equal(network.fad(hard), heads[0])
        assert torch.equal(network.lfs(hard), heads[1])
    assert features.dtype == dtype
    assert torch.isfinite(features).all()
    features.float().square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
    exact = network(hard)
    assert (features - exact).norm() < 0.05 * exact.norm()


def test_large_maps_do_not_overflow_the_attention_in_half_precision() -> None:
    block = opened(f3net._mix_block(8)).eval()
    fad, lfs = 3e3 * torch.randn(2, 1, 8, 19, 19)
    with torch.autocast("cpu", torch.float16):
        q, k = block.fad_query(fad), block.fad_key(fad)
        assert not torch.isfinite(q @ k.transpose(2, 3)).all()  # what float16 would make of it
        assert all(torch.isfinite(out).all() for out in block(fad, lfs))


@pytest.mark.parametrize("spec", ["f3net-tiny", pytest.param("f3net:size=299", marks=pytest.mark.slow)])
def test_the_network_can_be_exported_for_any_number_of_faces(spec: str) -> None:
    network = opened(build(spec))
    x = faces(2, network.size)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(network, (x,), dynamic_shapes=({0: batch},))
    with torch.inference_mode():
        more = faces(3, network.size, seed=1)
        torch.testing.assert_close(program.module()(more), network(more), rtol=1e-4, atol=1e-5)


def test_both_trunks_are_fed_the_range_that_xception_is_made_for() -> None:
    network = build("f3net-tiny")
    fed: list[torch.Tensor] = []
    for trunk in (network.fad_trunk, network.lfs_trunk):
        trunk.conv1.register_forward_pre_hook(lambda _, given: fed.append(given[0]))
    x = torch.cat([faces(1, 64), torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)])
    with torch.inference_mode():
        network(x)
        fad, lfs = fed
        torch.testing.assert_close(fad.unflatten(1, (3, 3)).sum(1), 2 * x - 1, rtol=0, atol=1e-5)
        torch.testing.assert_close(
            10 ** ((lfs + 1) / 2 * math.log10(25_501)) - 1, 10 ** network.lfs(x) - 1, rtol=1e-3, atol=1e-2
        )
    assert lfs.min() >= -1
    assert lfs.max() <= 1


# Weights ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def xception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain Xception as forensics saves it: matrices for pointwise convolutions, a head named last_linear."""
    torch.manual_seed(1)
    state = timm.create_model("legacy_xception", num_classes=2).state_dict()
    for name in list(state):
        if name.endswith("pointwise.weight"):
            state[name] = state[name][:, :, 0, 0]
        elif name.startswith("fc."):
            state[name.replace("fc.", "last_linear.")] = state.pop(name)
    file = tmp_path_factory.mktemp("weights") / "xception.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, file)
    return file


def test_from_a_plain_xception_fad_starts_as_that_xception(xception_file: Path) -> None:
    plain = build(f"xception:size=64,weights={xception_file}")
    network = build(f"f3net-fad:size=64,weights={xception_file}")
    x = faces(2, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), plain(x), rtol=1e-3, atol=1e-5)


def test_from_a_plain_xception_lfs_responds_to_equal_maps_as_that_xception_to_a_grey_face(xception_file: Path) -> None:
    plain = build(f"xception:size=64,weights={xception_file}").net.conv1
    first = build(f"f3net:size=64,weights={xception_file}").lfs_trunk.conv1
    grey = faces(1, 64)[:, :1]
    with torch.inference_mode():
        ours = nn.functional.conv2d(grey.repeat(1, 6, 1, 1), first.weight, stride=2)
        torch.testing.assert_close(ours, plain(grey.repeat(1, 3, 1, 1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", ["f3net-tiny", "f3net-fad:size=64", "f3net-tiny:mode=lfs"])
@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_its_own_weights_come_back(spec: str, prefix: str, tmp_path: Path) -> None:
    network = opened(build(spec))
    file = tmp_path / "w.safetensors"
    save_file({prefix + name: value.contiguous() for name, value in network.state_dict().items()}, file)
    again = REGISTRY.build("backbone", f"{spec}{',' if ':' in spec else ':'}weights={file}").eval()
    x = faces(2, 64)
    assert torch.equal(again(x), network(x))


def test_weights_of_another_mode_or_size_are_refused(tmp_path: Path) -> None:
    torch.save(build("f3net-tiny").state_dict(), tmp_path / "w.pth")
    with pytest.raises(BadData, match="unexpected lfs"):
        build(f"f3net-tiny:mode=fad,weights={tmp_path / 'w.pth'}")
    with pytest.raises(BadData, match=r"of another shape fad\.learnable"):
        build(f"f3net-tiny:size=32,weights={tmp_path / 'w.pth'}")


@pytest.mark.parametrize(
    "spec",
    [
        "f3net:size=31",
        "f3net-tiny:size=8",
        "f3net-tiny:width=0",
        "f3net-tiny:mode=all",
        "f3net-tiny:weights=pretrained",
    ],
)
def test_what_cannot_be_built_says_what_could(spec: str) -> None:
    with pytest.raises(KCEError) as error:
        build(spec)
    assert error.value.hint


def test_pretrained_weights_that_cannot_be_fetched_say_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(KCEError, match="cannot be downloaded"):
        build("f3net-fad:size=64,weights=pretrained")
