"""Documents as nobody should write them: a valid one, changed in one or two places."""

from __future__ import annotations

import copy
import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import tomlkit
from hypothesis import strategies as st

DEEP: Any = []
for _ in range(60):
    DEEP = [DEEP]

ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 3, 10**9, 2**31, 2**63, 4 * 10**18, 10**30, -(10**18),
    0.0, 0.5, -0.5, 1e-320, 1e308, math.inf, -math.inf, math.nan,
    "", " ", "a", "x" * 5000, "\0", "a\nb", "none", "name", "clusters", "/dev/zero", "../..", "/", ".", "~", "é" * 40,
    "[red]x[/red]", "<script>", "\x1b[31m", ":", "a:b", "kmeans:", "kmeans:n_clusters=0", "kmeans:n_clusters=-3",
    "kmeans:seed=-1", "tiny:size=100000", "tiny:size=0", "pca:n_components=0", "calinski-harabasz:x=1", "agreement",
    "agreement:truth=/dev/zero", "agreement:n_init=-1", "flip", "1e999", "0x10", "2020-01-01",
    [], [[]], ["a"], [[["a"]]], ["a", "a"], [1, "a"], {}, {"a": 1}, {"": ""}, {"a": {"b": {"c": []}}}, DEEP,
    ["a"] * 2000,
    dt.date(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59), dt.time(0, 0),
)  # fmt: skip
"""Of every type, and some of no reason at all."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key and item below a value."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def _at(table: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        table = table[key]
    return table


@st.composite
def changed_tables(draw: st.DrawFn, table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with one or two keys replaced, removed, misspelt, added, wrapped in a list or written twice."""
    changed = copy.deepcopy(dict(table))
    for _ in range(draw(st.integers(1, 2))):
        known = list(places(changed))
        if not known:
            break
        *above, key = draw(st.sampled_from(known))
        holder = _at(changed, tuple(above))
        how = draw(st.sampled_from(["replace"] * 5 + ["remove", "misspell", "add", "wrap", "unwrap"]))
        odd = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
        if how == "replace":
            holder[key] = odd
        elif how == "remove":
            del holder[key]
        elif how == "wrap":
            holder[key] = [holder[key]]
        elif how == "unwrap" and isinstance(holder[key], list) and holder[key]:
            holder[key] = holder[key][0]
        elif isinstance(holder, dict):
            new = draw(
                st.sampled_from([f"{key}s", str(key)[:-1], str(key).upper(), "no such key", "", "a.b", "x" * 3000])
            )
            holder[new] = holder.pop(key) if how == "misspell" else odd
        else:
            holder.append(odd)
    return changed


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes) -> bytes:  # noqa: PLR0911 - one return for each kind of damage
    """The bytes of a file as other editors, other machines and bad disks leave them."""
    how = draw(st.sampled_from(range(10)))
    at = draw(st.integers(0, len(data)))
    if how == 0:
        return b"\xef\xbb\xbf" + data
    if how == 1:
        return data.replace(b"\n", b"\r\n")
    if how == 2:
        return data.decode().encode(draw(st.sampled_from(["utf-16", "utf-32-le", "cp037"])), "replace")
    if how == 3:
        return data[:at]
    if how == 4:
        return data[:at] + draw(st.binary(min_size=1, max_size=4)) + data[at + 4 :]
    if how == 5:
        return data + data
    if how == 6:
        return (
            data[:at]
            + draw(st.sampled_from([b"[" * 20000, b"{" * 20000, b'"' * 3, b"#", b"\0", b"\n", b"\r"]))
            + data[at:]
        )
    if how == 7:
        lines = data.splitlines(keepends=True)
        number = draw(st.integers(0, max(len(lines) - 1, 0)))
        return b"".join(lines[: number + 1] + lines[number:])
    if how == 8:
        return b"9" * 5000 + data
    return draw(st.sampled_from([b"", b"\n", b"null", b"[]", b"3", b'"a"', b"{}", b"\x80\x04N.", b"PK\x03\x04"]))


def as_bytes(table: Mapping[str, Any], suffix: str) -> bytes:
    """The table as a file; what TOML and JSON cannot write is left out, or written as text."""
    if suffix in (".json", ".jsonl"):
        return json.dumps(table, default=str).encode("utf-8", "replace")
    return tomlkit.dumps(_writable(table)).encode("utf-8", "replace")


def _writable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _writable(item) for key, item in value.items() if item is not None}
    return [_writable(item) for item in value if item is not None] if isinstance(value, list) else value


def hostile_files(table: Mapping[str, Any], suffix: str) -> st.SearchStrategy[bytes]:
    """Files that are a changed table, or a valid one whose bytes were changed."""
    tables = changed_tables(table).map(lambda changed: as_bytes(changed, suffix))
    return st.one_of(tables, tables, tables, changed_bytes(as_bytes(table, suffix)))
