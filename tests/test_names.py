"""The names that rooms share, and the rooms that cannot take them from there or have not yet."""

from typing import get_args

from tftrain import nn
from tftrain.names import DTYPES, MIXED, MODES, PARTS, Compile, Precision, State
from tftrain.training import engine, recorder


def test_rooms_agree_on_modes_dtypes_and_precisions() -> None:
    assert recorder.TRACED_MODES == MODES
    assert get_args(Compile) == engine.MODES
    assert set(get_args(Compile)) == {"auto", *MODES}
    assert nn.DTYPES == DTYPES
    assert get_args(Precision) == nn.PRECISIONS
    assert nn.MIXED == MIXED


def test_parts_and_states_are_plain_texts() -> None:
    assert PARTS == ("train", "validation", "test")
    assert f"{State.RUNNING}" == "running"
