"""A run, opened again: its predictions."""

import copy
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tftrain
from tftrain.errors import DataError, InputError, RunError, TftrainWarning
from tftrain.runs import Run


def table(rows: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "word": rng.choice(["a", "b"], rows)})
    return frame.assign(y=4 * frame.x + (frame.word == "a") + 100)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("run")
    table().to_csv(path / "t.csv", index=False, sep=";", decimal=",")
    source = {"kind": "csv", "path": str(path / "t.csv"), "delimiter": ";", "decimal": ","}
    return tftrain.train(
        {
            "data": {"source": source, "target": "y"},
            "model": {"kind": "linear", "dtype": "float64"},
            "optimizer": {"kind": "sgd", "learning_rate": 0.2},
            "training": {"epochs": 300, "batch_size": "full"},
        },
        output=path / "out",
    )


def test_linear_data_are_predicted(run: Run) -> None:
    new = pd.DataFrame({"x": [0.0, 1.0, -2.0], "word": ["a", "b", "b"]})
    np.testing.assert_allclose(run.predict(new), [101, 104, 92], rtol=1e-6)


def test_opened_again(run: Run) -> None:
    again = tftrain.load_run(str(run.path))
    assert again.summary == run.summary
    assert again.config == run.config
    np.testing.assert_array_equal(again.predict(table()), run.predict(table()))


def test_order_index_and_other_columns_do_not_matter(run: Run) -> None:
    frame = table()
    expected = run.predict(frame)
    assert expected.shape == (50,)
    assert expected.dtype == np.float64
    order = np.random.default_rng(0).permutation(50)
    shuffled = frame.iloc[order].assign(other="?")[["other", "word", "x"]]
    np.testing.assert_allclose(run.predict(shuffled), expected[order], rtol=1e-12)


def test_blocks_of_rows_do_not_show(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run.predict(table())
    monkeypatch.setattr("tftrain.runs.run.BLOCK_ROWS", 7)
    np.testing.assert_allclose(run.predict(table()), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "table", [{"a": [1.0]}, np.ones((2, 2)), "t.csv", pd.Series([1.0]), None], ids=type
)
def test_only_dataframes_are_predicted(run: Run, table: Any) -> None:
    with pytest.raises(InputError, match=r"must be a pandas DataFrame: pandas\.DataFrame\("):
        run.predict(table)


def test_no_rows_no_predictions(run: Run) -> None:
    assert run.predict(table().iloc[:0]).shape == (0,)


def test_unknown_and_missing_values_are_no_error(run: Run) -> None:
    new = pd.DataFrame({"x": [1.0, None, 1.0], "word": ["zebra", "a", None]})
    unseen = "column 'word': 2 of 3 values were in no training row, such as 'zebra'"
    with pytest.warns(TftrainWarning, match=unseen):
        got = run.predict(new)
    assert np.isfinite(got).all()
    assert got[0] == got[2]


def test_all_missing_columns_are_named_with_spare_ones_as_guesses(run: Run) -> None:
    new = table().rename(columns={"word": "WORD", "x": "b", "y": "y"})
    with pytest.raises(DataError, match=r"lacks 2 columns .*'x'.*'word', did you mean 'WORD'\?"):
        run.predict(new)


@pytest.mark.parametrize("value", [1.7e308, -1.7976931348623157e308])
def test_numbers_that_training_would_refuse_are_refused(run: Run, value: float) -> None:
    new = pd.DataFrame({"x": [0.0, value], "word": ["a", "a"]})
    with pytest.raises(DataError, match=r"'x' is too large .* row 2|not finite in row 2"):
        run.predict(new)
    served = run.model.predict({"x": [0.0, value], "word": ["a", "a"]})["y"].numpy()
    assert np.isnan(served).tolist() == [False, True]


def test_missing_column_names_the_nearest(run: Run) -> None:
    with pytest.raises(DataError, match=r"lacks a column .*'word', did you mean 'wrod'\?"):
        run.predict(table().rename(columns={"word": "wrod"}))


def test_text_in_place_of_a_number(run: Run) -> None:
    with pytest.raises(DataError, match=r"'x' must hold numbers, but row 2 holds 'much'"):
        run.predict(pd.DataFrame({"x": ["1", "much"], "word": ["a", "a"]}))


def test_table_of_predictions(run: Run) -> None:
    predicted = run.predict_table(table())
    assert list(predicted) == ["predicted_y"]
    np.testing.assert_array_equal(predicted.predicted_y, run.predict(table()))


def test_csv_is_read_as_the_data_of_the_run_were(run: Run, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("x;word\n0,5;b\n")
    np.testing.assert_allclose(run.predict(run.read_table(tmp_path / "new.csv")), [102], rtol=1e-6)


def test_damaged_model_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("summary.json", "config.yaml", "model/preprocessing.json"):
        (tmp_path / name).write_text((run.path / name).read_text())
    damaged = tftrain.load_run(tmp_path)
    with pytest.raises(RunError, match=r"model: cannot be loaded"):
        damaged.predict(table())
    (tmp_path / "model/saved_model.pb").write_bytes(b"\xff" * 50)
    with pytest.raises(RunError, match=r"model: cannot be loaded"):
        tftrain.load_run(tmp_path).predict(table())


def test_text_stays_text_where_a_new_file_looks_like_numbers(tmp_path: Path) -> None:
    """`01` of a file that holds `01` and `02` only is still the `01` of the training."""
    effect = {"01": 10.0, "02": -10.0, "A3": 0.0, "true": 5.0}
    table = pd.DataFrame({"code": list(effect) * 30})
    table["y"] = table["code"].map(effect)
    table.to_csv(tmp_path / "t.csv", index=False)
    config = {
        "data": {"source": {"kind": "csv", "path": str(tmp_path / "t.csv")}, "target": "y"},
        "model": "linear",
        "optimizer": {"kind": "adam", "learning_rate": 0.05},
    }
    run = tftrain.train(config, output=tmp_path / "run")
    for codes in (["01", "02"], ["true"], ["A3", "01"]):
        (tmp_path / "new.csv").write_text("\n".join(["code", *codes]) + "\n")
        got = run.predict(run.read_table(tmp_path / "new.csv"))
        np.testing.assert_allclose(got, [effect[code] for code in codes], atol=0.2)


def test_a_row_is_predicted_the_same_alone_and_in_its_table(tmp_path: Path) -> None:
    table = pd.DataFrame({"level": [1, 2, 2.5] * 20})
    table["y"] = table["level"].map({1: 0.0, 2: 10.0, 2.5: -3.0})
    config = {
        "data": {
            "source": "dataframe",
            "target": "y",
            "preprocess": {"categorical": ["level"]},
        },
        "model": "linear",
        "training": {"epochs": 20},
    }
    run = tftrain.train(config, data=table, output=tmp_path / "run")
    together = run.predict(table)
    for i in range(3):
        np.testing.assert_allclose(run.predict(table.iloc[[i]]), together[[i]], rtol=1e-6)


@pytest.mark.parametrize(
    "again",
    [lambda run: pickle.loads(pickle.dumps(run)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_run_is_pickled_and_copied_by_its_path(run: Run, again: Callable[[Run], Run]) -> None:
    expected = run.predict(table())  # its model is loaded, which could not be pickled
    other = again(run)
    assert other is not run
    assert other.summary == run.summary
    np.testing.assert_array_equal(other.predict(table()), expected)


def test_a_pickled_run_is_found_from_another_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.path.parent)
    pickled = pickle.dumps(tftrain.load_run(run.path.name))
    assert len(pickled) < 1_000
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(pickled).path == run.path


def test_a_pickled_run_that_is_gone_gets_the_error_of_load_run(run: Run, tmp_path: Path) -> None:
    moved = shutil.copytree(run.path, tmp_path / "run")
    pickled = pickle.dumps(tftrain.load_run(moved))
    shutil.rmtree(moved)
    with pytest.raises(RunError) as opening:
        tftrain.load_run(moved)
    with pytest.raises(RunError) as unpickling:
        pickle.loads(pickled)
    assert str(unpickling.value) == str(opening.value)


def test_a_run_predicts_in_a_process_that_was_spawned(run: Run) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        predicted = pool.submit(run.predict, table()).result(timeout=120)
    np.testing.assert_array_equal(predicted, run.predict(table()))
