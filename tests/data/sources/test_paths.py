"""Paths and patterns of tables."""

from pathlib import Path

import pytest

from tftrain.data.sources.csv import read_csv
from tftrain.data.sources.paths import stem_of
from tftrain.errors import DataError


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "concrete.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"concret\.csv: no such file, did you mean concrete\.csv"):
        read_csv(tmp_path / "concret.csv")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        read_csv(tmp_path / "nowhere/t.csv")


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a folder.*\*\.csv"):
        read_csv(tmp_path)


def test_pattern_without_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.csv: no file matches$"):
        read_csv(tmp_path / "*.csv")


@pytest.mark.parametrize(
    ("path", "stem"),
    [("a/b.csv", "b"), ("b.csv.gz", "b"), ("b.tar.parquet", "b"), ("part_*.csv", "part_")],
)
def test_stem_of(path: str, stem: str) -> None:
    assert stem_of(path) == stem
