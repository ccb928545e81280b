"""The whole config of a run."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tftrain.config.base import Change, Count, NonNegative, PathText, Positive, Section, Whole
from tftrain.config.data import Data
from tftrain.config.loss import LossConfig, NamedLoss
from tftrain.config.network import Mlp, Model
from tftrain.config.optimizer import AdamConfig, OptimizerConfig
from tftrain.names import Compile


class EarlyStopping(Section):
    """Stop when the validation loss no longer improves; the best weights are restored."""

    patience: Annotated[Count, Change.FORCED] = 20
    """Epochs without improvement before training stops."""
    min_delta: NonNegative = 0.0
    """Smallest decrease of the validation loss that counts as an improvement."""


class Convergence(Section):
    """Stop when training has converged: the lecture's "until convergence"."""

    gradient_norm: Positive | None = None
    """Stop when the norm of the full gradient falls below this; needs batch_size full."""
    relative_change: Positive | None = None
    """Stop when the training loss of an epoch differs from the last epoch's by less than this
    fraction of it."""
    patience: Count = 1
    """Epochs in a row for which the test must hold."""

    @model_validator(mode="after")
    def _one_test_at_least(self) -> Self:
        if self.gradient_norm is None and self.relative_change is None:
            raise ValueError("give gradient_norm, relative_change or both")
        return self


class Checkpoint(Section):
    """How often the complete training state is saved, so that a run that was killed can resume.

    It is also saved at the end, and when Ctrl-C, SIGTERM or SIGHUP ends the run.
    """

    every_epochs: Count | None = None
    """Epochs from one checkpoint to the next."""
    every_steps: Count | None = None
    """Steps from one checkpoint to the next."""
    every_seconds: Positive | None = None
    """Seconds from one checkpoint to the next, which ends a chunk of steps."""
    keep: Count = 2
    """Number of the last checkpoints that stay, in addition to the best."""


ThreadCount = Annotated[Count, Field(le=1024)]


class Threads(Section):
    """Threads that TensorFlow computes with; by default one for each core."""

    intra_op: ThreadCount | None = None
    """Threads that share one operation, such as a matrix product."""
    inter_op: ThreadCount | None = None
    """Operations that run at the same time (graph mode)."""


class Training(Section):
    """The loop."""

    epochs: Annotated[Count, Change.FORCED] = 200
    """Most passes over the training rows."""
    batch_size: Count | Literal["full"] = 32
    """Rows per step; `full` is plain gradient descent on all of them."""
    shuffle: bool = True
    """Whether each epoch visits the rows in an order of its own."""
    validate_every: Count = 1
    """Epochs from one validation to the next."""
    early_stopping: EarlyStopping | None = None
    convergence: Convergence | None = None
    time_budget: Annotated[Positive | None, Change.FREE_REOPENS] = None
    """Seconds after which training stops, at the end of a chunk of steps: about half a second, or
    one step and the validation after it."""
    compile: Annotated[Compile, Change.FORCED] = "auto"
    """How steps are run: one XLA program, a TensorFlow graph, or op by op (to debug)."""
    threads: Annotated[Threads, Change.FORCED] = Threads()
    checkpoint: Annotated[Checkpoint | None, Change.FREE] = Checkpoint(every_seconds=60)
    """null saves nothing: a run that is killed starts again."""

    @model_validator(mode="after")
    def _gradient_norm_of_the_full_batch(self) -> Self:
        test = self.convergence
        if test and test.gradient_norm is not None and self.batch_size != "full":
            raise ValueError(
                "convergence.gradient_norm needs batch_size: full, because the gradient of a "
                "batch does not vanish at the minimum; use convergence.relative_change"
            )
        return self


class Output(Section):
    """What a run leaves behind."""

    directory: PathText = "runs"
    """Folder of all runs; this one goes to `<directory>/<name>/0001` and so on."""
    tensorboard: bool = False
    """Write TensorBoard event files (needs the extra `tensorboard`)."""


class Config(Section):
    """One training run."""

    name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100), Change.FREE
    ] = "run"
    """Name of the run: letters, digits, dot, dash and underscore; the file's name by default."""
    seed: Annotated[Whole, Field(ge=0, lt=2**64)] = 0
    """Initial weights, split and batch order are pure functions of it."""
    data: Data
    model: Model = Mlp(kind="mlp")
    loss: LossConfig = NamedLoss(kind="mse")
    optimizer: OptimizerConfig = AdamConfig(kind="adam")
    training: Training = Training()
    output: Annotated[Output, Change.FREE] = Output()
