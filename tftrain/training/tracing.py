"""The trace of a TensorFlow network: the training step, made to tell what passes between nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import losses, nn, optimizers
from tftrain.errors import number, unknown
from tftrain.traces import Arrays, Node, Trace, Update
from tftrain.training.engine import Mode
from tftrain.training.evaluation import as_batch
from tftrain.training.step import Batch, Step, parameters_of

TRACED_MODES = ("eager", "graph", "xla")


class Recorder:
    """Calls the nodes of a network one after the other, and remembers what passes between them.

    Args:
        network: the network.
        always: under XLA, a tensor that is True, which XLA does not know. XLA may fuse a node with
            the one before and compute what passes between them once more, rounded otherwise (a
            product and a sum in one operation). Then the next node would not have got what the
            trace shows. Handed over by a condition, nothing is fused.

    Attributes:
        passed: input and output of every node in turn, after a call. What enters a node is a
            tensor of its own, so that the delta leaving through it and the delta arriving at the
            node before are two numbers, found separately.
    """

    def __init__(
        self, network: Callable[[tf.Tensor], tf.Tensor], always: tf.Tensor | None = None
    ) -> None:
        self.layers = [layer for _, layer in nn.nodes(network)]
        self.always = always
        self.passed: list[tf.Tensor] = []

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the network's output."""
        for layer in self.layers:
            entering = self.handed_over(x)
            x = layer(entering)
            self.passed += [entering, x]
        return self.handed_over(x)

    def handed_over(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x` as a tensor of its own."""
        if self.always is None:
            return tf.identity(x)
        return tf.cond(self.always, lambda: x, lambda: -x)


@dataclass(frozen=True)
class RecordedStep(Step):
    """A training step that remembers what passes between its nodes.

    Attributes:
        always: as for `Recorder`.
        record: what passed, its deltas and the gradients, after a step.
    """

    always: tf.Tensor | None = None
    record: list[list[tf.Tensor]] = field(default_factory=list)

    def gradients(self, batch: Batch) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the objective and its gradients; NaN stands for one that does not exist."""
        recorder = Recorder(self.network, self.always)
        step = Step(recorder, self.parameters, self.loss, self.optimizer, self.l2)
        objective, found = step.differentiate(
            batch, chain(self.parameters, recorder.passed), watched=[batch.x]
        )
        sources = [*self.parameters, *recorder.passed]
        found = [_or_nan(gradient, of) for gradient, of in zip(found, sources, strict=True)]
        gradients, deltas = found[: len(self.parameters)], found[len(self.parameters) :]
        self.record[:] = [recorder.passed, deltas, gradients]
        return objective, [recorder.handed_over(gradient) for gradient in gradients]


class Tracer:
    """Makes training steps that leave a trace, compiled as training compiles them.

    Args:
        step: the training step.
        batch: the batch of every step.
        mode: eager, graph or xla.
        update: whether the optimizer updates the parameters.
    """

    def __init__(self, step: Step, batch: Batch, mode: str, *, update: bool) -> None:
        self.step = step
        self.batch = batch
        self.mode = mode
        self.update = update
        if update:
            step.optimizer.build(step.parameters)
        self._always = tf.Variable(True, trainable=False)
        self._program = _compiled(mode, self._recorded)

    def run(self) -> Trace:
        """Make one step; return its trace. A gradient that does not exist is NaN there."""
        before, slots, made = self._state()
        objective, passed, deltas, gradients = self._program()
        after, slots_after, counted = self._state()
        arrays = [gradient.numpy() for gradient in gradients]
        return Trace(
            engine=f"tensorflow {self.mode}",
            nodes=self._nodes(passed, deltas, before, arrays),
            target=self.batch.y.numpy(),
            weight=None if self.batch.weight is None else self.batch.weight.numpy(),
            loss=float(objective.numpy()),
            update=Update(made, counted, arrays, before, after, slots, slots_after)
            if self.update
            else None,
        )

    def plain_gradients(self) -> list[np.ndarray]:
        """Return the gradients of the step as training runs it: nothing is recorded on the way."""
        program = _compiled(
            self.mode, lambda: self.step.differentiate(self.batch, self.step.parameters)[1]
        )
        found = zip(self.step.parameters, program(), strict=True)
        return [np.full(p.shape, np.nan) if g is None else g.numpy() for p, g in found]

    def _recorded(self) -> tuple[tf.Tensor, ...]:
        """Make one step; return the objective, what passed, its deltas and the gradients."""
        always = self._always.read_value() if self.mode == "xla" else None
        of_step = {f.name: getattr(self.step, f.name) for f in fields(Step)}
        step = RecordedStep(**of_step, always=always)
        objective = step(self.batch)[0] if self.update else step.gradients(self.batch)[0]
        return objective, *step.record

    def _state(self) -> tuple[list[np.ndarray], list[Arrays], int]:
        """Return copies of the parameters and slots, and the number of updates made."""
        optimizer = self.step.optimizer
        slots = [{n: v.numpy().copy() for n, v in own.items()} for own in optimizer.slots]
        return [p.numpy().copy() for p in self.step.parameters], list(slots), int(optimizer.step)

    def _nodes(
        self,
        passed: Sequence[tf.Tensor],
        deltas: Sequence[tf.Tensor],
        parameters: Sequence[np.ndarray],
        gradients: Sequence[np.ndarray],
    ) -> list[Node]:
        place = {parameter.ref(): i for i, parameter in enumerate(self.step.parameters)}
        nodes = []
        for i, (label, layer) in enumerate(nn.nodes(self.step.network)):
            named = nn.named_variables(layer).items()
            own = {name: place[v.ref()] for name, v in named if v.ref() in place}
            nodes.append(
                Node(
                    label=label,
                    x=passed[2 * i].numpy(),
                    y=passed[2 * i + 1].numpy(),
                    dx=deltas[2 * i].numpy(),
                    dy=deltas[2 * i + 1].numpy(),
                    parameters={name: parameters[k] for name, k in own.items()},
                    gradients={name: gradients[k] for name, k in own.items()},
                )
            )
        return nodes


def _compiled(mode: str, function: Callable[[], Any]) -> Callable[[], Any]:
    return Mode(mode, "as asked").compile(function)


def _or_nan(gradient: tf.Tensor | None, source: tf.Tensor | tf.Variable) -> tf.Tensor:
    if gradient is not None:
        return gradient
    return tf.fill(tf.shape(source), tf.constant(np.nan, source.dtype))


def trace(
    network: tf.Module,
    x: Any,
    y: Any,
    *,
    loss: str | losses.Loss = "mse",
    weight: Any = None,
    l2: float = 0.0,
    mode: str = "graph",
) -> Trace:
    """Return the trace of one forward and backward pass of a network in TensorFlow.

    Args:
        network: any `tf.Module` with a `__call__` and trainable variables of one dtype. The layers
            of a `tftrain.nn.Sequential` are its nodes; any other module is a single node.
        x: inputs, shape `(cases, ...)`.
        y: targets, of the shape of the network's output.
        loss: a loss or its name.
        weight: weight of each case, shape `(cases,)`, scaled here to a mean of one.
        l2: strength of the L2 penalty.
        mode: eager, graph or xla.

    Raises:
        InputError: an argument is wrong, or shapes do not agree.
    """
    if mode not in TRACED_MODES:
        raise unknown("mode", mode, TRACED_MODES)
    parameters = parameters_of(network)
    batch = as_batch(x, y, weight, parameters[0].dtype)
    step = Step(network, parameters, losses.get(loss), optimizers.SGD(), number("l2", l2))
    return Tracer(step, batch, mode, update=False).run()
