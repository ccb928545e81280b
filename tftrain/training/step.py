"""One step: tape, gradients, update."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import tensorflow as tf

from tftrain import losses, nn, optimizers
from tftrain.errors import InputError
from tftrain.losses import Objective
from tftrain.optimizers import Optimizer, global_norm
from tftrain.training.batch import Batch, as_batch
from tftrain.training.holders import variables_of
from tftrain.training.parameters import dtype_of, require_trained, used_by

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """A training step: everything that happens to one batch.

    Attributes:
        network: any `tf.Module` that maps a batch of inputs to a batch of predictions.
        parameters: the variables that are trained.
        objective: what is minimised: the loss and its penalties.
        optimizer: built for `parameters`.
        others: variables that the network uses and none of its modules holds.
        seed: of the random numbers that layers draw.
        call: calls the network.
    """

    network: tf.Module
    parameters: Sequence[tf.Variable]
    objective: Objective
    optimizer: Optimizer
    others: Sequence[tf.Variable] = ()
    seed: int = 0
    call: Callable[[tf.Module, tf.Tensor, nn.Draw], tf.Tensor] = nn.call

    @classmethod
    def of(
        cls,
        network: tf.Module,
        x: Any,
        y: Any,
        weight: Any,
        *,
        loss: Any,
        l2: float,
        optimizer: str | Optimizer = "sgd",
        seed: int = 0,
        rows: Callable[[int], int] = lambda rows: rows,
    ) -> tuple[Self, Batch]:
        """Return the step of a network, and the rows that it is made for.

        Args:
            network: as for `fit`, like the others.
            x: inputs of all rows.
            y: targets.
            weight: weight of each row, or None.
            loss: a loss, its name or a function.
            l2: strength of the L2 penalty.
            optimizer: an optimizer or its name.
            seed: of the random numbers that layers draw.
            rows: returns the number of rows of a batch, given the number of all rows.

        Raises:
            InputError: an argument is wrong, or shapes do not agree.
        """
        objective = Objective.with_l2(losses.get(loss), l2)
        integers = objective.loss.integer_targets
        batch = as_batch(x, y, weight, dtype_of(network), network, integers)
        parameters, others = used_by(network, batch.x, rows(batch.rows))
        chosen = optimizers.get(optimizer)
        return cls(network, parameters, objective, chosen, others, seed), batch

    @property
    def network_variables(self) -> list[tf.Variable]:
        """All variables of the network, parameters first, each once."""
        return [*variables_of(self.network, self.parameters), *self.others]

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables of the network and the optimizer, parameters first, each once."""
        own = [*self.network_variables, *self.optimizer.variables]
        return list({variable.ref(): variable for variable in own}.values())

    def build(self) -> None:
        """Create the optimizer's slots."""
        self.optimizer.build(self.parameters, nn.parameter_names(self.network, self.parameters))

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Give all variables their values back at the end."""
        self.build()
        before = [(variable, variable.read_value()) for variable in self.variables]
        try:
            yield
        finally:
            for variable, value in before:
                variable.assign(value)

    def value(self, batch: Batch) -> tf.Tensor:
        """Return the objective of a batch."""
        prediction = self._prediction(batch.x)
        return self.objective(self.parameters, prediction, batch.y, batch.weight)

    def _prediction(self, x: tf.Tensor) -> tf.Tensor:
        """Return the network's output.

        Raises:
            InputError: a program is being made, and the network reads a variable there that nothing
                would train.
        """
        draw = nn.Draw(self.seed, self.optimizer.step)
        if tf.executing_eagerly():
            return self.call(self.network, x, draw)
        with tf.GradientTape() as tape:
            prediction = self.call(self.network, x, draw)
        require_trained(self.network, self.parameters, tape.watched_variables(), {})
        return prediction

    def gradients(self, batch: Batch) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the objective and its gradient with respect to each parameter.

        Raises:
            InputError: the objective does not depend on a parameter.
        """
        objective, gradients = self.differentiate(batch, self.parameters)
        return objective, require_gradients(self.parameters, gradients)

    def differentiate(
        self, batch: Batch, sources: Iterable[Any], tape: tf.GradientTape | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
        """Return the objective, and its gradient with respect to each source, or None.

        Args:
            batch: the batch.
            sources: parameters, or tensors that the tape watches; asked for when the network has
                run.
            tape: one that the network itself knows, to watch what passes through it.

        Raises:
            InputError: TensorFlow has no gradient of one of the operations.
        """
        with tape or parameter_tape() as tape:
            tape.watch(self.parameters)
            objective = self.value(batch)
        try:
            gradients = tape.gradient(objective, list(sources))
        except LookupError as error:
            raise InputError(NO_GRADIENT.format(str(error).rpartition(": ")[2])) from None
        return objective, [None if g is None else tf.convert_to_tensor(g) for g in gradients]

    def __call__(self, batch: Batch, with_norm: bool = False) -> tf.Tensor:
        """Update the parameters by one step.

        Returns:
            The objective before the update, and if asked for the global norm of its gradient:
            shape `(1,)` or `(2,)`.
        """
        objective, gradients = self.gradients(batch)
        norm = [tf.cast(global_norm(gradients), objective.dtype)] if with_norm else []
        self.optimizer.apply(gradients, self.parameters)
        return tf.stack([objective, *norm])


NO_GRADIENT = (
    "TensorFlow has no gradient of the operation {}, through which the network or the loss passes: "
    "give it one with tf.custom_gradient, or stop there with tf.stop_gradient"
)


def parameter_tape() -> tf.GradientTape:
    """Return a tape that watches nothing by itself, frozen variables for instance."""
    return tf.GradientTape(watch_accessed_variables=False)


def require_gradients(parameters: Sequence[tf.Variable], gradients: Sequence[T | None]) -> list[T]:
    """Return the gradients; raise InputError for a parameter that has none."""
    found = [gradient for gradient in gradients if gradient is not None]
    if len(found) < len(parameters):
        idle = [p.name for p, g in zip(parameters, gradients, strict=True) if g is None]
        raise InputError(
            f"the loss does not depend on the variable {', '.join(idle)}, or only through what has "
            "no derivative (such as tf.round, tf.stop_gradient or integers): use it in the "
            "network's __call__, or create it with trainable=False"
        )
    return found
