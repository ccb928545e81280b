"""Networks, losses and optimizers of the user's own code, and runs of strangers that name code."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tftrain
from tftrain.cli.main import run as command
from tftrain.errors import ConfigError, InputError, RunError
from tftrain.experiment.gradcheck import check_config
from tftrain.experiment.prepare import prepare
from tftrain.explain import explain

CODE = """
import tensorflow as tf
import tftrain
import numpy
from beside import UNITS


class Mixed(tf.Module):
    def __init__(self, units):
        self.w = tf.Variable(tf.ones([units, units]) / units)

    def __call__(self, x):
        return tf.tanh(tf.einsum("ij,jk->ik", x, self.w))


def build(inputs, outputs, strange=False, seed=0):
    inner = Mixed(UNITS) if strange else tftrain.nn.Activation("tanh")
    first = tftrain.nn.Dense(inputs, UNITS, seed=seed)
    return tftrain.nn.Sequential([first, inner, tftrain.nn.Dense(UNITS, outputs, seed=seed)])


def loss(delta):
    return tftrain.losses.Huber(delta)


def optimizer(learning_rate):
    return tftrain.optimizers.SGD(learning_rate, momentum=0.5)


def nothing(inputs, outputs): return None
def wide(inputs, outputs): return tftrain.nn.Dense(inputs, outputs + 1)
def precise(inputs, outputs): return tftrain.nn.Dense(inputs, outputs, dtype="float64")
def raising(inputs, outputs): raise ValueError("no such thing")
def without_arguments(): return None
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with code, what it imports, a table, and a file that must not stand for NumPy."""
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "beside.py").write_text("UNITS = 3")
    (tmp_path / "numpy.py").write_text("raise RuntimeError('this is not NumPy')")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    frame.assign(y=frame.a * frame.b).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


def written(folder: Path, **sections: Any) -> Path:
    config = {
        "data": {"source": {"kind": "csv", "path": "t.csv"}, "target": "y"},
        "model": {"kind": "custom", "module": "mine:build"},
        "training": {"epochs": 3, "compile": "graph", "checkpoint": {"every_epochs": 1}},
        "output": {"directory": str(folder / "runs")},
        **sections,
    }
    (folder / "c.yaml").write_text(json.dumps(config))
    return folder / "c.yaml"


def code(function: str, **more: Any) -> dict[str, Any]:
    return {"kind": "custom", "module": f"mine:{function}", **more}


def test_a_network_a_loss_and_an_optimizer_of_ones_own(folder: Path) -> None:
    own = written(
        folder,
        loss=code("loss", arguments={"delta": 0.5}),
        optimizer=code("optimizer", learning_rate=0.05),
    )
    run = tftrain.train(own)
    built_in = {
        "model": {"hidden": [3], "activation": "tanh", "initializer": "glorot_uniform"},
        "loss": {"kind": "huber", "delta": 0.5},
        "optimizer": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.5},
    }
    same = tftrain.load_config(own)
    plain = tftrain.load_config({**same.model_dump(), **built_in})
    other = tftrain.train(plain)
    assert run.summary["parameters"] == other.summary["parameters"]
    frame = pd.read_csv(folder / "t.csv")
    assert run.predict(frame).shape == (60,)
    assert sys.modules["numpy"] is np
    assert str(folder) not in sys.path
    assert "beside" not in sys.modules


@pytest.mark.parametrize("strange", [False, True])
def test_gradients_are_proven_or_checked_by_evidence(folder: Path, strange: bool) -> None:
    own = written(folder, model=code("build", arguments={"strange": strange}))
    report = check_config(prepare(tftrain.load_config(own)), modes=["graph"])
    assert report.ok
    assert report.certified == (not strange)
    if strange:
        with pytest.raises(InputError, match="the reference does not know Mixed"):
            explain(prepare(tftrain.load_config(own)))


def test_a_resumed_run_ends_the_same(folder: Path) -> None:
    own = written(folder)
    whole = tftrain.train(own, overrides=["training.epochs=5"], output=folder / "whole")
    tftrain.train(own, output=folder / "twice")
    again = tftrain.resume(
        folder / "twice", overrides=["training.epochs=5"], force=True, trust=True
    )
    frame = pd.read_csv(folder / "t.csv")
    np.testing.assert_array_equal(whole.predict(frame), again.predict(frame))


def test_changed_code_is_another_training(folder: Path) -> None:
    own = written(folder)
    tftrain.train(own, output=folder / "run")
    with (folder / "mine.py").open("a") as file:
        file.write("\n# changed")
    with pytest.raises(RunError, match=r"the code of model\.module has changed since this run"):
        tftrain.train(own, output=folder / "run", resume=True)


def test_a_strangers_run_runs_no_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not by any command, and its model is loaded only where it is harmless."""
    tftrain.train(
        written(folder, model=code("build", arguments={"strange": True})), output=folder / "run"
    )
    (folder / "mine.py").write_text("raise SystemExit('this code was run')")
    (folder / "run" / "mine.py").write_text("raise SystemExit('this code was run')")
    frame = pd.read_csv(folder / "t.csv")
    for refused in (["resume"], ["gradcheck", "--run"], ["explain"]):
        assert (
            command(
                [*refused, str(folder / "run"), "--set", "training.epochs=9"][
                    : len(refused) + 1 + 2 * (refused == ["resume"])
                ]
            )
            == 2
        )
        assert "is made by Python code, mine:build" in capsys.readouterr().err
    with pytest.raises(RunError, match=r"holds the operation 'Einsum'.*add --trust"):
        tftrain.load_run(folder / "run").predict(frame)
    assert tftrain.load_run(folder / "run", trust=True).predict(frame).shape == (60,)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (code("biuld"), r"mine\.py has no function 'biuld', did you mean build"),
        (code("nothing"), "mine:nothing: network must be a tf.Module.*got None"),
        (code("precise"), "computes in float64, but model.dtype is float32"),
        (code("raising"), r"mine:raising: ValueError: no such thing \(.*mine\.py, line \d+\)"),
        (code("without_arguments", arguments={"x": 1}), "TypeError: .*unexpected keyword argument"),
        (code("build", arguments={"depth": 2}), "TypeError: build.. got an unexpected keyword"),
        ({"kind": "custom", "module": "yours:build"}, "no module 'yours' in .* or among the inst"),
        ({"kind": "custom", "module": "../mine:build"}, "expected a module and a function in it"),
        ({"kind": "custom", "module": "mine"}, "expected a module and a function in it"),
        ({"kind": "custom", "module": "sys:exit"}, "no module 'sys'"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, model: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tftrain.train(written(folder, model=model), output=folder / "run")


def test_a_network_of_another_width(folder: Path) -> None:
    with pytest.raises(InputError, match=r"predicts shape \(32, 2\) but the targets have"):
        tftrain.train(written(folder, model=code("wide")), output=folder / "run")


def test_a_check_imports_nothing(folder: Path) -> None:
    own = written(folder)
    (folder / "mine.py").write_text("raise SystemExit('this code was run')\ndef build(): pass")
    prepare(tftrain.load_config(own))
    (folder / "mine.py").write_text("def build(:")
    with pytest.raises(ConfigError, match=r"mine\.py, line 1: is not Python"):
        prepare(tftrain.load_config(own))


def test_two_folders_may_have_modules_of_one_name(folder: Path, tmp_path_factory: Any) -> None:
    first = tftrain.train(written(folder), output=folder / "run")
    (folder / "beside.py").write_text("UNITS = 5")
    other = tmp_path_factory.mktemp("other")
    for file in ("mine.py", "beside.py", "t.csv"):
        (other / file).write_text((folder / file).read_text())
    second = tftrain.train(written(other), output=other / "run")
    assert (first.summary["parameters"], second.summary["parameters"]) == (13, 21)


def test_a_module_in_a_package_of_the_folder(folder: Path) -> None:
    (folder / "own_package").mkdir()
    (folder / "own_package" / "__init__.py").write_text("")
    (folder / "own_package" / "sizes.py").write_text("UNITS = 4")
    text = CODE.replace("from beside", "from .sizes")
    (folder / "own_package" / "networks.py").write_text(text)
    model = {"kind": "custom", "module": "own_package.networks:build"}
    run = tftrain.train(written(folder, model=model), output=folder / "run")
    assert run.summary["parameters"] == 2 * 4 + 4 + 4 + 1
    assert "own_package" not in sys.modules
