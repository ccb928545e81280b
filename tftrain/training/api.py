"""The door of the room: from arrays and names to a loop that runs."""

import warnings
from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tftrain import losses, nn, optimizers
from tftrain.arrays import digest_of
from tftrain.errors import InputError, TftrainWarning, number, of_type, whole_number
from tftrain.graph import mapped, named
from tftrain.training.batch import Batch, as_batch
from tftrain.training.checkpoints import Checkpoints, Saver
from tftrain.training.engine import Engine, Mode, choose_mode
from tftrain.training.epoch_end import EpochEnd
from tftrain.training.evaluator import Evaluator
from tftrain.training.footprint import require_memory
from tftrain.training.history import History, Observer
from tftrain.training.loop import Loop
from tftrain.training.parameters import dtype_of
from tftrain.training.settings import described
from tftrain.training.step import Step
from tftrain.training.stopping import Convergence, EarlyStopping
from tftrain.training.trial import stateful_draws

NO_BFLOAT16 = (
    "the network computes in bfloat16, which this processor has no instructions for: "
    "precision='full' would be faster"
)


UNREPEATABLE = (
    "the network draws from the global state of tf.random ({}), which no checkpoint holds: this "
    "training resumes, but not as it would have without the stop. A tf.random.Generator that the "
    "network keeps in an attribute does repeat"
)


def fit(
    network: tf.Module,
    x: Any,
    y: Any,
    *,
    loss: str | losses.Loss | losses.Terms = "mse",
    optimizer: str | optimizers.Optimizer = "adam",
    epochs: int = 200,
    batch_size: int | Literal["full"] = 32,
    weight: Any = None,
    validation: tuple[Any, ...] | None = None,
    l2: float = 0.0,
    shuffle: bool = True,
    seed: int = 0,
    first_epoch: int = 1,
    validate_every: int = 1,
    early_stopping: EarlyStopping | None = None,
    convergence: Convergence | None = None,
    time_budget: float | None = None,
    compile: str = "auto",
    observers: Sequence[Observer] = (),
    checkpoints: Checkpoints | None = None,
    history: History | None = None,
) -> History:
    """Train a network by gradient descent.

    Args:
        network: any `tf.Module` with a `__call__` and trainable variables of one dtype. Unless
            `compile` is eager, the call chooses by tensors with `tf.where` or `tf.cond`, not `if`.
        x: inputs, shape `(rows, ...)`; an array, a tensor or anything that makes one. Or a tuple or
            a dictionary of such inputs, for a network that takes several. Integers are numbers,
            unless an `nn.Embedding` takes them; those in a tuple or a dictionary stay integers for
            a layer of one's own.
        y: targets, of the shape of the network's output; or of whatever shape the loss takes.
            Integers are numbers, but stay integers for a loss that is not `losses.Elementwise`.
        loss: a loss, its name, or a function `(prediction, target) -> terms` that returns one
            number for each case, unreduced.
        optimizer: an optimizer or its name. One that has been used continues where it stopped.
        epochs: most passes over the rows.
        batch_size: rows per step, or `"full"`; the last step of an epoch takes what is left.
        weight: weight of each row, shape `(rows,)`, zero or more, scaled here to a mean of one.
        validation: `(x, y)` or `(x, y, weight)`, evaluated after each epoch.
        l2: strength of the L2 penalty on weights (not biases).
        shuffle: whether each epoch visits the rows in the order `batch_order(rows, seed, epoch)`.
        seed: of the batch order. A second call repeats the orders of the first, unless it says
            otherwise:
        first_epoch: which of the seed's orders the first epoch takes, counted from 1. To continue
            after `n` epochs as if there had been one call, give `n + 1`.
        validate_every: epochs from one validation to the next; the last epoch is always validated.
        early_stopping: needs `validation`; the best weights are restored at the end.
        convergence: a test after each epoch.
        time_budget: seconds after which training stops, at the end of a chunk of steps. A chunk
            aims at half a second, but holds at least one step, and the validation after it.
        compile: auto, xla, graph or eager.
        observers: called after every chunk and epoch.
        checkpoints: where to save the training state, and how often. If the folder has a
            checkpoint, training resumes there, and ends bit for bit as if it had never stopped: on
            the same machine, with the same versions. Network and optimizer must be those that it
            began with, in any state.
        history: filled during training, so that it survives an interruption; a new one by
            default.

    Returns:
        What happened; the network and the optimizer have been changed in place. With
        `optimizer.average`, the network has the averages of its parameters.

    Raises:
        InputError: an argument is wrong, or shapes do not agree.
        RunError: a checkpoint is of another network or optimizer.
        OutputError: a checkpoint cannot be written; the one before it stays.
        KeyboardInterrupt: Ctrl-C was pressed; `errors.Terminated` for SIGTERM or SIGHUP. A
            checkpoint has been written.
        DivergedError: the loss became NaN or infinite; the history holds the epochs before.
        OutOfMemoryError: even at the least, training needs more memory than the process can have.
    """
    _check_kinds(validation, early_stopping, convergence, observers, history)
    of_type("checkpoints", checkpoints, Checkpoints, "Checkpoints of a folder", optional=True)
    epochs, rows = whole_number("epochs", epochs), partial(_rows_per_step, batch_size)
    step, data = Step.of(
        network, x, y, weight, loss=loss, l2=l2, optimizer=optimizer, seed=seed, rows=rows
    )
    size = rows(data.rows)
    if nn.is_mixed(network) and not nn.has_bfloat16():
        warnings.warn(NO_BFLOAT16, TftrainWarning, stacklevel=2)
    evaluator = None if validation is None else _evaluator(step, *validation)
    operations, steps = _workload(step.parameters, data.rows, size, epochs)
    mode = choose_mode(compile, operations, steps, nn.is_mixed(network))
    require_memory(
        step,
        data,
        size,
        fused=mode.name == "xla",
        given=(x, y, weight, *(validation or ())),
        validation=None if evaluator is None else evaluator.data,
        copies=1 if early_stopping else 0,
    )
    step.build()
    watch = EpochEnd(
        step.parameters,
        step.network_variables,
        evaluator,
        epochs=epochs,
        validate_every=whole_number("validate_every", validate_every),
        early_stopping=early_stopping,
        convergence=convergence,
        averages=None if step.optimizer.average is None else step.optimizer.averages,
    )
    order_seed = whole_number("seed", seed, minimum=0) if shuffle else None
    first = whole_number("first_epoch", first_epoch) - 1
    saver = None
    if checkpoints is not None:
        shared = _always_shared(step, data, size, order_seed, first)
        more = _also_shared(step, data, watch) if checkpoints.about is None else {}
        saver = Saver(checkpoints, shared | more)
    if saver and saver.before:
        draws = stateful_draws(network, mapped(itemgetter(slice(size)), data.x))
        if draws:
            warnings.warn(UNREPEATABLE.format(", ".join(draws)), TftrainWarning, stacklevel=2)
        if compile == "auto":
            mode = Mode(**saver.before[1].mode)
    engine = Engine(
        step,
        data,
        size,
        mode,
        watch,
        order_seed=order_seed,
        first_epoch=first,
        automatic=compile == "auto",
        together=not any(observer.looks_at_network for observer in observers),
    )
    loop = Loop(
        engine,
        time_budget=None if time_budget is None else number("time_budget", time_budget),
        observers=observers,
        history=History() if history is None else history,
        saver=saver,
    )
    return loop.run()


def _evaluator(step: Step, x: Any, y: Any, weight: Any = None) -> Evaluator:
    """Return the evaluator of a step's network and loss on validation rows."""
    dtype, loss = dtype_of(step.network), step.objective.loss
    rows = as_batch(x, y, weight, dtype, step.network, loss.integer_targets)
    return Evaluator(step.network, loss, rows)


def _always_shared(
    step: Step, data: Batch, batch_size: int, order_seed: int | None, first_epoch: int
) -> dict[str, Any]:
    """Return what decides where a step is, which a resumed training must share."""
    by_seed = f"by seed {order_seed}" + (f" from epoch {first_epoch + 1}" if first_epoch else "")
    return {
        "number of rows": data.rows,
        "batch_size": batch_size,
        "order of rows": "by the table" if order_seed is None else by_seed,
        **({"random numbers of layers": f"by seed {step.seed}"} if _draws(step.network) else {}),
    }


def _draws(network: tf.Module) -> bool:
    """Return whether layers of a network may draw random numbers."""
    return any(nn.takes_draw(wire.node) for wire in nn.wires(network))


def _also_shared(step: Step, data: Batch, watch: EpochEnd) -> dict[str, Any]:
    """Return what else a resumed training must share, if the caller does not say it."""
    evaluator, stopping = watch.evaluator, watch.early_stopping
    return {
        "loss": described(step.objective.loss),
        "l2": 0.0,
        **{penalty.name: penalty.strength for penalty in step.objective.penalties},
        "optimizer": described(step.optimizer),
        "validate_every": watch.validate_every,
        "early stopping": None if stopping is None else f"with min_delta {stopping.min_delta:g}",
        "convergence": None if watch.convergence is None else str(watch.convergence),
        **_hashes("", data),
        **(_hashes("validation ", evaluator.data) if evaluator else {}),
    }


def _hashes(part: str, data: Batch) -> dict[str, str]:
    """Return the hash of each tensor of a batch, by the name of the tensor."""
    tensors = [*named("x", data.x), ("y", data.y), ("weight", data.weight)]
    return {f"hash of {part}{n}": digest_of(one) for n, one in tensors if one is not None}


def _check_kinds(
    validation: Any,
    early_stopping: Any,
    convergence: Any,
    observers: Any,
    history: Any,
) -> None:
    """Raise InputError for an argument that is something else than `fit` takes."""
    pair = "(x, y) or (x, y, weight)"
    of_type("validation", validation, (tuple, list), pair, optional=True)
    if validation is not None and len(validation) not in (2, 3):
        raise InputError(f"validation must be {pair}; got {len(validation)} values")
    patience = "an EarlyStopping such as EarlyStopping(patience=20)"
    of_type("early_stopping", early_stopping, EarlyStopping, patience, optional=True)
    if early_stopping and validation is None:
        raise InputError("early stopping needs validation rows: give validation=(x, y)")
    limit = "a Convergence such as Convergence(relative_change=1e-6)"
    of_type("convergence", convergence, Convergence, limit, optional=True)
    of_type("observers", observers, (tuple, list), "a list of Observers")
    for i, observer in enumerate(observers):
        of_type(f"observers[{i}]", observer, Observer, "an Observer: a subclass with on_epoch")
    of_type("history", history, History, "a History", optional=True)


def _rows_per_step(batch_size: int | str, rows: int) -> int:
    if batch_size == "full":
        return rows
    if isinstance(batch_size, str):
        raise InputError(f'batch_size must be a number or "full", got {batch_size!r}')
    return min(whole_number("batch_size", batch_size), rows)


def _workload(
    parameters: Sequence[tf.Variable], rows: int, batch_size: int, epochs: int
) -> tuple[float, int]:
    """Return the operations of one step and the most steps that a training can take.

    A weight costs a multiplication and an addition per row in the forward pass, and twice that in
    the backward pass.
    """
    weights = sum(int(np.prod(parameter.shape)) for parameter in parameters)
    return 6.0 * batch_size * weights, epochs * -(-rows // batch_size)
