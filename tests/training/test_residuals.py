"""Residuals: flat pictures and slopes have none, fine patterns all, and the backbones that take them see them."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d, pad

from kce import residuals
from kce.registry.registry import Registry


def test_flat_pictures_and_slopes_have_none() -> None:
    slope = torch.linspace(0, 1, 16).expand(1, 3, 16, 16)
    torch.testing.assert_close(residuals(torch.full((2, 3, 8, 8), 0.7)), torch.full((2, 3, 8, 8), 0.5))
    torch.testing.assert_close(residuals(slope)[..., 1:-1], torch.full((1, 3, 16, 14), 0.5))


def test_it_is_linear_and_ignores_brightness() -> None:
    one, other = torch.rand(1, 3, 12, 12), torch.rand(1, 3, 12, 12)
    torch.testing.assert_close(residuals(one + other) - 0.5, residuals(one) + residuals(other) - 1)
    torch.testing.assert_close(residuals(one + 0.2), residuals(one), rtol=0, atol=1e-5)
    means = avg_pool2d(pad(one, (1, 1, 1, 1), mode="reflect"), 3, 1)
    torch.testing.assert_close(residuals(one), 0.5 + 4 * (one - means))


def test_the_picture_is_not_changed() -> None:
    one = torch.rand(1, 3, 12, 12)
    before = one.clone()
    residuals(one)
    torch.testing.assert_close(one, before, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["tiny:size=32", "resnet18:size=32"])
def test_backbones_see_them_if_they_are_told_to(name: str) -> None:
    plain = Registry.shipped().build("backbone", name).eval()
    other = Registry.shipped().build("backbone", f"{name},residual=true").eval()
    other.load_state_dict(plain.state_dict())
    faces = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(other(faces), plain(residuals(faces)))
        assert not torch.allclose(other(faces), plain(faces))
