"""The reader that a file needs, and columns as they are written."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tftrain.data.output import write_table
from tftrain.data.sources import read_as_written, read_table
from tftrain.errors import DataError


def test_read_table_goes_by_the_extension(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    for name in ("t.csv", "t.parquet", "t.PQ"):
        write_table(frame, tmp_path / name)
        pd.testing.assert_frame_equal(read_table(tmp_path / name), frame)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.PQ", "t.csv", "t.parquet"]


def test_a_column_that_is_called_like_an_index_of_pandas(tmp_path: Path) -> None:
    columns = {"__index_level_0__": [1, 2], "b": [3, 4]}
    (tmp_path / "t.csv").write_text("__index_level_0__,b\n1,3\n2,4\n")
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert read_table(tmp_path / name).to_dict("list") == columns


IDS = ["007", "12345678901234567890", "NA", "", " x ", "1e5", "true", "2020-01-01", '"q"', "'"]


def test_columns_as_they_are_written(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": IDS, "x": 1.0})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert read_as_written(tmp_path / "t.csv", ["id"])["id"].to_list() == IDS
    assert read_as_written(tmp_path / "t.csv", ["x", "id"]).iloc[0].to_list() == ["1.0", "007"]
    big = pd.DataFrame({"id": pd.array([2**63 - 1, None], "Int64"), "x": [1.5, 2.5]})
    big.to_parquet(tmp_path / "t.parquet")
    out = io.StringIO()
    read_as_written(tmp_path / "t.parquet", ["id"]).to_csv(out, index=False)
    assert out.getvalue().split() == ["id", str(2**63 - 1), '""']
    with pytest.raises(DataError, match=r"t\.csv: has no column 'ids', did you mean id\?"):
        read_as_written(tmp_path / "t.csv", ["ids"])
