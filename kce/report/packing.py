"""Columns as a page stores them: numbers as base64, texts that repeat as numbers of a list. `faces.js` unpacks them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pack_array(values: NDArray[Any]) -> dict[str, str]:
    """Pack numbers in any shape, in the smallest type that holds them; floats as float32.

    Example:
        >>> pack_array(np.array([-1, 2]))
        {'dtype': 'i2', 'bdata': '//8CAA=='}
    """
    if values.dtype.kind != "f":
        small = not values.size or (values.min() >= -(2**15) and values.max() < 2**15)
        values = values.astype("<i2" if small else "<i4")
    else:
        values = values.astype("<f4")
    return {"dtype": values.dtype.str[1:], "bdata": base64.b64encode(values.tobytes()).decode()}


def pack_texts(texts: Sequence[str]) -> dict[str, Any]:
    """Pack texts, few of which are different.

    Example:
        >>> pack_texts(["b", "a", "b"])["texts"]
        ['b', 'a']
    """
    number = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return {"texts": list(number), "codes": pack_array(np.array([number[text] for text in texts], np.int32))}
