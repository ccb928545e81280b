"""Random networks of every shape and size: all are right, so none may be found wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.networks import FAULTS, INPUTS, LOSSES, OPTIMIZERS, Case, draw_strangers
from tests.support.parameters import slow_unless
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
@settings(max_examples=20, deadline=None, derandomize=True, print_blob=True)
@given(cases())
def test_no_false_alarm_in_deep_networks(case: Case) -> None:
    check(case)


FOUND = {
    3: "huge inputs, whose gradients overflow",
    9: "a penalty that is larger than the gradient",
    132: "a saturated softmax, rounded otherwise by XLA",
    163: "inputs over decades before a clip",
    264: "gradients that are zero in one program and nearly so in the other",
    322: "a softmax of huge numbers",
    773: "a row of zeros among rows of huge numbers, before a softmax",
    1188: "points on kinks, which rounding hides in the smallest differences",
    1957: "outputs that are constant but for a narrow range",
    2156: "shares of a variable that overflow in both directions",
    2652: "a saturated function, whose slope is far below what it does nearby",
    2778: "extrapolations that agree by chance",
    3047: "a gradient that overflows in one program alone",
    3355: "products below the smallest normal number",
    4190: "deltas below the smallest normal number, times huge inputs",
    4374: "a kink that is first missed at the seventh of the differences",
}
"""Seeds of right networks with strangers that once were found wrong, and what is odd in them."""


@pytest.mark.parametrize("seed", slow_unless(lambda seed: seed in (9, 163, 773, 1957), FOUND))
def test_strangers_of_every_kind_are_no_false_alarm(seed: int) -> None:
    case, _ = draw_strangers(seed)
    check(case)


@pytest.mark.parametrize("fault", slow_unless(lambda fault: fault in ("weight", "share"), FAULTS))
def test_a_fault_in_a_stranger_is_found(fault: str) -> None:
    case = Case(
        widths=(4, 6, 6, 6, 2),
        activations=("tanh", "relu", "sort", "normalise"),
        batch=24,
        decade=0.0,
        inputs="normal",
        loss="mse",
        optimizer=None,
        weighted=True,
        l2=0.01,
        dtype="float32",
        mode="graph",
        seed=1,
        kinds=("lazy", "unregistered", "shared", "unregistered"),
    )
    check(case)
    report = case.report((2, fault))
    assert {failure.node for failure in report.failures} <= {"2 Stranger", "3 Stranger"}
    assert not report.ok
