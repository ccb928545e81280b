"""`tftrain explain`: its two forms, and what it refuses."""

from pathlib import Path

import pytest

from tftrain.cli.main import run

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = str(CONFIGS / "two_hidden_layers.yaml")
LESSON = ("--function", "x**2*y + y + 2")


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run `tftrain explain`, which must succeed; return what it prints."""
    code = run(["explain", *arguments])
    streams = capsys.readouterr()
    assert (code, streams.err) == (0, "")
    return streams.out


def test_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    text = explained(capsys, *LESSON, "--at", "x=3", "--at", "y=4")
    assert "│ df/dx    │ delta_1 │         24 │    24 │     0 │" in text
    assert "│ df/dy    │ delta_4 │         10 │    10 │     0 │" in text


def test_a_formula_may_start_with_a_minus(capsys: pytest.CaptureFixture[str]) -> None:
    assert "f(x) = -x at (x) = (-2)" in explained(capsys, "--function", "-x", "--at", "x=-2")


def test_the_first_row_of_a_config(capsys: pytest.CaptureFixture[str]) -> None:
    first = explained(capsys, SMALL)
    assert first == explained(capsys, SMALL, "--row", "1")
    assert "on row 1 of its 4 training rows" in first
    assert "f(x) = sigmoid(tanh(tanh(x W1 + b1) W2 + b2) W3 + b3)" in first


def test_set(capsys: pytest.CaptureFixture[str]) -> None:
    text = explained(capsys, SMALL, "--row", "3", "--set", "model.activation=relu")
    assert "f(x) = sigmoid(relu(relu(x W1 + b1) W2 + b2) W3 + b3)" in text


def test_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = str(tmp_path / "mine")
    few = ("--quiet", "--set", "training.epochs=2", "--output", mine)
    assert run(["train", SMALL, *few]) == 0
    capsys.readouterr()
    text = explained(capsys, mine, "--row", "4")
    assert "two_hidden_layers, as trained, on row 4" in text
    assert str(tmp_path) not in text
    assert run(["explain", mine, "--set", "seed=3"]) == 2
    assert "--set belongs to a CONFIG" in capsys.readouterr().err
    variables = tmp_path / "mine/model/variables"
    for file in variables.iterdir():
        file.unlink()
    assert run(["explain", mine]) == 2
    assert "mine/model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        ([], ["CONFIG or RUN, or --function"]),
        ([SMALL, *LESSON], ["one of the two"]),
        ([SMALL, "--at", "x=3"], ["--at belongs to --function"]),
        ([*LESSON, "--row", "2", "--at", "x=3", "--at", "y=4"], ["--row and --set belong to"]),
        ([*LESSON, "--set", "seed=1", "--at", "x=3"], ["--row and --set belong to"]),
        ([*LESSON], ["no value for x, y", "--at x=NUMBER"]),
        ([*LESSON, "--at", "x=3"], ["no value for y"]),
        ([*LESSON, "--at", "x=3", "--at", "z=4"], ["'z=4'", "Its inputs: x, y"]),
        (["--function", "x^2", "--at", "x=1"], ["column 1", "a power is written **"]),
        (["--function", "log(x)", "--at", "x=-1"], ["log((-1))", "not defined"]),
        ([SMALL, "--row", "5"], ["row 5", "1 to 4"]),
        ([SMALL, "--row", "0"], ["--row"]),
        (["no.yaml"], ["no.yaml"]),
        ([str(CONFIGS)], ["not a run directory"]),
        ([SMALL, "--set", "model.kind=mpl"], ["model"]),
    ],
)
def test_what_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], fragments: list[str]
) -> None:
    assert run(["explain", *arguments]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Traceback" not in streams.err
    for fragment in fragments:
        assert fragment in streams.err
