"""Fitted preprocessing against scikit-learn, pandas and formulas."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tftrain.data.columns import Conventions, understand
from tftrain.data.plan import Embedding, Plan, center_and_scale, fit_plan, target_values
from tftrain.data.preprocessor import Preprocessor
from tftrain.errors import DataError
from tftrain.runs.preprocessing import plan_text, read_plan

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler

RNG = np.random.default_rng(0)
TARGET = pd.Series(RNG.normal(size=40), name="y")


def plan_of(frame: pd.DataFrame, **settings: object) -> Plan:
    return fitted(frame.assign(y=TARGET[: len(frame)].to_numpy()), **settings)


def fitted(
    frame: pd.DataFrame,
    targets: Sequence[str] = ("y",),
    categorical: Sequence[str] = (),
    **settings: object,
) -> Plan:
    names = [name for name in frame if name not in targets]
    columns = [understand(frame, name, Conventions(), name in categorical) for name in names]
    values = {name: target_values(frame, name, Conventions()) for name in targets}
    return fit_plan(frame, columns, values, **settings)  # type: ignore[arg-type]


def features_of(frame: pd.DataFrame, new: pd.DataFrame | None = None, **settings: object) -> object:
    """Fit to one table and return the features of it, or of another one."""
    plan = plan_of(frame, **settings)
    return Preprocessor(plan, "float64").features(frame if new is None else new)


@pytest.mark.parametrize(
    ("numeric", "scaler"),
    [("standard", StandardScaler()), ("robust", RobustScaler()), ("minmax", MinMaxScaler())],
)
def test_scaling_is_that_of_scikit_learn(numeric: str, scaler: object) -> None:
    columns = {"a": RNG.normal(5, 3, 40), "b": RNG.gamma(1, 1e6, 40), "c": np.arange(40) - 1e9}
    frame, new = pd.DataFrame(columns), pd.DataFrame(columns) * 1.5 + 1
    expected = scaler.fit(frame).transform(new)  # type: ignore[attr-defined]
    np.testing.assert_allclose(features_of(frame, new, numeric=numeric), expected, rtol=1e-9)


def test_no_scaling() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0]})
    np.testing.assert_array_equal(features_of(frame, numeric="none"), frame)


@pytest.mark.parametrize("missing", ["mean", "median"])
def test_missing_numbers_are_filled_and_told(missing: str) -> None:
    column = pd.Series([1.0, np.nan, 2.0, 9.0])
    fill = getattr(column, missing)()
    filled = column.fillna(fill)
    expected = (filled - column.mean()) / column.std(ddof=0)
    got = features_of(pd.DataFrame({"a": column}), missing=missing)
    np.testing.assert_allclose(got, np.stack([expected, column.isna()], axis=1), rtol=1e-12)


def test_missing_number_only_later_is_filled_without_indicator() -> None:
    frame = pd.DataFrame({"a": [1.0, 3.0]})
    got = features_of(frame, pd.DataFrame({"a": [np.nan, 3.0]}))
    np.testing.assert_allclose(got, [[0.0], [1.0]])


def test_missing_number_can_be_an_error() -> None:
    with pytest.raises(DataError, match=r"'a'.*row 2"):
        plan_of(pd.DataFrame({"a": [1.0, np.nan]}), missing="error")
    with pytest.raises(DataError, match=r"'a'.*row 1"):
        features_of(pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": [np.nan]}), missing="error")


@pytest.mark.parametrize("numeric", ["standard", "robust", "minmax"])
@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, -1e9, -1e-300])
def test_constant_column_is_zero_and_finite(numeric: str, value: float) -> None:
    frame = pd.DataFrame({"a": [value] * 30, "b": np.arange(30.0)})
    got = np.asarray(features_of(frame, numeric=numeric))
    np.testing.assert_allclose(got[:, 0], 0, atol=1e-6)


def test_robust_scaling_of_a_column_that_is_mostly_one_value() -> None:
    column = np.array([0.0] * 9 + [5.0])
    got = features_of(pd.DataFrame({"a": column}), numeric="robust")
    np.testing.assert_allclose(got, column[:, None] / column.std())


def test_booleans_are_zero_and_one() -> None:
    frame = pd.DataFrame({"a": [True, False, True]})
    np.testing.assert_array_equal(features_of(frame), [[1], [0], [1]])
    missing = pd.DataFrame({"a": pd.array([True, None, False], dtype="boolean")})
    np.testing.assert_array_equal(features_of(missing), [[1, 0], [0.5, 1], [0, 0]])


def test_dates_are_time_and_cycles() -> None:
    days = pd.Series(pd.date_range("2023-01-01", "2024-12-31"))
    plan = plan_of(pd.DataFrame({"t": days[:40]}))
    assert plan.names == ["t", "week of t, sine", "week of t, cosine"]
    frame = pd.DataFrame({"t": days, "y": np.arange(len(days))})
    plan = fitted(frame)
    assert [name.split(" ")[0] for name in plan.names] == ["t", "week", "week", "year", "year"]
    got = Preprocessor(plan, "float64").features(frame)
    rank = np.arange(len(days))
    np.testing.assert_allclose(got[:, 0], (rank - rank.mean()) / rank.std(), rtol=1e-9, atol=1e-12)
    # A cycle of seven days: equal a week later, on the unit circle, seven different points.
    week = got[:, 1:3]
    np.testing.assert_allclose(week[7:], week[:-7], atol=1e-9)
    np.testing.assert_allclose(np.hypot(*week.T), 1)
    assert len(np.unique(week[:7].round(6), axis=0)) == 7
    angle = 2 * np.pi * (days[7] - days[0]).total_seconds() / (365.2425 * 86400)
    turned = np.arctan2(got[7, 3], got[7, 4]) - np.arctan2(got[0, 3], got[0, 4])
    assert turned == pytest.approx(angle, abs=1e-9)


def test_hours_add_the_cycle_of_the_day() -> None:
    hours = pd.Series(pd.date_range("2024-01-01", periods=40, freq="6h"))
    plan = plan_of(pd.DataFrame({"t": hours}))
    assert "day of t, sine" in plan.names
    got = np.asarray(features_of(pd.DataFrame({"t": hours})))
    at = plan.names.index("day of t, sine")
    np.testing.assert_allclose(got[:4, at : at + 2], [[0, 1], [1, 0], [0, -1], [-1, 0]], atol=1e-9)


def test_categories_are_one_hot_as_in_scikit_learn() -> None:
    frame = pd.DataFrame({"a": ["x", "y", "", "x", "z", "é"], "b": list("ppqqrr")})
    new = pd.DataFrame({"a": ["z", "new", "x"], "b": ["q", "p", "unknown"]})
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(frame)
    np.testing.assert_array_equal(features_of(frame), encoder.transform(frame))
    np.testing.assert_array_equal(features_of(frame, new), encoder.transform(new))


def test_missing_text_is_a_category() -> None:
    frame = pd.DataFrame({"a": ["x", None, "x", "y"]})
    assert plan_of(frame).names == ["a = missing", "a = x", "a = y"]
    np.testing.assert_array_equal(features_of(frame), [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_cap_keeps_the_most_frequent_and_a_bucket_for_the_rest() -> None:
    words = ["c"] * 4 + ["b"] * 3 + ["a"] * 2 + ["d"]
    frame = pd.DataFrame({"w": words})
    plan = plan_of(frame, max_categories=2)
    assert plan.names == ["w = b", "w = c", "w = other"]
    got = features_of(frame, pd.DataFrame({"w": ["a", "b", "c", "never"]}), max_categories=2)
    np.testing.assert_array_equal(got, [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_numbers_can_be_categories() -> None:
    frame = pd.DataFrame({"code": [10, 20, 10]})
    assert plan_of(frame, categorical=["code"]).names == ["code = 10", "code = 20"]
    later = pd.DataFrame({"code": [20.0, np.nan]})
    np.testing.assert_array_equal(features_of(frame, later, categorical=["code"]), [[0, 1], [0, 0]])


def test_names_and_columns_agree_with_the_features() -> None:
    frame = pd.DataFrame(
        {
            "w": ["a", "b", None, "a"],
            "x": [1.0, np.nan, 3.0, 4.0],
            "f": [True, False, True, False],
            "t": pd.date_range("2024-01-01", periods=4, freq="8h"),
        }
    )
    plan = plan_of(frame)
    assert {c.name: c.kind for c in plan.columns} == {
        "x": "numeric",
        "f": "boolean",
        "t": "date",
        "w": "text",
    }
    for dtype in ("float32", "float64"):
        preprocessor = Preprocessor(plan, dtype)
        features = preprocessor.features(frame)
        assert features.shape == (4, len(plan.names))
        assert features.dtype == dtype
        assert set(preprocessor.signature) == set(frame)


def test_fitted_on_the_training_rows_only() -> None:
    frame = pd.DataFrame({"a": np.r_[np.zeros(5), np.ones(5), 1e6], "w": list("ppppqqqqrrs")})
    train = frame.iloc[:10]
    assert plan_of(train).names == plan_of(frame.iloc[:10].copy()).names
    got = np.asarray(features_of(train, frame))
    assert got[10, 0] == pytest.approx((1e6 - 0.5) / 0.5)
    assert plan_of(train).names == ["a", "w = p", "w = q", "w = r"]
    np.testing.assert_array_equal(got[10, 1:], [0, 0, 0])


@pytest.mark.parametrize("values", [[np.nan, np.nan], [None, None]])
def test_column_without_a_value_is_refused(values: list[object]) -> None:
    for dtype in (object, "string", "float64"):
        with pytest.raises(DataError, match=r"'a' has no value .*data\.features\.exclude"):
            plan_of(pd.DataFrame({"a": pd.Series(values, dtype=dtype)}))


@pytest.mark.parametrize(
    ("target", "fragment"),
    [
        ([1.0, 1.0, 1.0], "'y' is 1 in every training row"),
        ([1.0, np.inf, 2.0], "infinite in row 2"),
        (["a", "b", "c"], "'y'"),
        (pd.date_range("2024-01-01", periods=3), "'y'"),
    ],
)
def test_unusable_target(target: object, fragment: str) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "y": target})
    with pytest.raises(DataError) as caught:
        fitted(frame)
    assert fragment in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(
        st.tuples(*[st.floats(-1e6, 1e6, allow_subnormal=False)] * 2), min_size=2, max_size=8
    ),
    scaling=st.sampled_from(["standard", "robust", "minmax", "none"]),
)
def test_unscaling_undoes_the_scaling_of_targets(
    values: list[tuple[float, float]], scaling: str
) -> None:
    table = np.array(values) + np.arange(len(values))[:, None] * 1e-3
    frame = pd.DataFrame({"a": range(len(table)), "p": table[:, 0], "q": table[:, 1]})
    if (np.ptp(table, axis=0) == 0).any():
        return
    plan = fitted(frame, ["p", "q"], target=scaling)
    preprocessor = Preprocessor(plan, "float64")
    scaled = preprocessor.targets(table)
    back = preprocessor.unscale(tf.constant(scaled)).numpy()
    size = np.abs(table).max() + np.ptp(table)
    np.testing.assert_allclose(back, table, rtol=1e-12, atol=1e-12 * size)
    if scaling == "minmax":
        assert scaled.min() >= 0
        assert scaled.max() <= 1 + 1e-12


def test_targets_are_standardised() -> None:
    frame = pd.DataFrame({"a": range(40), "y": TARGET * 100 + 7})
    plan = fitted(frame)
    scaled = Preprocessor(plan, "float64").targets(frame[["y"]].to_numpy())
    np.testing.assert_allclose([scaled.mean(), scaled.std()], [0, 1], atol=1e-12)


def test_blocks_of_rows_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": np.arange(10.0), "w": list("abcabcabca")})
    whole = features_of(frame)
    monkeypatch.setattr("tftrain.data.preprocessor.BLOCK_ROWS", 3)
    np.testing.assert_array_equal(features_of(frame), whole)


def test_dates_are_scaled_where_numbers_are_not() -> None:
    frame = pd.DataFrame({"d": pd.date_range("2020-01-01", periods=40), "y": np.arange(40.0)})
    plan = fitted(frame, numeric="none")
    time = Preprocessor(plan).features(frame)[:, 0]
    np.testing.assert_allclose([time.mean(), time.std()], [0, 1], atol=1e-5)


def test_values_too_large_to_scale_are_named() -> None:
    frame = pd.DataFrame({"x": np.linspace(1e300, 1e306, 40), "y": np.arange(40.0)})
    with pytest.raises(DataError, match="column 'x': its values are too large"):
        fitted(frame)


def test_a_small_spread_far_from_zero_is_a_spread() -> None:
    values = 1.7e14 + np.arange(50)
    assert center_and_scale(values, "standard")[1] == pytest.approx(np.std(np.arange(50)))


CITIES = ["Rome", "Oslo", "Rome", "Bern", "", "Oslo", "Rome", "Paris"]


def codes_of(new: Sequence[str], **embedding: int) -> np.ndarray:
    """Return the codes of texts under a plan fitted to `CITIES`."""
    plan = plan_of(pd.DataFrame({"city": CITIES}), embedding=Embedding(**embedding))
    numbers, codes = Preprocessor(plan).features(pd.DataFrame({"city": new}, dtype=object))
    assert numbers.shape == (len(new), 0)
    assert codes.dtype == np.int32
    assert codes.max() < plan.embeddings[0][0]
    return codes


def test_codes_are_places_in_the_sorted_vocabulary() -> None:
    places = {word: i for i, word in enumerate(sorted(set(CITIES)), 1)}
    expected = [places[word] for word in CITIES]
    np.testing.assert_array_equal(codes_of(CITIES, min_categories=2), expected)


def test_an_unknown_category_has_code_0_and_a_missing_one_its_own() -> None:
    assert codes_of(["Lima", " Rome ", ""], min_categories=2).tolist() == [0, 5, 1]


def test_rare_categories_share_a_bucket() -> None:
    """Rome and Oslo have codes 2 and 1; the others, and unknown ones, share code 3."""
    codes = codes_of([*CITIES, "Lima"], min_categories=2, max_categories=2)
    assert codes.tolist() == [2, 1, 2, 3, 3, 1, 2, 3, 3]


def test_rare_categories_are_spread_by_a_hash() -> None:
    words = [f"city {i}" for i in range(2000)]
    codes = codes_of(words, min_categories=2, max_categories=2, hash_buckets=50)
    counts = np.bincount(codes, minlength=53)
    assert counts[:3].sum() == 0
    assert counts[3:].min() > 15  # 40 on average
    expected = 3 + tf.strings.to_hash_bucket_fast(words, 50).numpy()
    np.testing.assert_array_equal(codes, expected)


def test_columns_with_few_categories_stay_one_hot() -> None:
    frame = pd.DataFrame({"city": CITIES, "kind": ["a", "b"] * 4, "x": np.arange(8.0)})
    plan = plan_of(frame, embedding=Embedding(min_categories=3))
    assert [feature.column.name for feature in plan.embedded] == ["city"]
    assert plan.names == ["x", "kind = a", "kind = b"]
    numbers, codes = Preprocessor(plan, "float64").features(frame)
    np.testing.assert_array_equal(numbers, features_of(frame[["x", "kind"]]))
    np.testing.assert_array_equal(codes, codes_of(CITIES, min_categories=2))


@pytest.mark.parametrize(("categories", "width"), [(1, 2), (10, 6), (50, 14), (100, 16)])
def test_the_width_grows_with_the_number_of_categories(categories: int, width: int) -> None:
    assert Embedding().width(categories) == width
    assert Embedding(max_width=3).width(categories) == min(3, width)


def test_a_plan_with_codes_is_kept_as_text(tmp_path: Path) -> None:
    plan = plan_of(pd.DataFrame({"city": CITIES}), embedding=Embedding(min_categories=2))
    (tmp_path / "plan.json").write_text(plan_text(plan), encoding="utf-8")
    assert read_plan(tmp_path / "plan.json") == plan
