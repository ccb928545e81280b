"""Training from configs: what a run leaves behind, and how failures leave it."""

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tftrain.errors import (
    DataError,
    DivergedError,
    InputError,
    OutOfMemoryError,
    OutputError,
    RunError,
    TftrainError,
    TftrainWarning,
)
from tftrain.experiment.evaluate import evaluate
from tftrain.memory import Limit
from tftrain.training import EpochRecord

FILES = {"config.yaml", "environment.json", "metrics.jsonl", "summary.json", "checkpoints", "model"}
FILES.add(".lock")


def table(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"a": rng.normal(size=rows), "b": rng.normal(size=rows)})
    frame["w"] = rng.choice([0.5, 1.0, 3.0], rows)
    frame["y"] = 20 + 5 * frame.a - 3 * frame.b + rng.normal(size=rows)
    frame["z"] = frame.a * 100
    return frame


def config_of(**sections: Any) -> dict[str, Any]:
    data = {"source": "dataframe", "target": "y", "features": ["a", "b"]}
    training = {"epochs": 4, "batch_size": 16, **sections.pop("training", {})}
    model = {"kind": "mlp", "hidden": [4]}
    data.update(sections.pop("data", {}))
    return {"data": data, "model": model, "training": training, **sections}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def metrics_by_hand(
    prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None
) -> dict[str, float]:
    weight = np.ones(len(target)) if weight is None else weight
    error = prediction - target
    mse = np.average(error**2, weights=weight)
    spread = np.average((target - np.average(target, weights=weight)) ** 2, weights=weight)
    return {
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": np.average(abs(error), weights=weight),
        "r2": 1 - mse / spread,
    }


def weights_of(run: tftrain.Run) -> list[np.ndarray]:
    reader = tf.train.load_checkpoint(str(run.directory.model / "variables/variables"))
    names = sorted(reader.get_variable_to_shape_map())
    values = [reader.get_tensor(name) for name in names if "network" in name]
    assert len(values) >= 2
    return values


def test_what_a_run_leaves_behind(tmp_path: Path) -> None:
    table().to_csv("t.csv", index=False)
    Path("my.yaml").write_text(
        "data:\n"
        "  source: {kind: csv, path: t.csv}\n"
        "  target: y\n"
        "  features: {exclude: [z, w]}\n"
        "model: {kind: mlp, hidden: [4]}\n"
        "training: {epochs: 5, batch_size: 16, early_stopping: {patience: 3}}\n"
    )
    run = tftrain.train("my.yaml", overrides=["seed=9"])
    assert run.path == Path("runs/my/0001")
    assert {p.name for p in run.path.iterdir()} == FILES
    assert tftrain.load_config(run.directory.config) == tftrain.load_config("my.yaml", ["seed=9"])

    environment = json.loads(run.directory.environment.read_text())
    assert environment["packages"]["tensorflow"] == tf.__version__
    assert environment["data"]["rows"] == 60
    assert environment["data"]["columns"] == 5
    assert len(environment["data"]["sha256"]) == 64
    assert {"python", "platform", "command", "git", "started"} <= set(environment)

    summary = run.summary
    assert json.loads(run.directory.summary.read_text()) == summary
    assert (summary["state"], summary["name"], summary["seed"]) == ("finished", "my", 9)
    assert (summary["train"]["rows"], summary["test"]["rows"]) == (42, 9)
    assert summary["columns"] == {"a": "numeric", "b": "numeric"}
    assert summary["parameters"] == 2 * 4 + 4 + 4 + 1
    assert summary["steps"] == 3 * summary["epochs"]
    assert set(summary["seconds"]) == {"load", "compile", "train", "evaluate", "export"}
    assert all(seconds > 0 for seconds in summary["seconds"].values())
    assert summary["compile"]["traces"] == 1

    lines = [json.loads(line) for line in run.directory.metrics.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, summary["epochs"] + 1))
    best = min(lines, key=lambda line: line["validation"]["loss"])
    assert summary["best_epoch"] == best["epoch"]
    for name in ("mse", "rmse", "mae", "r2"):
        assert best["validation"][name] == pytest.approx(summary["validation"][name], rel=1e-5)


def test_metrics_are_those_of_the_predictions() -> None:
    frame = table()
    frame["part"] = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    split = {"kind": "column", "column": "part"}
    run = tftrain.train(config_of(data={"split": split}), data=frame)
    for part, rows in (("train", frame[:40]), ("validation", frame[40:50]), ("test", frame[50:])):
        expected = metrics_by_hand(run.predict(rows), rows.y.to_numpy())
        got = {k: v for k, v in run.summary[part].items() if k != "rows"}
        assert got == pytest.approx(expected, rel=1e-5)
        assert run.summary[part]["rows"] == len(rows)


def test_evaluate_gives_the_metrics_of_the_summary() -> None:
    run = tftrain.train(config_of(data={"weight": "w"}), data=table())
    for part in ("train", "validation", "test"):
        got = evaluate(run, table(), part)
        assert got["rows"] == run.summary[part]["rows"]
        assert {k: got[k] for k in ("mse", "rmse", "mae", "r2")} == pytest.approx(
            {k: run.summary[part][k] for k in ("mse", "rmse", "mae", "r2")}, rel=1e-5
        )
    whole = evaluate(run, table())
    expected = metrics_by_hand(run.predict(table()), table().y.to_numpy(), table().w.to_numpy())
    assert {k: whole[k] for k in expected} == pytest.approx(expected, rel=1e-9)


def test_evaluate_without_such_rows() -> None:
    split = {"kind": "fractions", "train": 1, "validation": 0, "test": 0}
    run = tftrain.train(config_of(data={"split": split}), data=table())
    assert run.summary["test"] is None
    with pytest.raises(DataError, match="no rows for test"):
        evaluate(run, table(), "test")


def test_same_config_same_weights_bit_for_bit() -> None:
    first, again = (tftrain.train(config_of(seed=5), data=table()) for _ in range(2))
    other = tftrain.train(config_of(seed=6), data=table())
    for a, b in zip(weights_of(first), weights_of(again), strict=True):
        assert a.tobytes() == b.tobytes()
    assert any(not np.array_equal(a, b) for a, b in zip(weights_of(first), weights_of(other)))  # noqa: B905
    assert first.path != again.path


def test_weights_of_rows_count_as_repetitions() -> None:
    """A weight of 2 is the same as giving the row twice: the least-squares solutions agree."""
    frame = table()
    frame["w"] = 1.0 + (frame.index % 2)
    split = {"kind": "fractions", "train": 1, "validation": 0, "test": 0}
    sections: dict[str, Any] = {
        "training": {"epochs": 400, "batch_size": "full"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.3},
    }
    config = config_of(data={"split": split, "weight": "w", "features": "auto"}, **sections)
    config["data"]["features"] = {"exclude": ["z"]}
    config["model"] = {"kind": "linear", "dtype": "float64"}
    run = tftrain.train(config, data=frame)
    assert "w" not in run.summary["columns"]
    x = np.column_stack([frame.a, frame.b, np.ones(len(frame))])
    root = np.sqrt(frame.w.to_numpy())
    solution = np.linalg.lstsq(x * root[:, None], frame.y * root, rcond=None)[0]
    np.testing.assert_allclose(run.predict(frame), x @ solution, rtol=1e-6)


def test_several_targets() -> None:
    run = tftrain.train(config_of(data={"target": ["y", "z"]}), data=table())
    prediction = run.predict(table())
    assert prediction.shape == (60, 2)
    whole = evaluate(run, table())
    for i, name in enumerate(("y", "z")):
        expected = metrics_by_hand(prediction[:, i], table()[name].to_numpy())
        assert whole["targets"][name] == pytest.approx(expected, rel=1e-9)
    parts = [whole["targets"][name] for name in ("y", "z")]
    assert whole["mse"] == pytest.approx(np.mean([part["mse"] for part in parts]))
    assert list(run.predict_table(table())) == ["predicted_y", "predicted_z"]


def test_dataframe_takes_the_place_of_the_source() -> None:
    config = config_of(data={"source": {"kind": "csv", "path": "nowhere.csv"}})
    frame = table().set_index(pd.Index(range(100, 160)))
    run = tftrain.train(config, data=frame)
    assert run.config.data.source.kind == "dataframe"
    assert run.predict(frame).shape == (60,)
    with pytest.raises(DataError, match="data=frame"):
        evaluate(run)
    with pytest.raises(DataError, match="nowhere"):
        tftrain.train(config)


def test_column_names_that_are_no_strings() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)))
    run = tftrain.train(config_of(data={"target": "2", "features": "auto"}), data=frame)
    assert set(run.summary["columns"]) == {"0", "1"}
    assert run.predict(frame).shape == (40,)


def test_dataframe_is_not_changed() -> None:
    frame = table()
    tftrain.train(config_of(), data=frame)
    pd.testing.assert_frame_equal(frame, table())


class Note(tftrain.Observer):
    """Keeps the epochs, and can raise after one of them."""

    def __init__(self, error: BaseException | None = None, after: int = 0) -> None:
        self.error, self.after = error, after
        self.epochs: list[int] = []
        self.ended = 0

    def on_epoch(self, record: EpochRecord) -> None:
        self.epochs.append(record.epoch)
        if self.error is not None and record.epoch == self.after:
            raise self.error

    def on_end(self) -> None:
        self.ended += 1


def test_observers_are_told() -> None:
    note = Note()
    tftrain.train(config_of(), data=table(), observers=[note])
    assert note.epochs == [1, 2, 3, 4]
    assert note.ended == 1


def test_interrupted_run_keeps_what_it_has() -> None:
    note = Note(KeyboardInterrupt(), after=3)
    with pytest.raises(KeyboardInterrupt):
        tftrain.train(
            config_of(training={"epochs": 9}), data=table(), output="run", observers=[note]
        )
    run = tftrain.load_run("run")
    assert run.summary["state"] == "interrupted"
    assert run.summary["stop_reason"] == "interrupted"
    assert run.summary["epochs"] == 3
    assert len(run.directory.metrics.read_text().splitlines()) == 3
    expected = metrics_by_hand(run.predict(table()), table().y.to_numpy())
    assert evaluate(run, table())["rmse"] == pytest.approx(expected["rmse"])
    three = tftrain.train(config_of(training={"epochs": 3}), data=table())
    np.testing.assert_array_equal(run.predict(table()), three.predict(table()))


def test_interrupted_before_the_first_epoch() -> None:
    class Early(tftrain.Observer):
        def on_chunk(self, epoch: int, step: int, loss: float) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tftrain.train(config_of(), data=table(), output="run", observers=[Early()])
    summary = json.loads(Path("run/summary.json").read_text())
    reason = "stopped before the first epoch was over"
    assert (summary["state"], summary["error"], summary["epochs"]) == ("interrupted", reason, 0)
    with pytest.raises(RunError, match=f"has no model .*'interrupted': {reason}"):
        tftrain.load_run("run")


def test_interrupted_before_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*model: Any, **settings: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tf.saved_model, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tftrain.train(config_of(), data=table(), output="run")
    with pytest.raises(RunError, match="'interrupted': stopped before its model was written"):
        tftrain.load_run("run")


def test_failed_run_says_so() -> None:
    with pytest.raises(ZeroDivisionError):
        tftrain.train(
            config_of(), data=table(), output="run", observers=[Note(ZeroDivisionError("oh"), 2)]
        )
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["state"], summary["error"], summary["epochs"]) == ("failed", "oh", 2)
    assert not Path("run/model").exists()


def test_diverged_run_names_epoch_and_step_and_keeps_the_last_good_metrics() -> None:
    config = config_of(
        optimizer={"kind": "sgd", "learning_rate": 1e6}, training={"epochs": 50}, loss="mse"
    )
    with pytest.raises(DivergedError, match=r"epoch \d+, step \d+.*learning rate") as caught:
        tftrain.train(config, data=table(), output="run")
    assert caught.value.exit_code == 1
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["state"] == "failed"
    assert summary["error"] == str(caught.value)
    assert summary["epochs"] == caught.value.epoch - 1
    lines = Path("run/metrics.jsonl").read_text().splitlines()
    assert len(lines) == summary["epochs"]
    assert summary["last_epoch"] == (json.loads(lines[-1]) if lines else None)
    assert not Path("run/model").exists()
    with pytest.raises(RunError, match="'failed': training diverged"):
        tftrain.load_run("run")


def test_divergence_keeps_the_epochs_before_it() -> None:
    config = config_of(
        optimizer={"kind": "sgd", "learning_rate": 3.0},
        training={"epochs": 5000, "batch_size": "full"},
    )
    config["model"] = {"kind": "linear"}
    with pytest.raises(DivergedError) as caught:
        tftrain.train(config, data=table(), output="run")
    assert caught.value.epoch > 3
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["last_epoch"]["epoch"] == caught.value.epoch - 1
    assert np.isfinite(summary["last_epoch"]["loss"])


def test_a_run_that_was_killed_before_its_end_is_not_opened() -> None:
    run = tftrain.train(config_of(), data=table(), output="run")
    run.directory.write_json(run.directory.summary, {"state": "running"})
    shutil.rmtree(run.directory.model)
    with pytest.raises(RunError, match=r"no model .*state is 'running'"):
        tftrain.load_run("run")


def test_metrics_that_json_cannot_say_are_null() -> None:
    """A slope that grows by 1e20 times a step: absolute errors are finite, nothing is infinite."""
    config = config_of(
        model={"kind": "linear"},
        loss="mae",
        optimizer={"kind": "sgd", "learning_rate": 1e20},
        training={"epochs": 2},
    )
    run = tftrain.train(config, data=table(), output="run")
    assert 1e30 < run.summary["test"]["mse"] < np.inf
    for line in Path("run/metrics.jsonl").read_text().splitlines():
        record = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert 1e30 < record["validation"]["mse"] < np.inf


def test_failing_again_while_failing_keeps_the_first_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(self: object, state: str, **more: object) -> None:
        if state == "failed":
            raise OutputError("disk full")

    monkeypatch.setattr("tftrain.experiment.train.Training._write_summary", cannot)
    with pytest.raises(ZeroDivisionError):
        tftrain.train(
            config_of(), data=table(), output="run", observers=[Note(ZeroDivisionError("oh"), 2)]
        )
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary == {"state": "failed", "error": "oh"}


@pytest.mark.parametrize("hidden", [[1_000_000, 1_000_000], [3000, 3000]])
def test_a_network_too_large_for_the_memory(
    monkeypatch: pytest.MonkeyPatch, hidden: list[int]
) -> None:
    """Refused before its weights are drawn, or before the slots are made: 36 MB, and 144 MB."""
    limit = Limit(1 << 27, "this machine has")
    monkeypatch.setattr("tftrain.memory.limit", lambda: limit)
    config = config_of(model={"kind": "mlp", "hidden": hidden})
    said = r"out of memory.* has 128\.0 MiB\. .* (weights|parameters).*model\.hidden"
    with pytest.raises(OutOfMemoryError, match=said) as caught:
        tftrain.train(config, data=table(), output="run")
    assert caught.value.exit_code == 1
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["state"] == "failed"
    assert "out of memory" in summary["error"]


def test_evaluating_rows_of_no_weight() -> None:
    run = tftrain.train(config_of(data={"weight": "w"}), data=table())
    with pytest.raises(DataError, match="all rows have weight 0 in column 'w'"):
        evaluate(run, table().assign(w=0.0))


def test_missing_numbers_are_refused_at_prediction_where_they_were_in_training() -> None:
    run = tftrain.train(config_of(data={"preprocess": {"missing": "error"}}), data=table())
    holed = table()
    holed.loc[4, "b"] = np.nan
    with pytest.raises(DataError, match="'b' has 1 missing value, the first in row 5"):
        run.predict(holed)
    with pytest.raises(DataError, match="'b' has 1 missing value, the first in row 5"):
        evaluate(run, holed)


def test_column_names_that_cannot_be_told_apart() -> None:
    twice = table().rename(columns={"z": "a"})
    levels = table()
    levels.columns = pd.MultiIndex.from_product([["top"], levels.columns])
    numbered = table().rename(columns={"w": 1, "z": "1"})
    run = tftrain.train(config_of(), data=table())
    for frame, fragment in (
        (twice, "two columns are called 'a'"),
        (numbered, "two columns are called '1'"),
        (levels, "several levels"),
    ):
        with pytest.raises(DataError, match=f"the DataFrame: .*{fragment}"):
            tftrain.train(config_of(data={"features": "auto"}), data=frame)
        if frame is not numbered:  # of which the model reads neither
            with pytest.raises(DataError, match=fragment):
                run.predict(frame)


@pytest.mark.slow
def test_time_budget_stops(tmp_path: Path) -> None:
    config = config_of(training={"epochs": 10**9, "time_budget": 0.05})
    run = tftrain.train(config, data=table())
    assert run.summary["state"] == "finished"
    assert "time budget" in run.summary["stop_reason"]


@pytest.mark.parametrize(
    ("sections", "change", "fragment"),
    [
        ({"data": {"target": "yy"}}, {}, "no column 'yy' .*did you mean y"),
        ({"data": {"features": ["a", "bb"]}}, {}, "no column 'bb'"),
        ({"data": {"features": ["a", "y"]}}, {}, "names 'y', which is the target"),
        ({"data": {"features": {"exclude": ["q"]}}}, {}, "exclude names 'q'"),
        ({"data": {"features": {"exclude": ["*"]}}}, {}, "no column is left"),
        ({"data": {"weight": "v"}}, {}, r"no column 'v' \(data.weight\)"),
        ({"data": {"weight": "w"}}, {"w": -1.0}, r"'w' .*zero or more, but is -1 in row 1"),
        ({"data": {"weight": "w"}}, {"w": 0.0}, "all train rows have weight 0"),
        ({"data": {"weight": "w"}}, {"w": np.nan}, "'w'.*row 1"),
        ({}, {"y": 3.0}, "'y' is 3 in every training row"),
        ({}, {"y": np.nan}, "'y'.*row 1"),
        ({}, {"y": "text"}, "'y'"),
        ({}, {"a": np.nan}, "'a' has no value"),
        ({}, {"a": -np.inf}, "'a' is infinite in row"),
        ({"data": {"preprocess": {"categorical": ["q"]}}}, {}, "'q'"),
        (
            {
                "data": {
                    "split": {"kind": "fractions", "train": 0.8, "validation": 0, "test": 0.2}
                },
                "training": {"early_stopping": {}},
            },
            {},
            "early_stopping needs validation rows",
        ),
        ({"data": {"split": {"kind": "column", "column": "c"}}}, {}, "no column 'c'"),
        ({"data": {"split": {"kind": "ordered", "by": "c"}}}, {}, "no column 'c'"),
    ],
)
def test_bad_input_leaves_no_run(
    sections: dict[str, Any], change: dict[str, Any], fragment: str
) -> None:
    with pytest.raises(InputError, match=fragment) as caught:
        tftrain.train(config_of(**sections), data=table().assign(**change))
    assert caught.value.exit_code == 2
    assert not Path("runs").exists()


def test_table_without_rows() -> None:
    with pytest.raises(InputError, match="no rows"):
        tftrain.train(config_of(), data=table().iloc[:0])
    with pytest.raises(InputError, match="too few"):
        tftrain.train(config_of(), data=table().iloc[:3])


@pytest.mark.parametrize("data", [np.ones((60, 5)), {"a": [1]}, "t.csv"], ids=type)
def test_data_that_are_no_dataframe(data: Any) -> None:
    with pytest.raises(InputError, match=r"must be a pandas DataFrame: pandas\.DataFrame\("):
        tftrain.train(config_of(), data=data)
    assert not Path("runs").exists()


def test_overrides_that_are_no_list() -> None:
    with pytest.raises(InputError, match=r"overrides must be a list such as .*got 'training"):
        tftrain.train(config_of(), data=table(), overrides="training.epochs=1")


def test_errors_with_a_dataframe_speak_of_no_set() -> None:
    with pytest.raises(InputError, match=r"^config: data\.target: column 'y' is named twice"):
        tftrain.train(config_of(data={"target": ["y", "y"]}), data=table())


def test_targets_beyond_float32_are_named_before_a_run_is_made() -> None:
    frame = table()
    frame.loc[6, "y"] = -1e39
    config = config_of(data={"preprocess": {"target": "none"}})
    with pytest.raises(DataError, match=r"'y' is too large for float32 in row 7; .*model\.dtype"):
        tftrain.train(config, data=frame)
    assert not Path("runs").exists()
    config["model"]["dtype"] = "float64"
    tftrain.train(config, data=frame.assign(y=frame.y / 1e30))


def test_features_beyond_float32_are_named() -> None:
    frame = table()
    frame.loc[6, "b"] = 1e39
    config = config_of(data={"preprocess": {"numeric": "none"}})
    with pytest.raises(DataError, match=r"'b' is too large for float32 in row 7; .*data\.prepr"):
        tftrain.train(config, data=frame)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "run/model/x; No space left on device"),
        tf.errors.OutOfRangeError(None, None, "{{node}} x; No space left on device [Op:SaveV2]"),
        OSError(28, "No space left on device"),
    ],
    ids=type,
)
def test_a_disk_that_is_full_at_the_export(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(model: tf.Module, path: str, **settings: Any) -> None:
        Path(path).mkdir()
        raise error

    monkeypatch.setattr(tf.saved_model, "save", save)
    reason = "run/model: cannot be written: No space left on device; choose another with --output"
    with pytest.raises(OutputError, match=f"^{reason}") as caught:
        tftrain.train(config_of(), data=table(), output="run")
    assert caught.value.exit_code == 2
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["state"], summary["error"]) == ("failed", reason)
    assert {p.name for p in Path("run").iterdir()} == FILES - {"model"}


@pytest.mark.slow
def test_memory_that_is_exhausted_at_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*model: Any, **settings: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape")

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(TftrainError, match="out of memory: OOM") as caught:
        tftrain.train(config_of(), data=table(), output="run")
    assert caught.value.exit_code == 1


def test_metrics_that_cannot_grow(request: pytest.FixtureRequest) -> None:
    """With a real limit on the size of files, from the third epoch on."""

    class Limit(tftrain.Observer):
        def on_epoch(self, record: EpochRecord) -> None:
            if record.epoch == 2:
                size = Path("run/metrics.jsonl").stat().st_size
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))

        def on_end(self) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)))
    with pytest.raises(
        OutputError, match=r"^run/metrics\.jsonl: cannot be written: File too large"
    ):
        tftrain.train(config_of(), data=table(), output="run", observers=[Limit()])
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert json.loads(Path("run/summary.json").read_text())["state"] == "failed"


def test_output_that_cannot_be_used() -> None:
    Path("file").write_text("x")
    Path("full").mkdir()
    Path("full/x").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        tftrain.train(config_of(output={"directory": "file/below"}), data=table())
    with pytest.raises(OutputError, match="cannot be written"):
        tftrain.train(config_of(), data=table(), output="file/below")
    with pytest.raises(OutputError, match="not empty"):
        tftrain.train(config_of(), data=table(), output="full")
    assert [p.name for p in Path("full").iterdir()] == ["x"]


@pytest.mark.parametrize("compile", ["eager", slow("xla")])
def test_ways_to_run_steps_agree(compile: str) -> None:
    graph = tftrain.train(config_of(training={"compile": "graph"}), data=table())
    other = tftrain.train(config_of(training={"compile": compile}), data=table())
    assert other.summary["compile"]["mode"] == compile
    np.testing.assert_allclose(other.predict(table()), graph.predict(table()), rtol=1e-4)


MIXED = {"kind": "mlp", "hidden": [4], "precision": "mixed_bfloat16"}


@pytest.mark.slow
def test_hidden_layers_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tftrain.nn.has_bfloat16", lambda: True)  # slow, but right, where it is not
    run = tftrain.train(config_of(model=MIXED), data=table())
    assert run.config.model.precision == "mixed_bfloat16"
    assert run.summary["compile"]["mode"] == "graph"
    assert np.isfinite(run.predict(table())).all()


@pytest.mark.slow
def test_without_bfloat16_training_is_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tftrain.nn.has_bfloat16", lambda: False)
    with pytest.warns(TftrainWarning, match="no bfloat16 instructions: training in float32"):
        run = tftrain.train(config_of(model=MIXED), data=table())
    assert run.config.model.precision == "full"
    full = tftrain.train(config_of(), data=table())
    for one, other in zip(weights_of(run), weights_of(full), strict=True):
        np.testing.assert_array_equal(one, other)
