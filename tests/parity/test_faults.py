"""Mutation tests of the checker: every planted fault is caught, and its place named."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.faults import DTYPES, FAULTLESS, FAULTS, OPTIMIZER, Case, Fault
from tests.support.parameters import slow, slow_unless
from tftrain.parity import Report

SAMPLE = [
    fault
    for fault in FAULTS
    if fault.name
    in ("dx not transposed", "dW element slightly off", "weights squared", "adam a step behind")
]
"""What the slower modes are tried on."""

every_dtype = pytest.mark.parametrize("dtype", slow_unless("float32".__eq__, DTYPES))


def named(report: Report) -> set[str]:
    """Return the nodes at which a node by itself, the loss or an update is found wrong.

    A gradient from end to end ("as trained") is wrong before the fault too, as it must be.
    """
    return {c.node for c in report.failures if not c.quantity.endswith("as trained")}


def assert_caught(fault: Fault, report: Report) -> None:
    assert not report.ok, f"missed: {fault.name}"
    places = [check.where for check in report.failures]
    if fault.name.startswith("stale"):  # it hides what it remembers in a slot: caught as well
        places.remove("optimizer: slots")
    assert places[0] == fault.where
    assert fault.where in report.verdict
    if not fault.everywhere:
        assert named(report) == {fault.node}


def in_some_dtypes() -> Iterator[Any]:
    """Yield each fault with a dtype, and every other one with its other dtype as well."""
    for number, fault in enumerate(FAULTS):
        first, *others = fault.dtypes if number % 2 == 0 else fault.dtypes[::-1]
        yield (fault, first) if number % 2 == 0 else slow(fault, first)
        yield from (slow(fault, dtype) for dtype in others if number % 4 < 2)


@pytest.mark.parametrize(("fault", "dtype"), list(in_some_dtypes()), ids=str)
def test_fault_is_caught_and_its_place_named(fault: Fault, dtype: str) -> None:
    assert_caught(fault, fault.plant(dtype).check())


@pytest.mark.parametrize("fault", slow_unless(SAMPLE[0].__eq__, SAMPLE), ids=str)
@pytest.mark.parametrize(("mode", "dtype"), [("eager", "float32"), ("xla", "float64")])
def test_fault_is_caught_in_the_other_modes(fault: Fault, mode: str, dtype: str) -> None:
    assert_caught(fault, fault.plant(dtype).check([mode]))


@every_dtype
@pytest.mark.parametrize("build", FAULTLESS.values(), ids=FAULTLESS)
def test_without_the_fault_nothing_is_found(build: Callable[[str], Case], dtype: str) -> None:
    report = build(dtype).check()
    assert report.ok, report.verdict


def test_a_fault_is_found_in_each_mode_that_is_asked_for() -> None:
    fault = SAMPLE[1]
    report = fault.plant("float64").check(["eager", "graph"])
    assert {check.mode for check in report.failures} == {"eager", "graph"}


def test_catalogue() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) >= 40
    assert len(set(names)) == len(names)
    assert len(SAMPLE) == 4
    assert all(fault.plant("float32").optimizer for fault in OPTIMIZER)
