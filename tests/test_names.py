"""The names that rooms share."""

from tftrain.names import COMPILES, MIXED, MODES, PARTS, PRECISIONS, State


def test_what_is_made_of_other_names() -> None:
    assert set(COMPILES) == {"auto", *MODES}
    assert MIXED in PRECISIONS


def test_parts_and_states_are_plain_texts() -> None:
    assert PARTS == ("train", "validation", "test")
    assert f"{State.RUNNING}" == "running"
