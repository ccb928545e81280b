"""DataFrames from elsewhere, and columns without a name."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tftrain.data.sources.csv import read_csv
from tftrain.data.sources.frame import as_table, drop_unnamed
from tftrain.data.sources.parquet import read_parquet
from tftrain.errors import DataError


def indexed(index: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": [1.5, 2.5, 3.5], "y": [3, 4, 5]}, index=index)


@pytest.mark.parametrize("index", [[0, 1, 2], [1, 2, 3], [7, 2, 9]])
def test_row_numbers_without_a_name_are_left_out_with_a_note(tmp_path: Path, index: Any) -> None:
    path = tmp_path / "t.csv"
    indexed(index).to_csv(path)
    frames = [read_csv(path), as_table(indexed(index).reset_index(names=""))]
    indexed(index).reset_index(names="").to_parquet(tmp_path / "t.parquet")
    frames.append(read_parquet(tmp_path / "t.parquet"))
    for frame in frames:
        assert list(frame) == ["column_1", "x", "y"]
        left = drop_unnamed(frame)
        assert left.to_dict("list") == indexed(index).to_dict("list")
        (note,) = left.attrs["notes"]
        assert "no name" in note
        assert str(index[0]) in note
        assert list(drop_unnamed(frame, ["column_1"])) == ["column_1", "x", "y"]


@pytest.mark.parametrize("index", [[0.5, 1.5, 2.5], ["a", "b", "c"], [4, 4, 2], [-1, 0, 1]])
def test_other_columns_without_a_name_stay(tmp_path: Path, index: Any) -> None:
    indexed(index).to_csv(tmp_path / "t.csv")
    frame = drop_unnamed(read_csv(tmp_path / "t.csv"))
    assert list(frame) == ["column_1", "x", "y"]
    assert frame["column_1"].to_list() == index


def test_row_numbers_in_another_place_or_with_a_name_stay(tmp_path: Path) -> None:
    for text in ("a,,y\n1,0,2\n1,1,3\n", "n,a,y\n0,1,2\n1,1,3\n"):
        path = tmp_path / "t.csv"
        path.write_text(text)
        assert drop_unnamed(read_csv(path)).shape == (2, 3)


def test_row_numbers_of_several_files_are_counted_anew(tmp_path: Path) -> None:
    for i in range(3):
        indexed([0, 1, 2]).to_csv(tmp_path / f"p{i}.csv")
    assert list(drop_unnamed(read_csv(tmp_path / "p*.csv"))) == ["x", "y"]


def test_what_a_delimiter_at_the_end_makes_is_left_out(tmp_path: Path) -> None:
    for text in ("a,b,\n1,2,\n3,4,\n", "a,b\n1,2,\n3,4,\n"):
        (tmp_path / "t.csv").write_text(text)
        frame = drop_unnamed(read_csv(tmp_path / "t.csv"))
        assert frame.to_dict("list") == {"a": [1, 3], "b": [2, 4]}
        assert frame.attrs["notes"] == []


@pytest.mark.parametrize("name", [None, np.nan, "", " "])
def test_a_dataframe_without_a_name(name: Any) -> None:
    frame = pd.DataFrame([[1.5, 2, 3]], columns=["a", name, 7])
    assert list(as_table(frame)) == ["a", "column_2", "7"]


def test_two_columns_of_one_name_where_nobody_needs_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,a\n1,2,3\n")
    assert read_csv(tmp_path / "t.csv", needed="b".__eq__).to_dict("list") == {"a": [1], "b": [2]}
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    assert as_table(frame, "b".__eq__).to_dict("list") == {"a": [1], "b": [2]}
    for read in (lambda: read_csv(tmp_path / "t.csv"), lambda: as_table(frame)):
        with pytest.raises(DataError, match="two columns are called 'a'; rename one"):
            read()
