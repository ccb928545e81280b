"""Random networks of every shape and size: all are right, so none may be found wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import INPUTS, LOSSES, OPTIMIZERS, Case

from tftrain.nn import ACTIVATIONS

widths = st.integers(1, 300) | st.integers(1, 8)


@st.composite
def cases(draw: st.DrawFn, deepest: int = 30) -> Case:
    depth = draw(st.integers(1, deepest))
    return Case(
        widths=tuple(draw(st.lists(widths, min_size=depth + 1, max_size=depth + 1))),
        activations=tuple(
            draw(st.lists(st.sampled_from(sorted(ACTIVATIONS)), min_size=depth, max_size=depth))
        ),
        batch=draw(st.integers(1, 8) | st.integers(1, 500)),
        decade=draw(st.floats(-6, 6)),
        inputs=draw(st.sampled_from(INPUTS)),
        loss=draw(st.sampled_from(LOSSES)),
        optimizer=draw(st.none() | st.sampled_from(sorted(OPTIMIZERS))),
        weighted=draw(st.booleans()),
        l2=draw(st.sampled_from([0.0, 0.01])),
        dtype=draw(st.sampled_from(["float32", "float64"])),
        mode=draw(st.sampled_from(["eager", "eager", "eager", "graph", "graph", "xla"])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def check(case: Case) -> None:
    report = case.report()
    assert report.ok, report.verdict


@settings(max_examples=3, deadline=None, derandomize=True, print_blob=True)
@given(cases(deepest=6))
def test_no_false_alarm(case: Case) -> None:
    check(case)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True, print_blob=True)
@given(cases())
def test_no_false_alarm_in_a_hundred(case: Case) -> None:
    check(case)
