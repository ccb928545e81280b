"""`tftrain gradcheck`, as it is used in a shell."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import tftrain
from tftrain import nn
from tftrain.cli.main import run

CONFIGS = Path(tftrain.__file__).parent.parent / "configs"
SMALL = str(CONFIGS / "two_hidden_layers.yaml")


def test_a_right_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "checks.json"
    arguments = ["gradcheck", SMALL, "--modes", "eager,graph", "--json", str(file)]
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert "float32" in out
    assert "float64" in out
    assert "2 tanh" in out
    assert out.splitlines()[-1].startswith("proven: ")
    checks = json.loads(file.read_text())["checks"]
    assert {(c["mode"], c["dtype"]) for c in checks} == {
        ("eager", "float32"),
        ("graph", "float32"),
        ("eager", "float64"),
        ("graph", "float64"),
        ("numpy", "float64"),
    }


def test_steps_tell_how_far_the_engines_part(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["gradcheck", SMALL, "--modes", "graph", "--dtypes", "float64", "--steps", "20"]
    assert run(arguments) == 0
    assert "20 steps of TensorFlow graph and NumPy in float64" in capsys.readouterr().out


def test_a_trained_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trained = tftrain.train(SMALL, output=tmp_path / "run", overrides=["training.epochs=50"])
    arguments = ["gradcheck", "--run", str(trained.path), "--modes", "graph"]
    assert run([*arguments, "--json", str(tmp_path / "run.json")]) == 0
    assert "proven" in capsys.readouterr().out
    assert run(["gradcheck", SMALL, "--modes", "graph", "--json", str(tmp_path / "new.json")]) == 0

    def losses(name: str) -> set[float]:
        checks = json.loads((tmp_path / name).read_text())["checks"]
        return {round(c["actual"], 4) for c in checks if c["quantity"] == "value"}

    assert losses("run.json") != losses("new.json")  # other weights, another loss


def test_a_wrong_gradient_exits_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(nn.ACTIVATIONS["tanh"], function=lambda x: 1.0001 * x)
    monkeypatch.setitem(nn.ACTIVATIONS, "tanh", wrong)
    arguments = ["gradcheck", SMALL, "--modes", "graph", "--dtypes", "float64"]
    assert run(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1].startswith("WRONG: 2 tanh: y; 2 tanh: dx")
    assert captured.err.startswith("error: a gradient is wrong: 2 tanh: y")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name either a CONFIG or a trained run"),
        ([SMALL, "--run", "somewhere"], "name either a CONFIG or a trained run"),
        ([SMALL, "--modes", "grph"], "unknown mode 'grph', did you mean graph?"),
        ([SMALL, "--modes", ""], "--modes names none of"),
        ([SMALL, "--dtypes", "float16"], "unknown dtype 'float16'"),
        (["none.yaml"], "none.yaml: no such config file"),
        (["--run", "nowhere"], "nowhere: not a run directory"),
        ([SMALL, "--set", "model.hiden=[2]"], "did you mean hidden?"),
    ],
)
def test_wrong_input_exits_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["gradcheck", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--rows", "0"], ["--steps", "-1"]])
def test_counts_are_positive(option: list[str]) -> None:
    assert run(["gradcheck", SMALL, *option]) == 2


def test_a_json_file_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["gradcheck", SMALL, "--modes", "graph", "--json", "/nowhere/checks.json"]
    assert run(arguments) == 2
    assert (
        "/nowhere/checks.json: cannot be written: its folder does not exist"
        in capsys.readouterr().err
    )


def test_a_json_file_is_tried_before_anything_is_computed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["gradcheck", SMALL, "--json", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "; choose another with --json" in captured.err
    assert not captured.out


def test_a_run_is_checked_as_it_was_trained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trained = tftrain.train(SMALL, output=tmp_path / "run", overrides=["training.epochs=2"])
    assert run(["gradcheck", "--run", str(trained.path), "--set", "model.hidden=[3]"]) == 2
    assert "--set changes a CONFIG" in capsys.readouterr().err
