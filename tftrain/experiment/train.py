"""From a config to a finished run directory."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tftrain.config import Config, load_config
from tftrain.data.preprocessor import Preprocessor
from tftrain.errors import InputError, OutOfMemoryError, OutputError
from tftrain.experiment.build import (
    arrays_of,
    fit_settings,
    for_this_processor,
    loss_of,
    network_of,
    optimizer_of,
)
from tftrain.experiment.custom import of_own_code
from tftrain.experiment.evaluate import metrics_of
from tftrain.experiment.prepare import Prepared, prepare
from tftrain.experiment.resume import (
    checkpoints_of,
    config_of,
    is_to_go_on,
    say_finished,
    write_identity,
)
from tftrain.experiment.threads import set_threads
from tftrain.files import expanded
from tftrain.names import PARTS, TRAIN, VALIDATION, State
from tftrain.runs import Run, RunDirectory
from tftrain.runs.directory import json_text
from tftrain.runs.export import ServingModel, export
from tftrain.runs.log import MetricsLog, TensorBoardLog, epoch_line
from tftrain.runs.summary import TRAINED
from tftrain.training import History, Observer, fit
from tftrain.training.evaluator import predict_in_blocks
from tftrain.training.footprint import require_memory_to_predict


def train(
    config: str | Path | Mapping[str, Any] | Config,
    *,
    data: pd.DataFrame | None = None,
    overrides: Sequence[str] = (),
    output: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    observers: Sequence[Observer] = (),
) -> Run:
    """Train the network of a config and return the run.

    Args:
        config: path of a YAML file, a dictionary, or a Config.
        data: a DataFrame in place of the config's source.
        overrides: `key.path=value` strings that replace single values of the config.
        output: this run's own directory; by default the next of `<output.directory>/<name>`.
        resume: whether to resume the run that is in `output`, if there is one; a finished one
            is left as it is, with a warning that says so.
        force: whether to resume although the config has changed, where that is safe.
        observers: called after every chunk and epoch.

    Raises:
        InputError: the config or the data are wrong; no run directory is left behind. Or they
            differ from those of the run that is to be resumed.
        DivergedError: the loss became NaN or infinite; the run directory says that it failed.
        OutOfMemoryError: there is not enough memory; the run is marked as failed.
        KeyboardInterrupt: what was known is in the run directory, the model included if an epoch
            was over. `errors.Terminated` if it was SIGTERM or SIGHUP.
    """
    loaded = load_config(config, overrides, dataframe=data is not None)
    return train_prepared(prepare(loaded, data), output, observers, resume=resume, force=force)


def train_prepared(
    prepared: Prepared,
    output: str | Path | None = None,
    observers: Sequence[Observer] = (),
    *,
    resume: bool = False,
    force: bool = False,
) -> Run:
    """Train from a table that is read already; otherwise as `train`."""
    config = prepared.config
    if output is not None:
        directory = RunDirectory.at(Path(output))
    elif resume:
        raise InputError("to resume, name the run's directory: --output runs/name/0001")
    else:
        directory = RunDirectory.create(
            expanded(config.output.directory, "output.directory") / config.name
        )
    directory.require_plain()
    if not (resume and directory.summary.is_file()):
        directory.require_empty()
    with directory.locked():
        return _train(directory, prepared, observers, resume, force)


def resume(
    run: str | Path,
    *,
    data: pd.DataFrame | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
    observers: Sequence[Observer] = (),
    trust: bool = False,
) -> Run:
    """Resume a run that was killed, interrupted or failed, in its own directory.

    It ends bit for bit as if it had never stopped: on the same machine, with the same versions.

    Args:
        run: the run directory.
        data: the DataFrame that the run was trained on, if it was one.
        overrides: `key.path=value` strings that replace single values of the run's config.
        force: whether to resume although the config has changed, where that is safe.
        observers: called after every chunk and epoch.
        trust: whether code that the run's config names (`kind: custom`) may be run: it could do
            anything. Only for runs of your own.

    Raises:
        RunError: there is no run, or its config or its data have changed.
        DivergedError, OutOfMemoryError: as for `train`.
    """
    directory = RunDirectory(Path(run))
    directory.require_run()
    directory.require_plain()
    if directory.state == State.FINISHED and not overrides:
        say_finished(directory)
        return Run(directory.path, trust)
    with directory.locked():
        config = config_of(directory, overrides, data is not None, trust)
        return _train(directory, prepare(config, data), observers, True, force)


def _train(
    directory: RunDirectory,
    prepared: Prepared,
    observers: Sequence[Observer],
    resume: bool,
    force: bool,
) -> Run:
    """Train in a directory that is locked; say in its summary how it ended."""
    set_threads(prepared.config.training.threads)
    prepared = replace(prepared, config=for_this_processor(prepared.config))
    if not resume or not directory.summary.is_file():
        directory.require_empty()
    elif not is_to_go_on(directory, prepared, force):
        return Run(directory.path, trust=True)
    training = Training(prepared, directory)
    try:
        training.run(observers)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        failure = OutOfMemoryError(
            f"out of memory: {_what_was_asked(error)}. Make the network (model.hidden) or "
            "the batches (training.batch_size) smaller"
        )
        training.fail(failure)
        raise failure from None
    except BaseException as error:
        found = of_own_code(error, prepared.config)
        training.fail(found or error)
        if found:
            raise found from error
        raise
    return Run(directory.path, trust=True)  # this process has just made it


def _what_was_asked(error: BaseException) -> str:
    """Return the part of an error that says how much memory was requested."""
    asked = re.search(r"OOM when allocating tensor with shape\[[^]]*\] and type \w+", str(error))
    if asked:
        return asked.group()
    first_line = next(iter(str(error).splitlines()), "there is not enough for this training")
    return first_line.partition(" [Op:")[0].rstrip(".")


class Stopwatch:
    """Measures the seconds since its last lap."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        last, self.last = self.last, time.monotonic()
        return self.last - last


class Training:
    """One training from prepared data to a finished run directory.

    Args:
        prepared: config, table, split and plan.
        directory: of the run.
    """

    def __init__(self, prepared: Prepared, directory: RunDirectory) -> None:
        self.config = prepared.config
        self.prepared = prepared
        self.directory = directory
        self.history = History()
        self.preprocessor = Preprocessor(prepared.plan, self.config.model.dtype)
        self.before = directory.texts() if directory.state in TRAINED else {}
        self.ended = False

    def run(self, observers: Sequence[Observer]) -> None:
        """Train, evaluate, export; `observers` are added to those that write into the directory."""
        watch = Stopwatch()
        directory = self.directory
        self._write_summary(State.RUNNING)
        write_identity(directory, self.prepared)
        self.network = network_of(self.config, self.prepared.plan)
        arrays = {name: arrays_of(self.prepared, self.preprocessor, name) for name in PARTS}
        for x, *_ in arrays.values():
            require_memory_to_predict(self.network, x)
        load = self.prepared.seconds + watch.lap()
        interruption = self._fit(arrays, observers)
        watch.lap()
        metrics = {name: self._metrics(name, arrays[name][0]) for name in PARTS}
        evaluate = watch.lap()
        model = ServingModel(self.preprocessor, self.network)
        self.arguments = model.arguments
        facts = {**metrics, **self._outcome()}
        export(model, directory.model, facts)
        seconds = {
            "load": load,
            **self.history.seconds,
            "evaluate": evaluate,
            "export": watch.lap(),
        }
        self._write_summary(
            State.INTERRUPTED if interruption else State.FINISHED,
            **facts,
            seconds={phase: round(value, 4) for phase, value in seconds.items()},
        )
        self.ended = True
        if interruption:
            raise interruption

    def fail(self, error: BaseException) -> None:
        """Say in the summary that the run failed, or was interrupted, and what is known of it.

        A run with a model that failed to resume is left as it was.
        """
        error.add_note(f"run: {self.directory.path}")
        if self.ended:
            return
        last = self.history.epochs[-1:]
        if self.before and not last:
            with suppress(OutputError):  # such as a full disk, with which nothing was changed
                for path, text in self.before.items():
                    self.directory.write_text(path, text)
            return
        scale = np.array(self.prepared.plan.target.scale)
        state, reason = State.FAILED, str(error) or type(error).__name__
        if isinstance(error, KeyboardInterrupt):
            end = "its model was written" if last else "the first epoch was over"
            state, reason = State.INTERRUPTED, f"stopped before {end}"
        try:
            self._write_summary(
                state,
                error=reason,
                epochs=len(self.history.epochs),
                last_epoch=epoch_line(last[0], scale) if last else None,
            )
        except OutputError:  # a full disk has no room beside the old summary, but in its place
            with suppress(OSError):  # the error itself says more than one about the summary
                self.directory.summary.write_text(json_text({"state": state, "error": reason}))

    def _fit(
        self, arrays: Mapping[str, Any], observers: Sequence[Observer]
    ) -> KeyboardInterrupt | None:
        """Train the network; return what ended it after at least one epoch, if something did."""
        x, y, weight = arrays[TRAIN]
        scale = np.array(self.prepared.plan.target.scale)
        logs: list[Observer] = [MetricsLog(self.directory.metrics, scale)]
        if self.config.output.tensorboard:
            logs.append(TensorBoardLog(self.directory.tensorboard, scale))
        try:
            fit(
                self.network,
                x,
                y,
                weight=weight,
                loss=loss_of(self.config),
                optimizer=optimizer_of(self.config, len(y)),
                validation=arrays[VALIDATION] if len(arrays[VALIDATION][1]) else None,
                observers=[*logs, *observers],
                checkpoints=checkpoints_of(self.directory, self.prepared),
                history=self.history,
                **fit_settings(self.config),
            )
        except KeyboardInterrupt as interruption:
            if not self.history.epochs:
                raise
            self.history.stop_reason = "interrupted"
            return interruption
        return None

    def _metrics(self, part: str, x: Any) -> dict[str, Any] | None:
        """Return the metrics of the trained network on a part of the table."""
        prepared = self.prepared
        rows = prepared.split[part]
        if not len(rows):
            return None
        output = predict_in_blocks(self.network, x)
        prediction = self.preprocessor.unscale(output).numpy()
        weight = None if prepared.weights is None else prepared.weights[rows]
        return metrics_of(prediction, prepared.targets[rows], self.config.data.target, weight)

    def _outcome(self) -> dict[str, Any]:
        """Return what the summary says of the training itself."""
        history, plan = self.history, self.prepared.plan
        sizes = [int(np.prod(v.shape)) for v in self.network.trainable_variables]
        return {
            "stop_reason": history.stop_reason,
            "epochs": len(history.epochs),
            "best_epoch": history.best_epoch,
            "steps": history.steps,
            "parameters": sum(sizes),
            "features": len(plan.names),
            "columns": {column.name: column.role for column in plan.columns},
            "arguments": self.arguments,
            "compile": {
                "mode": history.mode.name if history.mode else None,
                "reason": history.mode.reason if history.mode else None,
                "traces": history.traces,
            },
        }

    def _write_summary(self, state: State, **more: Any) -> None:
        named = {"state": state, "name": self.config.name, "seed": self.config.seed}
        self.directory.write_json(self.directory.summary, {**named, **more})
