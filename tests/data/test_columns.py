"""Kinds of columns and their raw values."""

import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tftrain.data.columns import (
    Column,
    Conventions,
    matching,
    require_column,
    require_columns,
    strays_of,
    typed_values,
    understand,
    values_of,
)
from tftrain.data.notation import Kind, Notation
from tftrain.errors import DataError


def frame_of(values: Any, dtype: Any = None) -> pd.DataFrame:
    return pd.DataFrame({"c": pd.Series(values, dtype=dtype)})


@pytest.mark.parametrize(
    ("values", "dtype", "kind"),
    [
        ([1, 2], "int8", "numeric"),
        ([1, 2], "uint64", "numeric"),
        ([1, None], "Int64", "numeric"),
        ([1.5, None], "float32", "numeric"),
        ([1.5, None], "Float64", "numeric"),
        ([True, False], bool, "boolean"),
        ([True, None], "boolean", "boolean"),
        ([True, None], object, "boolean"),
        (["a", None], object, "text"),
        (["a", None], "string", "text"),
        (["a", "b"], "category", "text"),
        ([pd.Interval(0, 1)], "category", "text"),
        ([1, 2], "category", "category"),
        (["2024-01-01"], "datetime64[s]", "date"),
        (["12:30", None], object, "time"),
        ([datetime.time(12, 30), None], object, "time"),
        (["31.12.2024", None], "string", "date"),
        (["$1,200", "$5"], "string", "numeric"),
        (["12%", "3.5%"], "string", "numeric"),
        (["01", "02"], "string", "text"),
        ([None, None], object, "numeric"),
        ([1, 2.5, None], object, "numeric"),
        ([decimal.Decimal("1.5"), None], object, "numeric"),
        ([datetime.date(2024, 1, 1)], object, "date"),
        ([datetime.datetime(2024, 1, 1)], object, "date"),
        (["2024-01-01"], "datetime64[ns, Europe/Berlin]", "date"),
        ([pd.Timedelta("1h")], None, "time"),
    ],
)
def test_kind_of(values: list[Any], dtype: Any, kind: str) -> None:
    assert understand(frame_of(values, dtype), "c", Conventions()).role == kind


@pytest.mark.parametrize("values", [[1, 2], [True, False], [datetime.date(2024, 1, 1)]])
def test_values_named_categorical_are_categories(values: list[Any]) -> None:
    assert understand(frame_of(values), "c", Conventions(), categorical=True).role == "category"


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, "a"], dtype=object),
        pd.Series([1 + 2j]),
        pd.Series([[1], [2]]),
        pd.Series(pd.period_range("2024", periods=2, freq="D")),
        pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 2])),
    ],
)
def test_unusable_types_are_named(values: pd.Series) -> None:
    with pytest.raises(DataError, match=r"column 'c' .*data\.features\.exclude"):
        understand(pd.DataFrame({"c": values}), "c", Conventions())


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, None, 3], "Int64", [1, np.nan, 3]),
        ([True, None, False], "boolean", [1, np.nan, 0]),
        ([True, None, False], object, [1, np.nan, 0]),
        ([True, False, True], bool, [1, 0, 1]),
        ([decimal.Decimal("0.5"), None, 2], object, [0.5, np.nan, 2]),
        ([1.5, None, -1], "float32", [1.5, np.nan, -1]),
        (["1,5", " 1.000,5 ", None], object, [1.5, 1000.5, np.nan]),
    ],
)
def test_numbers_become_float64(values: list[Any], dtype: Any, expected: list[float]) -> None:
    notation = Notation(decimal=",", thousands=".")
    got = values_of(frame_of(values, dtype), Column("c", "numeric", notation=notation))
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "dtype", ["datetime64[s]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]"]
)
def test_dates_become_seconds_since_1970(dtype: str) -> None:
    frame = frame_of(["1970-01-02T00:00:01", None, "1969-12-31"], dtype)
    got = values_of(frame, Column("c", "date"))
    np.testing.assert_array_equal(got, [86401, np.nan, -86400])


def test_dates_with_a_zone_are_counted_in_utc() -> None:
    frame = frame_of(["1970-01-01T01:00"], "datetime64[ns, Europe/Berlin]")
    assert values_of(frame, Column("c", "date", notation=Notation(zone=True))) == [0]
    python = frame_of([datetime.date(1970, 1, 2), None], object)
    np.testing.assert_array_equal(values_of(python, Column("c", "date")), [86400, np.nan])
    text = frame_of(["1970-01-02", None], object)
    np.testing.assert_array_equal(values_of(text, Column("c", "date")), [86400, np.nan])


@pytest.mark.parametrize(
    ("kind", "values", "dtype", "expected"),
    [
        ("text", ["a", None, "é"], object, ["a", "", "é"]),
        ("text", ["01", "1.0", None], "string", ["01", "1.0", ""]),
        ("text", ["a", None, "b"], "category", ["a", "", "b"]),
        ("text", [None, None], "float64", ["", ""]),
        ("category", [1, 2, 3], "int64", ["1", "2", "3"]),
        ("category", [1.0, None, 3.0], "float64", ["1", "", "3"]),
        ("category", [1.5, None, 3.0], "float64", ["1.5", "", "3"]),
        ("category", [1, None, 3], "Int64", ["1", "", "3"]),
        ("category", ["1", "2.50", " a"], "string", ["1", "2.5", "a"]),
        ("category", [2**60 + 1, 2**60], "int64", ["1152921504606846977", "1152921504606846976"]),
        ("category", [True, False, True], bool, ["1", "0", "1"]),
        ("category", ["True", "false", None], object, ["1", "0", ""]),
        ("text", [" a", "b ", "\u00a0c "], object, ["a", "b", "c"]),
        ("text", ["NA", "null", "n/a", ""], object, ["NA", "null", "n/a", ""]),
    ],
)
def test_text(kind: Kind | str, values: list[Any], dtype: Any, expected: list[str]) -> None:
    column = Column("c", "numeric", True) if kind == "category" else Column("c", "text")
    got = values_of(frame_of(values, dtype), column)
    assert list(got) == expected
    assert got.dtype == object


def test_category_is_the_same_text_in_an_integer_and_in_a_float_column() -> None:
    """A missing value turns a column of integers into floats; its categories stay the same."""
    whole = values_of(frame_of([3, 4]), Column("c", "numeric", True))
    floats = values_of(frame_of([3.0, np.nan, 4.0]), Column("c", "numeric", True))
    assert [w for w in floats if w] == list(whole)


@pytest.mark.parametrize("values", [[1, 2], [1.5, None], [True, False]])
def test_text_that_has_become_numbers_is_refused(values: list[Any]) -> None:
    """`01` would be `1` by now, and no category of the training."""
    with pytest.raises(DataError, match=r"column 'c' must hold text"):
        values_of(frame_of(values), Column("c", "text"))


def test_dates_far_away_do_not_wrap_around() -> None:
    far = pd.DataFrame({"c": np.array(["9999-12-31", "0001-01-01"], "datetime64[s]")})
    seconds = [253402214400.0, -62135596800.0]
    np.testing.assert_array_equal(values_of(far, Column("c", "date")), seconds)


def test_infinite_value_is_named() -> None:
    with pytest.raises(DataError, match=r"column 'c' is infinite in row 3"):
        values_of(frame_of([1.0, 2.0, -np.inf]), Column("c", "numeric"))


def test_text_where_numbers_are_needed_is_named() -> None:
    with pytest.raises(DataError, match=r"column 'c' must hold numbers, but row 2 holds 'x'"):
        values_of(frame_of(["1", "x"], object), Column("c", "numeric"))
    got = values_of(frame_of(["1", "2.5"], object), Column("c", "numeric"))
    np.testing.assert_array_equal(got, [1, 2.5])


def test_text_where_dates_are_needed_is_named() -> None:
    with pytest.raises(DataError, match="column 'c' must hold dates"):
        values_of(frame_of(["soon"], object), Column("c", "date"))


def test_row_numbers_are_those_of_the_whole_table() -> None:
    part = frame_of([0.0, 1.0, 2.0, np.inf]).iloc[2:]
    with pytest.raises(DataError, match="row 4"):
        values_of(part, Column("c", "numeric"))


@pytest.mark.parametrize(
    ("name", "fragment"),
    [("agee", "did you mean age?"), ("AGE", "did you mean age?"), ("qqq", "its columns: age, x")],
)
def test_missing_column(name: str, fragment: str) -> None:
    with pytest.raises(DataError) as caught:
        require_column(pd.DataFrame({"age": [1], "x": [2]}), name, "data.target")
    assert f"no column {name!r} (data.target)" in str(caught.value)
    assert fragment in str(caught.value)


def test_patterns_match_names() -> None:
    names = ["split_0", "split_1", "x", "a*b", "[x]"]
    assert matching(names, ["split_*"]) == {"split_0", "split_1"}
    assert matching(names, ["a*b", "[x]"]) >= {"a*b", "[x]"}
    with pytest.raises(DataError, match=r"exclude.*'splt_0'.*did you mean split_0\?"):
        matching(names, ["splt_0"])


@pytest.mark.parametrize(
    ("values", "row", "wrong"),
    [
        ([None, 2018], 2, "2018.0"),
        ([2018, 2019], 1, "2018"),
        (["2018-03-04", "03/04/2018"], 2, "03/04/2018"),
        (["2018-03-04", "4 March 2018"], 2, "4 March 2018"),
    ],
)
def test_dates_are_iso_dates_and_never_guessed(values: list[Any], row: int, wrong: str) -> None:
    with pytest.raises(DataError, match=rf"must hold dates.*row {row} holds '{wrong}'"):
        values_of(pd.DataFrame({"c": values}), Column("c", "date"))


def test_iso_dates_of_several_precisions() -> None:
    frame = pd.DataFrame({"c": ["1970-01-02", "1970-01-01T01:00", "1970-01-01 00:00:02.5", None]})
    expected = [86_400, 3_600, 2.5, np.nan]
    np.testing.assert_array_equal(values_of(frame, Column("c", "date")), expected)


def test_no_dates_at_all_are_missing_dates() -> None:
    frame = pd.DataFrame({"c": [np.nan, np.nan]})
    np.testing.assert_array_equal(values_of(frame, Column("c", "date")), [np.nan, np.nan])


def test_a_name_with_a_star_is_that_column_alone() -> None:
    names = ["a*", "ab", "ac", "b"]
    assert matching(names, ["a*"]) == {"a*"}
    assert matching(names[1:], ["a*"]) == {"ab", "ac"}


@pytest.mark.parametrize(
    ("values", "strays"),
    [
        (["1", "2", "3.5", "-4e3", None, "?"], ["?"]),
        (["1", "2", "x", "y"], []),
        (["a", "b"], []),
        ([None, None], []),
        (["1"] * 2000 + ["?"] + ["5"] * 9, ["?"]),
    ],
)
def test_stray_values(values: list[str | None], strays: list[str]) -> None:
    series = pd.Series(values, dtype="str", name="c")
    assert strays_of(series, Conventions(typed=False)).to_list() == strays


def test_all_columns_that_are_missing_are_named_at_once() -> None:
    frame = pd.DataFrame({"price": [1.0], "size": [2.0], "id": [3]})
    with pytest.raises(DataError) as caught:
        require_columns(
            frame,
            {"data.target": ["prise", "price"], "data.weight": ["w"]},
            {"data.features.exclude": ["id", "idd", "z*", "s*"]},
        )
    assert str(caught.value).splitlines() == [
        "the table has no column 'prise' (data.target), did you mean price?",
        "the table has no column 'w' (data.weight); its columns: price, size, id",
        "data.features.exclude names 'idd', but no column is called that, did you mean id?",
        "data.features.exclude names 'z*', but no column is called that",
    ]
    require_columns(frame, {"data.target": ["price"]}, {"data.features.exclude": ["*"]})


def test_very_many_missing_columns_are_counted() -> None:
    with pytest.raises(DataError) as caught:
        require_columns(pd.DataFrame({"a": [1]}), {"data.features": [f"x{i}" for i in range(100)]})
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "80 more columns that the config names are not there"


@pytest.mark.parametrize(
    "values", [[pd.Timestamp("2020-01-05")], [pd.Timedelta("1D")], [1 + 2j], [b"1"], [[1, 2], "1"]]
)
def test_what_is_no_number_is_refused_where_numbers_are_needed(values: list[Any]) -> None:
    with pytest.raises(DataError, match=r"column 'c' must hold .*, but row 1 holds"):
        values_of(frame_of(values), Column("c", "numeric"))


def test_a_boolean_is_zero_or_one() -> None:
    with pytest.raises(DataError, match=r"must hold true or false, or 1 and 0, but row 2 holds"):
        values_of(frame_of([1, 5]), Column("c", "boolean"))


@pytest.mark.parametrize("values", [["12"], [0.12]])
def test_a_share_without_its_sign_is_refused_as_text_and_as_number(values: list[Any]) -> None:
    with pytest.raises(DataError, match="row 1 holds"):
        values_of(frame_of(values), Column("c", "numeric", notation=Notation(unit="%")))


def test_moments_with_and_without_a_zone_never_mix() -> None:
    zoned = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    for values in ([zoned, datetime.datetime(2020, 1, 1)], ["2020-01-01T00:00Z", "2020-01-01"]):
        frame = frame_of(values, object)
        with pytest.raises(DataError, match="times with a time zone"):
            values_of(frame, understand(frame, "c", Conventions()))


def test_durations_of_any_length_and_unit() -> None:
    for value, seconds in ((2**62, 2**62 / 1e6), (10**15 + 1, 1e9 + 1e-6), (100_000, 0.1)):
        frame = pd.DataFrame({"c": np.array([value, "NaT"], "timedelta64[us]")})
        column = understand(frame, "c", Conventions())
        assert values_of(frame, column)[0] == seconds
        assert np.isnan(values_of(frame, column)[1])
        assert typed_values(frame, column)[0] == pd.Timedelta(value, "us").as_unit("us")
    spans = pd.Series(np.array([86_400 * 10**6 * 50_000 + 7], "timedelta64[us]"))
    texts = frame_of([str(pd.Timedelta(spans[0].as_unit("ns")))])
    values = [values_of(f, Column("c", "time")) for f in (frame_of(list(spans)), texts)]
    np.testing.assert_array_equal(*values)
    column = understand(frame_of(["9999999999999999999 days 00:00:01"]), "c", Conventions())
    assert column.kind == "text"


def test_a_zone_written_out_is_that_zone() -> None:
    for zone in ("UTC", " UTC", " GMT", " utc", "Z", "+00:00"):
        frame = frame_of([f"2020-01-01 12:00:00{zone}", f"2021-01-01 09:00:00{zone}"])
        column = understand(frame, "c", Conventions())
        assert (column.kind, column.notation.zone) == ("date", True)
        assert values_of(frame, column)[0] == 1577880000


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0,123", "0,456", "1,234"], [0.123, 0.456, 1.234]),
        (["48,137", "11,575"], [48137, 11575]),
        (["(1.50)", "1.25"], [-1.5, 1.25]),
        (["0x0A", "12"], [10, 12]),
        (["1'234.5", "1.0"], [1234.5, 1]),
        (["9,26,076", "5"], [926076, 5]),
        (["\u22125", "+3"], [-5, 3]),
    ],
)
def test_numbers_as_people_write_them(values: list[str], expected: list[float]) -> None:
    frame = frame_of(values, object)
    column = understand(frame, "c", Conventions(typed=False))
    np.testing.assert_array_equal(values_of(frame, column), expected)


def test_marks_in_front_of_a_sorted_column_hide_no_numbers() -> None:
    series = pd.Series(["?"] * 300 + [str(i) for i in range(2000)], name="c")
    assert set(strays_of(series, Conventions(typed=False))) == {"?"}


def test_moments_far_away_have_names() -> None:
    far = pd.DataFrame({"c": np.array(["12000-01-01", "2020-01-01T12:30"], "datetime64[s]")})
    names = values_of(far, Column("c", "date", categorical=True))
    assert list(names) == ["12000-01-01", "2020-01-01T12:30:00"]


def test_marks_that_are_numbers_are_written_like_the_numbers() -> None:
    assert Notation(missing=("-99,9", "false", "?"), decimal=",").missing_numbers == (-99.9,)
