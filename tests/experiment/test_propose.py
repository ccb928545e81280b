"""Proposed configs: valid, and good enough to train with as they are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tftrain.config import load_config
from tftrain.errors import DataError
from tftrain.experiment.prepare import describe, prepare
from tftrain.experiment.propose import propose

NAMES = ["age (years)", "#tag", "a: b", "it's", 'say "x"', "ü", "null", "yes", "1", "- x", "y*"]


def table(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=rows) for name in NAMES})
    return frame.assign(word=rng.choice(["a", "b"], rows), target=rng.normal(size=rows))


def proposed(path: Path, *targets: str) -> Path:
    config = path.parent / "c.yaml"
    config.write_text(propose(path, targets, path.parent), encoding="utf-8")
    return config


@pytest.mark.parametrize("target", ["target", *NAMES])
def test_any_column_can_be_the_target(tmp_path: Path, target: str) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    prepared = prepare(load_config(proposed(tmp_path / "t.csv", target)))
    assert prepared.plan.target.names == (target,)
    assert {c.name for c in prepared.plan.columns} == set(table()) - {target}


def test_several_targets_of_a_parquet_table(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "t.parquet")
    prepared = prepare(load_config(proposed(tmp_path / "t.parquet", "target", "ü")))
    assert prepared.plan.target.names == ("target", "ü")
    assert prepared.config.data.source.kind == "parquet"


def test_the_way_it_is_written_goes_into_the_config(tmp_path: Path) -> None:
    path = tmp_path / "größe.csv"
    table()[["ü", "word", "target"]].to_csv(
        path, sep=";", decimal=",", index=False, encoding="cp1252"
    )
    prepared = prepare(load_config(proposed(path, "target")))
    np.testing.assert_allclose(prepared.targets[:, 0], table().target)
    source = prepared.config.data.source.model_dump()
    assert (source["delimiter"], source["decimal"], source["encoding"]) == (";", ",", "cp1252")


def test_columns_that_say_the_split_are_used_and_never_features(tmp_path: Path) -> None:
    frame = table()
    for i in range(4):
        frame[f"split_{i}"] = ["train", "test"] * 30
    frame["always"] = 1
    frame.to_csv(tmp_path / "t.csv", index=False)
    prepared = prepare(load_config(proposed(tmp_path / "t.csv", "target")))
    assert prepared.config.data.split.model_dump()["column"] == "split_0"
    np.testing.assert_array_equal(prepared.split.test, np.arange(1, 60, 2))
    assert {c.name for c in prepared.plan.columns} == {*NAMES, "word"}


def test_one_split_column(tmp_path: Path) -> None:
    table().assign(part=["train", "test"] * 30).to_csv(tmp_path / "t.csv", index=False)
    prepared = prepare(load_config(proposed(tmp_path / "t.csv", "target")))
    assert {c.name for c in prepared.plan.columns} == {*NAMES, "word"}


def test_path_starts_at_the_folder_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "configs").mkdir()
    table().to_csv(tmp_path / "data/t.csv", index=False)
    text = propose(tmp_path / "data/t.csv", ["target"], tmp_path / "configs")
    assert "../data/t.csv" in text
    (tmp_path / "configs/c.yaml").write_text(text, encoding="utf-8")
    assert len(prepare(load_config(tmp_path / "configs/c.yaml")).frame) == 60


def test_comments_survive_and_count(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    text = propose(tmp_path / "t.csv", ["target"], tmp_path)
    assert text.count("#") > 10
    assert "60 rows" in text


@pytest.mark.parametrize(("target", "fragment"), [("tarket", "target"), ("word", "'word'")])
def test_wrong_target(tmp_path: Path, target: str, fragment: str) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=fragment):
        propose(tmp_path / "t.csv", [target], tmp_path)


def test_a_mark_of_missing_values_is_found_and_explained(tmp_path: Path) -> None:
    rows = [f"{i % 7},{i}" for i in range(40)]
    rows[11] = "?,11"
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    text = propose(tmp_path / "t.csv", ["y"], tmp_path)
    assert "missing_values: [\"?\"]  # '?' in row 12 of a" in text
    (tmp_path / "t.yaml").write_text(text)
    prepared = prepare(load_config(tmp_path / "t.yaml"))
    assert prepared.plan.names == ["a", "a is missing"]
    assert prepared.notes == ()

    plain = prepare(load_config(tmp_path / "t.yaml", ["data.source.missing_values=[]"]))
    (note,) = plain.notes
    assert "'a' is taken as text because row 12 holds '?'" in note
    assert "data.source.missing_values" in note
    assert describe(plain)["notes"] == [note]


def test_a_text_among_the_targets_is_named(tmp_path: Path) -> None:
    rows = [f"{i % 7},{i}" for i in range(40)]
    rows[4] = "4,1.2.3"
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    with pytest.raises(DataError, match=r"t\.csv: column 'y' \(--target\) .* '1.2.3' in row 5$"):
        propose(tmp_path / "t.csv", ["y"], tmp_path)


@pytest.mark.parametrize("mark", ["", "?", "NA", "-"])
def test_rows_without_a_target_are_dropped_and_counted(tmp_path: Path, mark: str) -> None:
    rows = [f"{i % 7},{i}" for i in range(40)]
    rows[4], rows[11] = f"4,{mark}", f"5,{mark}"
    (tmp_path / "t.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    config = proposed(tmp_path / "t.csv", "y")
    assert "missing_target: drop        # 2 rows have no target" in config.read_text()
    prepared = prepare(load_config(config))
    assert len(prepared.targets) == 38
    assert "2 rows without a target are left out (data.missing_target: drop)" in prepared.notes
    with pytest.raises(DataError, match=r"'y' has 2 missing values, the first in row 5; .*drop"):
        prepare(load_config(config, ["data.missing_target=error"]))


def test_errors_about_columns_name_the_file(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"t\.csv: the table has no column 'tarket' \(--target\)"):
        propose(tmp_path / "t.csv", ["tarket"], tmp_path)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("# c\n{}", {"comment": "#"}),
        ("sep=,\n{}", {"skip_rows": 1}),
        ("{}\n", {}),
    ],
)
def test_a_dialect_goes_into_the_config(tmp_path: Path, text: str, options: dict[str, str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text.format(table()[["ü", "target"]].to_csv(index=False)), encoding="utf-8")
    prepared = prepare(load_config(proposed(path, "target")))
    assert len(prepared.frame) == 60
    source = prepared.config.data.source.model_dump()
    assert {key: source[key] for key in options} == options


def test_row_numbers_without_a_name_are_left_out_of_the_training(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table()[["ü", "word", "target"]].to_csv(path)
    prepared = prepare(load_config(proposed(path, "target")))
    assert {column.name for column in prepared.plan.columns} == {"ü", "word"}
    (note,) = describe(prepared)["notes"]
    assert "the first column has no name and holds row numbers (0, 1, 2 ...)" in note
    named = prepare(load_config(tmp_path / "c.yaml", ["data.features=[column_1, word]"]))
    assert {column.name for column in named.plan.columns} == {"column_1", "word"}
    assert named.notes == ()
    excluded = prepare(load_config(tmp_path / "c.yaml", ["data.features={exclude: [column_1]}"]))
    assert excluded.notes == ()


def test_two_columns_of_one_name_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,a,y,a\n" + "".join(f"{i / 2},{i % 3},{i % 7},2\n" for i in range(30)))
    config = {"data": {"source": {"kind": "csv", "path": str(path)}, "target": "y"}}
    with pytest.raises(DataError, match=r"two columns are called 'a'.*data\.features\.exclude"):
        prepare(load_config(config))
    for features in ({"exclude": ["a"]}, ["x"]):
        data = {**config["data"], "features": features}
        prepared = prepare(load_config({"data": data}))
        assert [column.name for column in prepared.plan.columns] == ["x"]
    proposal = proposed(path, "y")
    assert "- a  # several columns are called so" in proposal.read_text()
    assert [column.name for column in prepare(load_config(proposal)).plan.columns] == ["x"]
    with pytest.raises(DataError, match=r"t\.csv: two columns are called 'a'; rename one"):
        propose(path, ["a"], tmp_path)


def written(tmp_path: Path, name: str, values: list[str], rows: int = 60) -> Path:
    frame = pd.DataFrame({name: [values[i % len(values)] for i in range(rows)]})
    frame = frame.assign(rooms=np.arange(rows) % 7, price=np.arange(rows) * 1.5 + 3)
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


DAYS = pd.date_range("2020-01-05", periods=60, freq="9D")


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ([f"{i * 1000 + 7:,}" for i in range(60)], "numeric"),
        ([f"$ {i}.50" for i in range(60)], "numeric"),
        ([f"{i / 7:.1f} %" for i in range(60)], "numeric"),
        ([f"{i},5" for i in range(60)], "numeric"),
        ([f"({i}.00)" if i % 2 else f"{i},000.00" for i in range(1, 60)], "numeric"),
        (list(DAYS.strftime("%d/%m/%Y")), "date"),
        (list(DAYS.strftime("%m/%d/%Y %H:%M")), "date"),
        (list(DAYS.strftime("%d.%m.%Y")), "date"),
        (list(DAYS.strftime("%Y/%m/%d")), "date"),
        (list(DAYS.strftime("%b %d, %Y")), "date"),
        (list(DAYS.strftime("%b. %d, %Y")), "date"),
        (list(DAYS.strftime("%Y-%b-%d")), "date"),
        (list(DAYS.strftime("%Y-%m-%d %H:%M:%S UTC")), "date"),
        (list(DAYS.strftime("%a, %d %b %Y %H:%M:%S GMT")), "date"),
        (list(DAYS.strftime("%Y%m%d")), "date"),
        (["20200131", "20200199", "20200201"], "numeric"),
        (["2020-01", "2020-02", "2021-11"], "date"),
        (["Jan 20", "Feb 20", "Nov 21"], "date"),
        (["7:30", "11:05", "23:59"], "time"),
        (["7:30 am", "11:05 PM"], "time"),
        (["yes", "no"], "text"),
    ],
)
def test_numbers_and_dates_are_recognised(tmp_path: Path, values: list[str], role: str) -> None:
    config = proposed(written(tmp_path, "c", values), "price")
    prepared = prepare(load_config(config))
    assert {c.name: c.role for c in prepared.plan.columns} == {"c": role, "rooms": "numeric"}


def test_dates_with_two_readings_are_left_out_by_init_and_an_error_in_training(
    tmp_path: Path,
) -> None:
    values = ["01/02/2020", "03/04/2020", "05/06/2021"]
    config = proposed(written(tmp_path, "sold", values), "price")
    assert "which fit both %d/%m/%Y and %m/%d/%Y: set data.source.date_format" in config.read_text()
    assert [c.name for c in prepare(load_config(config)).plan.columns] == ["rooms"]
    both = ["data.features=auto"]
    with pytest.raises(DataError, match=r"'sold' holds dates .* both %d/%m/%Y and %m/%d/%Y: set"):
        prepare(load_config(config, both))
    for form, first in (("%d/%m/%Y", "2020-02-01"), ("{sold: '%m/%d/%Y'}", "2020-01-02")):
        prepared = prepare(load_config(config, [*both, f"data.source.date_format={form}"]))
        seconds = prepared.plan.raw_columns(prepared.frame)["sold"]
        assert seconds[0] == pd.Timestamp(first).timestamp()


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_days_written_as_whole_numbers(tmp_path: Path, name: str, missing: bool) -> None:
    whole = pd.Series(DAYS.strftime("%Y%m%d").astype("Int64"))
    expected = np.array((DAYS - pd.Timestamp(0)) / pd.Timedelta("1s"))
    if missing:  # so that pandas writes the others with a point: 20200131.0
        whole = whole.astype(float).where(whole.index != 7)
        expected[7] = np.nan
    frame = pd.DataFrame({"day": whole, "price": np.arange(60) * 1.5})
    frame.to_csv(tmp_path / name, index=False) if name[2:] == "csv" else None
    frame.to_parquet(tmp_path / name) if name[2:] != "csv" else None
    prepared = prepare(load_config(proposed(tmp_path / name, "price")))
    dates = pd.Series(DAYS).where(whole.notna())
    iso = dates.dt.strftime("%Y-%m-%d")
    for days in (whole, whole.astype("Float64"), whole.astype("string"), dates, iso):
        raw = prepared.plan.raw_columns(prepared.frame.assign(day=days))
        np.testing.assert_array_equal(raw["day"], expected)
    with pytest.raises(DataError, match="must hold dates, as it did in training, but row 1 holds"):
        prepared.plan.raw_columns(prepared.frame.assign(day=7))


def test_many_texts_with_digits_are_never_taken_in_silence(tmp_path: Path) -> None:
    path = written(tmp_path, "weight", [f"{i} kg" for i in range(25)], rows=100)
    (note,) = prepare(load_config(proposed(path, "price"))).notes
    assert "'weight' is taken as text: 25 categories such as '0 kg'" in note


@pytest.mark.parametrize(
    ("table", "fragment"),
    [
        ({"x": [1.5, 2, 3, 4, 5] * 8, "y": [7.0] * 40}, "'y' is 7 in every training row"),
        ({"x": [1.5, 2], "y": [1.0, 2]}, "2 rows are too few for this split"),
        ({"x": ["same"] * 40, "y": range(40)}, "no column is left as a feature"),
        ({"y": range(40)}, "no column is left as a feature"),
    ],
)
def test_no_config_is_written_that_check_would_refuse(
    tmp_path: Path, table: dict[str, object], fragment: str
) -> None:
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=rf"t\.csv: .*{fragment}"):
        propose(tmp_path / "t.csv", ["y"], tmp_path)


def test_row_numbers_are_left_out_unless_nothing_else_is_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": rng.permutation(60) + 5, "x": rng.normal(size=60)})
    frame.assign(y=range(60)).to_csv(tmp_path / "t.csv", index=False)
    config = proposed(tmp_path / "t.csv", "y")
    assert "- id  # it numbers the rows" in config.read_text()
    frame[["id"]].assign(y=range(60)).to_csv(tmp_path / "t.csv", index=False)
    prepared = prepare(load_config(proposed(tmp_path / "t.csv", "y")))
    assert [c.name for c in prepared.plan.columns] == ["id"]


def test_a_date_of_its_own_in_each_row_suggests_an_ordered_split(tmp_path: Path) -> None:
    config = proposed(written(tmp_path, "day", list(DAYS.strftime("%Y-%m-%d"))), "price")
    assert "or {kind: ordered, by: day} to forecast" in config.read_text()
