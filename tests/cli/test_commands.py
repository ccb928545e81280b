"""The commands, in this process: exit codes, streams, files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tftrain
from tftrain.cli.main import COMMANDS, run

Outcome = tuple[int, str, str]
Tftrain = Callable[..., Outcome]


def table(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "word": rng.choice(["a", "b"], rows)})
    return frame.assign(y=frame.x * 2 + (frame.word == "a"))


CONFIG = """\
data: {source: {kind: csv, path: t.csv}, target: y}
model: linear
training: {epochs: 3}
"""


def write_inputs() -> None:
    table().to_csv("t.csv", index=False)
    Path("t.yaml").write_text(CONFIG)


def test_help_names_every_command(command: Tftrain) -> None:
    code, out, _ = command("--help")
    assert code == 0
    for name in ("train", "evaluate", "predict", "check", "init", "schema", "version"):
        assert name in out
        assert command(name, "--help")[0] == 0


def test_version(command: Tftrain) -> None:
    assert command("version") == (0, f"{tftrain.__version__}\n", "")


def test_schema_is_json(command: Tftrain) -> None:
    code, out, _ = command("schema")
    assert code == 0
    assert json.loads(out)["required"] == ["data"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["trian", "t.yaml"],
        ["train"],
        ["train", "t.yaml", "--quite"],
        ["evaluate", "run", "--split", "all"],
        ["predict", "run"],
        ["init", "t.csv"],
    ],
)
def test_wrong_use_is_2(command: Tftrain, arguments: list[str]) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert "Error" in err


def test_train_evaluate_predict(command: Tftrain) -> None:
    write_inputs()
    code, out, err = command("train", "t.yaml")
    assert code == 0
    assert "runs/t/0001" in out
    for word in ("train", "validation", "test", "rmse", "mae", "r2", "stopped"):
        assert word in out
    assert "training on 42 rows" in err
    assert "epoch 3/3" in err

    summary = json.loads(Path("runs/t/0001/summary.json").read_text())
    code, out, _ = command("evaluate", "runs/t/0001", "--json")
    assert code == 0
    assert json.loads(out) == pytest.approx(summary["test"], rel=1e-5)
    code, out, _ = command("evaluate", "runs/t/0001", "--split", "train")
    assert f"{summary['train']['rmse']:.5g}"[:5] in out
    code, out, _ = command("evaluate", "runs/t/0001", "--data", "t.csv", "--json")
    assert json.loads(out)["rows"] == 60

    table().drop(columns="y").iloc[::-1].to_csv("new.csv", index=False)
    code, out, err = command("predict", "runs/t/0001", "--data", "new.csv")
    assert (code, err) == (0, "")
    predicted = pd.read_csv(StringIO(out))
    assert list(predicted) == ["predicted_y"]
    expected = tftrain.load_run("runs/t/0001").predict(table())[::-1]
    np.testing.assert_allclose(predicted.predicted_y, expected, rtol=1e-12)


@pytest.mark.parametrize("output", ["out.csv", "out.parquet"])
def test_predict_into_a_file(command: Tftrain, output: str) -> None:
    write_inputs()
    assert command("train", "t.yaml", "--quiet", "--output", "mine")[0] == 0
    table().to_parquet("new.parquet")
    code, out, err = command("predict", "mine", "--data", "new.parquet", "--output", output)
    assert (code, out) == (0, "")
    assert output in err
    read = pd.read_parquet if output.endswith("parquet") else pd.read_csv
    expected = tftrain.load_run("mine").predict(table())
    np.testing.assert_allclose(read(output).predicted_y, expected, rtol=1e-12)


def test_json_is_one_object_on_stdout(command: Tftrain) -> None:
    write_inputs()
    code, out, err = command("train", "t.yaml", "--json", "--output", "mine")
    assert code == 0
    told = json.loads(out)
    assert told.pop("run") == "mine"
    assert told == json.loads(Path("mine/summary.json").read_text())
    assert "epoch 3/3" in err
    code, out, err = command("check", "t.yaml", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["rows"] == 60


def test_quiet_is_quiet(command: Tftrain) -> None:
    write_inputs()
    code, _, err = command("train", "t.yaml", "--quiet")
    assert (code, err) == (0, "")


def test_set_reaches_the_run(command: Tftrain) -> None:
    write_inputs()
    code, out, _ = command("train", "t.yaml", "--quiet", "--json", "--set", "training.epochs=2")
    assert code == 0
    assert json.loads(out)["epochs"] == 2
    assert tftrain.load_run("runs/t/0001").config.training.epochs == 2


def test_check_tells_rows_and_columns(command: Tftrain) -> None:
    write_inputs()
    code, out, err = command("check", "t.yaml")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "t.yaml: good",
        "  rows:        60",
        "  split:       train 42, validation 9, test 9",
        "  columns:     numeric 1, text 1",
        "  features:    3",
        "  target:      y",
    ]
    assert sorted(p.name for p in Path().iterdir()) == ["t.csv", "t.yaml"]


def test_diverged_is_1(command: Tftrain) -> None:
    write_inputs()
    code, out, err = command(
        "train", "t.yaml", "--json", "--output", "mine",
        "--set", "optimizer={kind: sgd, learning_rate: 1e30}",
    )  # fmt: skip
    assert (code, out) == (1, "")
    assert "diverged" in err
    assert "epoch" in err
    assert "step" in err
    assert json.loads(Path("mine/summary.json").read_text())["state"] == "failed"
    code, _, err = command("predict", "mine", "--data", "t.csv")
    assert code == 2
    assert "diverged" in err


def test_ctrl_c_is_130(command: Tftrain, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inputs()

    class CtrlC(tftrain.Observer):
        def on_epoch(self, record: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("tftrain.cli.progress.progress_for", CtrlC)
    code, out, err = command("train", "t.yaml", "--output", "mine")
    assert code == 130
    assert "interrupted" in out + err
    assert json.loads(Path("mine/summary.json").read_text())["state"] == "interrupted"
    assert command("predict", "mine", "--data", "t.csv")[0] == 0


WEIRD = ["age (years)", "#tag", "a: b", "it's", "ü", "null", "1", "- x", "y*", "split_ratio"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_from_a_table_to_predictions_in_three_commands(command: Tftrain, ending: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=50) for name in WEIRD})
    frame["ziel €"] = frame["ü"] * 3 + frame["#tag"]
    file = f"my table.{ending}"
    frame.to_csv(file, index=False) if ending == "csv" else frame.to_parquet(file)
    code, out, _ = command("init", file, "--target", "ziel €")
    assert code == 0
    assert "my table.yaml" in out
    few = ("--quiet", "--set", "training.epochs=2", "--output", "mine")
    assert command("train", "my table.yaml", *few)[0] == 0
    code, out, _ = command("predict", "mine", "--data", file)
    assert code == 0
    assert out.startswith("predicted_ziel €\n")
    assert out.count("\n") == 51


def test_init_overwrites_only_when_forced(command: Tftrain) -> None:
    write_inputs()
    code, _, err = command("init", "t.csv", "--target", "y")
    assert code == 2
    assert "t.yaml: exists already" in err
    assert Path("t.yaml").read_text() == CONFIG
    assert command("init", "t.csv", "--target", "y", "--force")[0] == 0
    assert command("init", "t.csv", "--target", "y", "--output", "other.yaml")[0] == 0
    assert Path("other.yaml").read_text() == Path("t.yaml").read_text()
    assert command("check", "other.yaml")[0] == 0
    assert command("init", "t.csv", "--target", "y", "--output", "no/c.yaml")[0] == 2
    for force in ([], ["--force"]):
        code, _, err = command("init", "t.csv", "--target", "y", "--output", ".", *force)
        assert code == 2
        assert err.startswith("error: .: cannot be written: it is a folder; choose another")
    assert command("init", "t.csv", "--target", "word", "--output", "w.yaml")[0] == 2
    assert not Path("w.yaml").exists()


def test_closed_pipe_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "tftrain", "schema"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.filterwarnings("default::tftrain.errors.TftrainWarning")
def test_a_warning_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tftrain.nn.has_bfloat16", lambda: False)
    monkeypatch.chdir(tmp_path)
    config = Path(__file__).parents[2] / "configs" / "diabetes.yaml"
    settings = ["model.precision=mixed_bfloat16", "training.epochs=1"]
    options = [word for setting in settings for word in ("--set", setting)]
    assert run(["train", str(config), "--quiet", *options]) == 0
    err = capsys.readouterr().err
    assert err.startswith("warning: model.precision is mixed_bfloat16, but this processor has no")
    assert err.count("\n") == 1


def test_too_little_memory_is_1(command: Tftrain, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    write_inputs()
    monkeypatch.setattr("tftrain.experiment.prepare.read_frame", full)
    code, out, err = command("check", "t.yaml")
    assert (code, out) == (1, "")
    assert err.startswith("error: out of memory: the data are too large")


@pytest.mark.parametrize("width", ["80", "60"])
def test_help_shows_each_commands_line_whole(
    command: Tftrain, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    _, out, _ = command("--help")
    assert "..." not in out.partition("Commands:")[2]
    shown = " ".join(out.split())
    for one in COMMANDS:
        first = " ".join((one.help or "").split("\n\n")[0].split())
        assert f" {one.name} {first}" in shown


@pytest.mark.parametrize("name", ["train", "check", "explain", "gradcheck"])
def test_a_table_in_place_of_a_config_tells_of_init(command: Tftrain, name: str) -> None:
    table().to_csv("t.csv", index=False)
    told = "error: t.csv: is a table, not a config; `tftrain init t.csv --target COLUMN` writes"
    code, out, err = command(name, "t.csv")
    assert (code, out) == (2, "")
    assert err.startswith(told)


def test_all_columns_that_a_config_misspells_are_named_at_once(command: Tftrain) -> None:
    write_inputs()
    settings = (
        "data.target=[y, ziel]",
        "data.weight=w",
        "data.preprocess.categorical=[wort]",
        "data.features={exclude: [wrd, x]}",
        "data.split={kind: ordered, by: when}",
    )
    flags = [word for setting in settings for word in ("--set", setting)]
    for name in ("check", "train"):
        code, out, err = command(name, "t.yaml", *flags)
        assert (code, out) == (2, "")
        lines = err.removeprefix("error: ").splitlines()
        assert all(line.startswith(f"{Path.cwd() / 't.csv'}: ") for line in lines)
        keys = ("data.target", "data.weight", "data.split.by", "data.preprocess.categorical")
        for line, key in zip(lines, (*keys, "data.features.exclude"), strict=True):
            assert key in line
    assert not Path("runs").exists()


def test_set_below_features_that_init_has_written(command: Tftrain) -> None:
    """The case that was reported: `features: auto` and one column too many."""
    table().assign(id=range(60)).to_csv("t.csv", index=False)
    Path("t.yaml").write_text(CONFIG.replace("target: y", "target: y, features: auto"))
    assert "numeric 2, text 1" in command("check", "t.yaml")[1]
    code, out, err = command("check", "t.yaml", "--set", "data.features.exclude=[id]")
    assert (code, err) == (0, "")
    assert "numeric 1, text 1" in out
