"""The gradients of configs on their own data, and trainings side by side."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tftrain
from tftrain.config import load_config
from tftrain.experiment.gradcheck import check_config, trajectories
from tftrain.experiment.prepare import prepare

CONFIGS = Path(tftrain.__file__).parent.parent / "configs"


@pytest.mark.parametrize(
    "optimizer", ["sgd", "{kind: sgd, momentum: 0.9}", "adam"], ids=["sgd", "momentum", "adam"]
)
def test_a_hundred_steps_agree_in_float64(optimizer: str) -> None:
    config = load_config(CONFIGS / "diabetes.yaml", [f"optimizer={optimizer}"])
    for found in trajectories(prepare(config), 100, modes=["graph"], dtypes=["float64"]):
        assert len(found.losses) == 100
        assert found.distance < 1e-9
        assert "100 steps of TensorFlow graph" in str(found)


def test_single_precision_parts_sooner() -> None:
    prepared = prepare(load_config(CONFIGS / "diabetes.yaml"))
    single, double = trajectories(prepared, 50, modes=["graph"])
    assert 1e-8 < single.distance < 1e-3
    assert double.distance < 1e-4 * single.distance


def test_rows_weights_and_penalty_of_the_config() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((40, 3)), columns=["a", "b", "y"])
    frame["w"] = rng.uniform(0.5, 1.5, 40)
    config = load_config(
        {
            "data": {"source": "dataframe", "target": "y", "weight": "w"},
            "model": {"hidden": [3], "activation": "silu"},
            "loss": {"kind": "huber", "l2": 0.01},
            "optimizer": {"kind": "adamw", "clip_norm": 0.1, "schedule": "cosine"},
        }
    )
    report = check_config(prepare(config, frame), rows=5, modes=["eager"])
    assert report.ok, report
    assert report.certified
    assert {check.dtype for check in report.checks} == {"float32", "float64"}


def test_rows_of_weight_zero_come_last_and_too_many_rows_are_told() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((40, 2)), columns=["a", "y"])
    frame["w"] = np.r_[np.zeros(20), np.ones(20)]
    config = load_config(
        {
            "data": {"source": "dataframe", "target": "y", "weight": "w"},
            "model": {"hidden": [2]},
            "training": {"shuffle": False, "batch_size": 4},
        }
    )
    prepared = prepare(config, frame)
    assert check_config(prepared, modes=["eager"], dtypes=["float64"]).ok
    report = check_config(prepared, rows=999, modes=["eager", "eager"], dtypes=["float64"] * 2)
    rows = len(prepared.split.train)
    assert report.notes == [f"The batch has {rows} rows: the training split has no more."]
    once = check_config(prepared, rows=999, modes=["eager"], dtypes=["float64"])
    assert len(report.checks) == len(once.checks)
