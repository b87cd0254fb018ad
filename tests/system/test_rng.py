"""Random orders: the same on every machine, and stable when names are added."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kce.system.rng import hash_order, hash_rank

NAMES = st.lists(st.text(st.characters(blacklist_characters="\0"), max_size=4), unique=True, max_size=12)


@given(NAMES, st.integers(0, 2**63))
def test_an_order_has_every_index_once_and_does_not_depend_on_the_order_of_names(names: list[str], seed: int) -> None:
    order = hash_order(seed, names)
    assert sorted(order) == list(range(len(names)))
    backwards = names[::-1]
    assert [names[i] for i in order] == [backwards[i] for i in hash_order(seed, backwards)]


@given(NAMES, st.data())
def test_a_name_that_is_added_leaves_the_others_in_their_order(names: list[str], data: st.DataObject) -> None:
    some = [name for name in names if data.draw(st.booleans())]
    ordered = [names[i] for i in hash_order(0, names)]
    assert [name for name in ordered if name in some] == [some[i] for i in hash_order(0, some)]


def test_seed_and_purpose_make_other_orders() -> None:
    names = [str(number) for number in range(50)]
    orders = {tuple(hash_order(seed, names, *purpose)) for seed in (0, 1) for purpose in ((), ("a",), ("b",))}
    assert len(orders) == 6


def test_a_name_that_is_not_utf8_has_a_rank() -> None:
    assert hash_rank(0, "\udcff") != hash_rank(0, "\udcfe")
