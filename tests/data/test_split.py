"""Divisions of the rows: complete, disjoint, and pure functions of their arguments."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftrain.data.columns import Conventions
from tftrain.data.split import Split, by_column, by_fractions, by_order
from tftrain.errors import DataError
from tftrain.names import PARTS


def counts(split: Split) -> list[int]:
    return [len(split[name]) for name in PARTS]


def assert_divides(split: Split, rows: int) -> None:
    """Every row is in exactly one part, and each part is in the order of the table."""
    together = np.concatenate([split[name] for name in PARTS])
    np.testing.assert_array_equal(np.sort(together), np.arange(rows))
    assert all((np.diff(split[name]) > 0).all() for name in PARTS)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(20, 500),
    percent=st.tuples(st.integers(5, 45), st.integers(5, 45)),
    seed=st.integers(0, 2**64 - 1),
)
def test_fractions_divide_all_rows(rows: int, percent: tuple[int, int], seed: int) -> None:
    validation, test = (p / 100 for p in percent)
    split = by_fractions(rows, (1 - validation - test, validation, test), seed)
    assert_divides(split, rows)
    assert abs(len(split.validation) - validation * rows) <= 0.5 + 1e-9
    assert abs(len(split.test) - test * rows) <= 0.5 + 1e-9


def test_fractions_are_a_pure_function_of_the_seed() -> None:
    wanted = (0.7, 0.15, 0.15)
    np.random.seed(0)
    first = by_fractions(100, wanted, 5)
    np.random.seed(1)
    again, other = by_fractions(100, wanted, 5), by_fractions(100, wanted, 6)
    assert all(np.array_equal(first[name], again[name]) for name in PARTS)
    assert not np.array_equal(first.test, other.test)


def test_rows_are_drawn_from_everywhere() -> None:
    halves = [by_fractions(1000, (0.5, 0, 0.5), seed).train for seed in range(20)]
    # Each row is in the train half with probability 1/2: 20 draws, all the same for very few.
    often = np.bincount(np.concatenate(halves), minlength=1000)
    assert 9.5 < often.mean() < 10.5
    assert np.mean((often == 0) | (often == 20)) < 0.01
    assert abs(np.mean(halves) - 499.5) < 15


@pytest.mark.parametrize(
    ("rows", "fractions", "expected"),
    [
        (10, (0.8, 0.1, 0.1), [8, 1, 1]),
        (64, (1, 0, 0), [64, 0, 0]),
        (442, (0.8, 0, 0.2), [354, 0, 88]),
        (3, (0.4, 0.3, 0.3), [1, 1, 1]),
        (7, (0.5, 0, 0.5), [3, 0, 4]),
    ],
)
def test_rounding(rows: int, fractions: tuple[float, float, float], expected: list[int]) -> None:
    assert counts(by_fractions(rows, fractions, 0)) == expected


@pytest.mark.parametrize(
    ("rows", "fractions", "part"),
    [
        (2, (0.7, 0.15, 0.15), "validation"),
        (1, (0.9, 0.0, 0.1), "test"),
        (3, (0.01, 0.49, 0.5), "train"),
        (1, (0.2, 0.0, 0.8), "train"),
    ],
)
def test_too_few_rows(rows: int, fractions: tuple[float, float, float], part: str) -> None:
    with pytest.raises(DataError, match=rf"{rows} rows? .*too few for this split: {part}"):
        by_fractions(rows, fractions, 0)


def test_column_in_all_spellings() -> None:
    said = ["train", "Training", " TRAIN ", "val", "validation", "Valid", "dev", "test", "Test"]
    split = by_column(pd.DataFrame({"s": said}), "s", 0.5, 0)
    assert [list(split[name]) for name in PARTS] == [[0, 1, 2], [3, 4, 5, 6], [7, 8]]


@pytest.mark.parametrize("dtype", ["object", "category", "string"])
def test_column_of_any_text_type(dtype: str) -> None:
    frame = pd.DataFrame({"s": pd.Series(["test", "train", "val"]).astype(dtype)})
    assert counts(by_column(frame, "s", 0, 0)) == [1, 1, 1]


def test_column_without_validation_gives_a_fraction_of_train() -> None:
    frame = pd.DataFrame({"s": ["test"] * 20 + ["train"] * 80})
    split = by_column(frame, "s", 0.25, 3)
    assert counts(split) == [60, 20, 20]
    assert_divides(split, 100)
    np.testing.assert_array_equal(split.test, np.arange(20))
    again, other = by_column(frame, "s", 0.25, 3), by_column(frame, "s", 0.25, 4)
    np.testing.assert_array_equal(split.validation, again.validation)
    assert not np.array_equal(split.validation, other.validation)
    assert counts(by_column(frame, "s", 0, 3)) == [80, 0, 20]


@pytest.mark.parametrize(
    ("said", "fragments"),
    [
        (["train", "tset"], ["'tset'", "row 2", "expected train, validation or test"]),
        (["train", None], ["row 2", "expected train, validation or test"]),
        ([0, 1], ["'0'", "row 1"]),
        (["test", "test"], ["no row", "says train"]),
    ],
)
def test_column_that_says_something_else(said: list[object], fragments: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        by_column(pd.DataFrame({"s": said}), "s", 0.1, 0)
    for fragment in ["'s'", *fragments]:
        assert fragment in str(caught.value)


def test_column_missing_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no column 'spilt' .*did you mean split\?"):
        by_column(pd.DataFrame({"split": ["train"]}), "spilt", 0.1, 0)


def test_order_puts_the_latest_rows_into_test() -> None:
    moments = pd.date_range("2024-01-01", periods=10)
    shuffled = np.random.default_rng(0).permutation(10)
    split = by_order(pd.DataFrame({"t": moments[shuffled]}), "t", (0.6, 0.2, 0.2), Conventions())
    assert_divides(split, 10)
    assert set(shuffled[split.train]) == set(range(6))
    assert set(shuffled[split.validation]) == {6, 7}
    assert set(shuffled[split.test]) == {8, 9}


def test_order_keeps_equal_rows_in_the_order_of_the_table() -> None:
    split = by_order(pd.DataFrame({"t": [1, 1, 1, 1, 0]}), "t", (0.6, 0.0, 0.4), Conventions())
    assert list(split.train) == [4]


@pytest.mark.parametrize("fractions", [(0.7, 0.15, 0.15), (0.5, 0.5, 0.0), (0.6, 0.0, 0.4)])
@pytest.mark.parametrize("days", [3, 7, 10])
def test_order_never_cuts_equal_values_apart(
    days: int, fractions: tuple[float, float, float]
) -> None:
    """Each shop has a row for each day: a day in training and in test would leak."""
    moments = np.random.default_rng(0).permutation(np.repeat(np.arange(days), 7))
    split = by_order(pd.DataFrame({"t": moments}), "t", fractions, Conventions())
    parts = [set(moments[split[name]]) for name in PARTS]
    assert sum(map(len, parts)) == days
    assert [len(part) > 0 for part in parts] == [fraction > 0 for fraction in fractions]
    assert max(parts[0]) < min(parts[1] | parts[2])


def test_too_few_values_to_order_by() -> None:
    frame = pd.DataFrame({"t": [1] * 9 + [2] * 9})
    with pytest.raises(DataError, match=r"'t' \(data\.split\.by\) has too few different values"):
        by_order(frame, "t", (0.6, 0.2, 0.2), Conventions())


def test_order_needs_a_value_in_every_row() -> None:
    with pytest.raises(DataError, match=r"'t' \(data\.split\.by\) .*row 3"):
        by_order(pd.DataFrame({"t": [1, 2, None]}), "t", (0.5, 0.0, 0.5), Conventions())


@pytest.mark.parametrize("values", [[1, "a", 2], ["b", 1.5, "c"]])
def test_order_by_what_cannot_be_ordered(values: list[object]) -> None:
    frame = pd.DataFrame({"t": pd.Series(values, dtype=object)})
    with pytest.raises(DataError, match="'t'"):
        by_order(frame, "t", (0.5, 0.0, 0.5), Conventions())
