"""The gradient check of a config, or of the network of a run, on its own data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tftrain.config import load_config
from tftrain.data.preprocessor import Preprocessor
from tftrain.errors import InputError
from tftrain.experiment.build import (
    arrays_of,
    is_mixed,
    loss_of,
    network_of,
    optimizer_of,
    restored_network,
)
from tftrain.experiment.custom import takes
from tftrain.experiment.origin import require_data_of
from tftrain.experiment.prepare import Prepared, prepare
from tftrain.names import DTYPES, MIXED, MODES, TRAIN
from tftrain.parity import Report, gradcheck
from tftrain.parity.trajectory import Trajectory, trajectory
from tftrain.runs import Run
from tftrain.streams import batch_order
from tftrain.training.batch import Batch

ROWS = 256
"""Most rows of the batch that is checked, unless asked otherwise."""


@dataclass(frozen=True)
class Subject:
    """What is checked in one dtype: a config with that dtype, and a run to take weights from."""

    prepared: Prepared
    run: Run | None

    def network(self) -> tf.Module:
        """Return the network: with its initial weights, or with those of the run."""
        config = self.prepared.config
        network = network_of(config, self.prepared.plan)
        return network if self.run is None else restored_network(self.run, network)

    def batch(self, rows: int) -> Batch:
        """Return the first `rows` training rows, in the order of the first epoch."""
        config = self.prepared.config
        preprocessor = Preprocessor(self.prepared.plan, config.model.dtype)
        order = np.arange(len(self.prepared.split.train))
        if config.training.shuffle:
            order = batch_order(len(order), config.seed, 0)
        weights = self.prepared.weights
        if weights is not None and rows < len(order):  # rows of weight 0 would prove nothing
            counts = weights[self.prepared.split.train][order] > 0
            order = np.concatenate([order[counts], order[~counts]])
        return Batch(*arrays_of(self.prepared, preprocessor, TRAIN, order[:rows]))


def check_config(
    prepared: Prepared,
    *,
    run: Run | None = None,
    modes: Sequence[str] = MODES,
    dtypes: Sequence[str] | None = None,
    rows: int | None = None,
) -> Report:
    """Check every gradient of a config's network, and every update of its optimizer.

    Args:
        prepared: the config and its table.
        run: takes the weights of this trained run in place of the initial ones.
        modes: any of eager, graph and xla.
        dtypes: any of float32, float64 and mixed_bfloat16, whatever the config's own is; by default
            the first two, and the third where the config asks for it.
        rows: rows of the batch, at most those of the training split; by default the config's
            batch, and at most 256. Rows of weight zero come last.

    Raises:
        InputError: an argument is wrong, a run's weights cannot be read, or the table is another
            one than the run was trained on.
    """
    available = len(prepared.split.train)
    few = rows is not None and rows > available
    notes = [f"The batch has {available} rows: the training split has no more."] if few else []
    report = Report([], notes=notes)
    for subject in _subjects(prepared, run, dtypes):
        config = subject.prepared.config
        batch = subject.batch(rows or min(ROWS, _batch_size(prepared)))
        report += gradcheck(
            subject.network(),
            batch.x,
            batch.y,
            weight=batch.weight,
            loss=loss_of(config),
            l2=config.loss.l2,
            optimizer=optimizer_of(config, len(prepared.split.train)),
            modes=modes,
        )
    return report


def check_file(path: str | Path, overrides: Sequence[str] = ()) -> Report:
    """Check the gradients of a config file, as `check_config` does by default."""
    return check_config(prepare(load_config(path, overrides)))


def trajectories(
    prepared: Prepared,
    steps: int,
    *,
    run: Run | None = None,
    modes: Sequence[str] = MODES,
    dtypes: Sequence[str] | None = None,
) -> list[Trajectory]:
    """Train a config's network for some steps in TensorFlow and in NumPy, and compare.

    Arguments as for `check_config`; `steps` is rounded up to whole epochs.
    """
    found = []
    for subject in _subjects(prepared, run, dtypes):
        config = subject.prepared.config
        batch = subject.batch(len(prepared.split.train))
        for mode in modes:
            found.append(
                trajectory(
                    subject.network(),
                    batch.x,
                    batch.y,
                    weight=batch.weight,
                    steps=steps,
                    batch_size=_batch_size(prepared),
                    mode=mode,
                    loss=loss_of(config),
                    l2=config.loss.l2,
                    optimizer=optimizer_of(config, len(prepared.split.train)),
                    shuffle=config.training.shuffle,
                    seed=config.seed,
                )
            )
    return found


def _subjects(
    prepared: Prepared, run: Run | None, dtypes: Sequence[str] | None
) -> Iterator[Subject]:
    if run is not None:
        require_data_of(run, prepared)
    model, mixed = prepared.config.model, is_mixed(prepared.config)
    if MIXED in (dtypes or []) and not (model.kind == "mlp" and model.hidden):
        raise InputError(f"{MIXED} is for hidden layers, and this network has none")
    usual = [*DTYPES, *([MIXED] if mixed else [])]
    if model.kind == "custom" and not takes("model", model, "dtype"):
        usual = [model.dtype]
    for dtype in dict.fromkeys(dtypes or usual):
        changes = [f"model.dtype={'float32' if dtype == MIXED else dtype}"]
        if dtype == MIXED or mixed:
            precision = MIXED if dtype == MIXED else "full"
            changes.append(f"model.precision={precision}")
        yield Subject(replace(prepared, config=load_config(prepared.config, changes)), run)


def _batch_size(prepared: Prepared) -> int:
    rows, wanted = len(prepared.split.train), prepared.config.training.batch_size
    return rows if wanted == "full" else min(wanted, rows)
