"""Threads: what a config asks for is what TensorFlow has, or a warning says why not."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tftrain.config.config import Threads
from tftrain.errors import TftrainWarning
from tftrain.experiment.threads import set_threads

SCRIPT = """
import sys
from tftrain.cli.main import run
assert run(["train", sys.argv[1], "--quiet", "--set", "training.epochs=1",
            "--set", "training.threads.intra_op=3"]) == 0
import tensorflow as tf
threading = tf.config.threading
print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
"""


@pytest.mark.slow
def test_the_command_line_sets_what_the_config_says(tmp_path: Path) -> None:
    config = Path(__file__).parents[2] / "configs" / "linear_regression.yaml"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(config)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    intra, inter = done.stdout.splitlines()[-1].split()
    assert intra == "3"
    assert int(inter) >= 1


def test_a_running_tensorflow_keeps_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    tf.zeros([])  # it runs
    with pytest.warns(TftrainWarning, match=r"training\.threads\.inter_op is 97, but TensorFlow"):
        set_threads(Threads(inter_op=97))


def test_nothing_is_said_where_nothing_was_asked() -> None:
    tf.zeros([])
    set_threads(Threads())
