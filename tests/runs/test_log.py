"""TensorBoard event files say what `metrics.jsonl` says."""

import importlib
import json
import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tftrain
from tftrain.errors import ConfigError, OutputError
from tftrain.runs.log import TensorBoardLog
from tftrain.training import EpochRecord

CONFIG = {
    "data": {"source": "dataframe", "target": "y"},
    "model": "linear",
    "training": {"epochs": 3},
    "output": {"tensorboard": True},
}


def frame() -> pd.DataFrame:
    x = np.linspace(-1, 1, 40)
    return pd.DataFrame({"x": x, "y": 3 * x + 1})


def test_event_files_hold_the_metrics_of_each_epoch(tmp_path: Path) -> None:
    run = tftrain.train(CONFIG, data=frame(), output=tmp_path / "run")
    files = [str(file) for file in (run.path / "tensorboard").iterdir()]
    written: dict[tuple[str, int], float] = {}
    for record in tf.data.TFRecordDataset(files):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            written[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert written["train/loss", line["epoch"]] == pytest.approx(line["loss"])
        for name, value in line["validation"].items():
            assert written[f"validation/{name}", line["epoch"]] == pytest.approx(value, rel=1e-6)


def test_event_files_that_cannot_grow(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path / "events", np.ones(1))
    log.on_start(99, 1, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OutputError, match="events: cannot be written: File too large"):  # noqa: PT012
            for epoch in range(1, 100):
                log.on_epoch(EpochRecord(epoch, 1.0, None, None, None, epoch, 1.0, 1.0))
            log.on_end()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_the_package_it_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = importlib.import_module("tftrain.experiment.prepare")
    monkeypatch.setattr(prepare, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"tftrain\[tensorboard\]"):
        tftrain.train(CONFIG, data=frame(), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()
