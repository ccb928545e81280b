"""Writing tables, and places where none can be written."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftrain.data.output import check_writable, write_table
from tftrain.data.sources.csv import read_csv
from tftrain.errors import OutputError


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_numbers_survive_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "numbers.csv"
    write_table(pd.DataFrame({"a": values, "b": 1}), path)
    assert read_csv(path).a.astype(float).tolist() == values


@pytest.mark.parametrize(
    ("path", "fragment"),
    [("t.txt", r"\.csv or \.parquet"), ("no/t.csv", "no does not exist"), ("d.csv", "is a folder")],
)
def test_place_that_cannot_be_written(tmp_path: Path, path: str, fragment: str) -> None:
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(OutputError, match=fragment):
        check_writable(tmp_path / path)


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(OutputError, match=r"d\.csv: cannot be written: it is a folder.*--output"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "d.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["d.csv"]
