"""Random networks, with and without layers that the reference does not know, and faults in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import tensorflow as tf

import tftrain
from tftrain import nn, optimizers
from tftrain.parity import Report

Planted = tuple[int, str]
"""The number of a layer, and the fault in it: one of `FAULTS`."""

Shape = tuple[int, ...]

INPUTS = ("normal", "zeros", "grid", "huge", "tiny", "decades")
"""normal; all zeros; small whole numbers (with whole weights, many units lie exactly on a kink);
beyond the square root of the largest number; below the smallest normal number; over 12 decades."""

EXTREME = ("huge", "tiny", "decades")

LOSSES = ("mse", "sum_squared_error", "mae", "huber")

OPTIMIZERS: dict[str, Callable[[], optimizers.Optimizer]] = {
    "sgd": lambda: optimizers.SGD(optimizers.Exponential(0.1, every=3, decay=0.5)),
    "momentum": lambda: optimizers.SGD(optimizers.StepDecay(0.1, every=2, decay=0.5), momentum=0.9),
    "nesterov": lambda: optimizers.SGD(
        optimizers.Cosine(0.1, steps=7, final=0.1), momentum=0.9, nesterov=True
    ),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "adam": lambda: optimizers.Adam(optimizers.Warmup(optimizers.Cosine(0.1, 5), steps=2)),
    "adamw": lambda: optimizers.AdamW(0.1, weight_decay=0.1),
    "nadam": lambda: optimizers.Nadam(0.1),
    "lamb": lambda: optimizers.Lamb(0.1, weight_decay=0.1),
    "lion": lambda: optimizers.Lion(0.01, weight_decay=0.1),
    "clipped": lambda: optimizers.Adam(0.1, clip_value=0.1, clip_norm=0.3),
}

FUNCTIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "relu": tf.nn.relu,
    "leaky": tf.nn.leaky_relu,
    "abs": tf.abs,
    "clip": lambda h: tf.clip_by_value(h, -1, 1),
    "sort": lambda h: tf.sort(h, axis=1),
    "pool": lambda h: tf.maximum(h, tf.reverse(h, [1])),
    "twice": lambda h: tf.nn.relu(tf.nn.relu(h) - 0.5 * tf.reduce_mean(h, 1, keepdims=True)),
    "tanh": tf.tanh,
    "softmax": tf.nn.softmax,
    "normalise": lambda h: h * tf.math.rsqrt(tf.reduce_mean(h * h, 1, keepdims=True) + 1e-3),
}
"""What layers compute that the reference does not know; those before tanh have kinks."""

KINDS = ("unregistered", "lazy", "shared", "tied")
"""Layers that the reference does not know. Their variables are their own, made in the constructor
or at the first call; those of an earlier layer; its weight transposed, and a bias of their own.
Where no earlier layer fits, they are their own."""

FAULTS = {
    "weight": "the weight's gradient is 1 % too large",
    "bias": "the bias has no gradient",
    "delta": "what goes on to the layer before is 1 % too large",
    "program": "the weight's gradient is 1 % too large in programs alone",
    "share": "one of the layers that share a weight adds nothing to its gradient",
}

LEAST_CHANGE = 0.005
"""The relative change of a gradient from which on a fault counts as planted."""

ROUNDINGS = 1000
"""Roundings of all outputs together, which must not hide that change."""


class Stranger(tf.Module):
    """`function(x @ weight + bias)`.

    Args:
        function: one of `FUNCTIONS`.
        draw: values of a shape, for variables that are not given.
        width: number of units.
        weight: shape `(inputs, units)`, or made at the first call.
        bias: shape `(units,)`, or made at the first call.
        transposed: whether `weight` has the shape `(units, inputs)`.
        fault: one of `FAULTS`, if any.
    """

    def __init__(
        self,
        function: str,
        draw: Callable[[Shape], np.ndarray],
        width: int,
        weight: tf.Variable | None = None,
        bias: tf.Variable | None = None,
        *,
        transposed: bool = False,
        fault: str | None = None,
    ) -> None:
        super().__init__()
        self.function, self.draw, self.width = FUNCTIONS[function], draw, width
        self.weight, self.bias = weight, bias
        self.transposed, self.fault = transposed, fault

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        if self.weight is None:
            self.weight = tf.Variable(tf.cast(self.draw((x.shape[1], self.width)), x.dtype))
        if self.bias is None:
            self.bias = tf.Variable(tf.cast(self.draw((self.width,)), x.dtype))
        weight = tf.convert_to_tensor(self.weight)
        weight = tf.transpose(weight) if self.transposed else weight
        affine = tf.custom_gradient(self._wrong) if self.fault else self._affine
        return self.function(affine(x, weight, tf.convert_to_tensor(self.bias)))

    def _affine(self, x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        return x @ weight + bias

    def _wrong(self, x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Any]:
        """Return the outputs, and their gradients with the fault."""
        too_much = {
            "weight": (1, 1.01, 1),
            "bias": (1, 1, 0),
            "delta": (1.01, 1, 1),
            "program": (1, 1.01 if tf.inside_function() else 1, 1),
            "share": (1, 0, 1),
        }[str(self.fault)]

        def gradients(dy: tf.Tensor) -> list[tf.Tensor]:
            right = tf.matmul(dy, weight, transpose_b=True), tf.matmul(x, dy, transpose_a=True)
            return [k * g for k, g in zip(too_much, [*right, tf.reduce_sum(dy, 0)], strict=True)]

        return self._affine(x, weight, bias), gradients


@dataclass
class Case:
    """A network, a batch and a step, drawn from `seed` where not given.

    Attributes:
        widths: of input, hidden and output layers: two numbers or more.
        activations: one after each affine map: of `nn.ACTIVATIONS`, or of `FUNCTIONS` for a layer
            that the reference does not know.
        batch: number of cases.
        decade: the weights are of the size of `10 ** decade` times what suits the activations.
        inputs: one of `INPUTS`.
        loss: one of `LOSSES`.
        optimizer: one of `OPTIMIZERS`, or none: no update is made.
        weighted: whether the cases have weights.
        l2: strength of the penalty.
        dtype: float32 or float64.
        mode: eager, graph or xla.
        seed: of all numbers.
        kinds: of each layer: "known", or one of `KINDS`; all are known if not given.
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    batch: int
    decade: float
    inputs: str
    loss: str
    optimizer: str | None
    weighted: bool
    l2: float
    dtype: str
    mode: str
    seed: int
    kinds: tuple[str, ...] = ()

    def report(self, fault: Planted | None = None) -> Report:
        """Return the report of the gradient check, perhaps with a fault as by `network`."""
        optimizer = OPTIMIZERS[self.optimizer]() if self.optimizer else None
        return tftrain.gradcheck(
            self.network(fault), optimizer=optimizer, modes=[self.mode], **self._step()
        )

    def shows(self, fault: Planted) -> bool:
        """Return whether a fault changes a gradient, by more than rounding of the outputs hides."""
        with np.errstate(all="ignore"):
            return self._shows(fault)

    def _shows(self, fault: Planted) -> bool:
        right, wrong = (
            tftrain.trace(self.network(f), mode=self.mode, **self._step()).nodes
            for f in (None, fault)
        )
        unit = np.finfo(self.dtype).eps
        for one, other in zip(right, wrong, strict=True):
            hidden = ROUNDINGS * unit * np.sum(np.abs(one.dy.astype(float) * one.y))
            pairs = [(one.x, one.dx, other.dx)]
            pairs += [(one.parameters[n], g, other.gradients[n]) for n, g in one.gradients.items()]
            for value, gradient, changed in pairs:
                size = np.linalg.norm(gradient.astype(float))
                change = changed.astype(float) - gradient
                seen = np.sum(np.abs(change * value)) > hidden
                if seen and np.linalg.norm(change) > LEAST_CHANGE * size:
                    return True
        return False

    def _step(self) -> dict[str, Any]:
        rng = np.random.default_rng(self.seed)
        x = self._draw(rng, (self.batch, self.widths[0]))
        y = self._draw(rng, (self.batch, self.widths[-1]))
        weight = rng.uniform(0, 2, self.batch) + 1e-3 if self.weighted else None
        return {"x": x, "y": y, "loss": self.loss, "weight": weight, "l2": self.l2}

    def network(self, fault: Planted | None = None) -> nn.Sequential:
        """Return the network, with the fault `(layer, one of FAULTS)` if one is given."""
        rng = np.random.default_rng([self.seed, 1])
        layers: list[tf.Module] = []
        own: list[nn.Dense | Stranger] = []
        for i, name in enumerate(self.activations):
            ends = self.widths[i], self.widths[i + 1]
            kind = self.kinds[i] if self.kinds else "known"
            if kind == "known":
                own.append(self._dense(i, *ends))
                layers += [own[-1], nn.Activation(name)]
            else:
                wrong = fault[1] if fault and fault[0] == i else None
                own.append(self._stranger(kind, name, rng, *ends, own, wrong))
                layers.append(own[-1])
        return nn.Sequential(layers)

    def _dense(self, i: int, inputs: int, units: int) -> nn.Dense:
        return nn.Dense(
            inputs,
            units,
            initializer=self._weights,
            bias_initializer=self._weights,
            dtype=self.dtype,
            seed=self.seed,
            counter=i,
        )

    def _stranger(
        self,
        kind: str,
        function: str,
        rng: np.random.Generator,
        inputs: int,
        units: int,
        earlier: Sequence["nn.Dense | Stranger"],
        fault: str | None,
    ) -> Stranger:
        def draw(shape: Shape) -> np.ndarray:
            return self._weights(rng, shape).astype(self.dtype)

        weight = bias = None
        transposed = False
        shape = {"shared": (inputs, units), "tied": (units, inputs)}.get(kind)
        fitting = [
            layer
            for layer in earlier
            if layer.weight is not None and tuple(layer.weight.shape) == shape
        ]
        if fitting:
            weight, transposed = fitting[-1].weight, kind == "tied"
            bias = fitting[-1].bias if kind == "shared" else None
        elif kind != "lazy":
            weight = tf.Variable(draw((inputs, units)))
        if kind != "lazy" and bias is None:
            bias = tf.Variable(draw((units,)))
        return Stranger(function, draw, units, weight, bias, transposed=transposed, fault=fault)

    def _weights(self, rng: np.random.Generator, shape: Shape) -> np.ndarray:
        if self.inputs == "grid":
            return rng.integers(-2, 3, shape).astype(float)
        return 10**self.decade * rng.standard_normal(shape) / np.sqrt(shape[0])

    def _draw(self, rng: np.random.Generator, shape: Shape) -> np.ndarray:
        limits = np.finfo(self.dtype)
        normal = rng.standard_normal(shape)
        match self.inputs:
            case "normal":
                values = normal
            case "zeros":
                values = np.zeros(shape)
            case "grid":
                values = rng.integers(-2, 3, shape).astype(float)
            case "huge":
                values = normal * 10 ** rng.uniform(0, np.log10(float(limits.max)) - 1, shape)
            case "tiny":
                values = normal * 10 ** rng.uniform(np.log10(float(limits.tiny)) - 5, 0, shape)
            case _:
                values = normal * 10 ** rng.uniform(-6, 6, shape)
        return values.astype(self.dtype)


def draw(seed: int) -> Case:
    """Return the case of a seed."""
    rng = np.random.default_rng(seed)
    depth = int(np.ceil(np.exp(rng.uniform(0, np.log(30)))))
    widths = np.exp(rng.uniform(0, np.log(300), depth + 1)).astype(int)
    return Case(
        widths=tuple(int(width) for width in widths),
        activations=tuple(str(name) for name in rng.choice(list(nn.ACTIVATIONS), depth)),
        batch=int(np.exp(rng.uniform(0, np.log(500)))),
        decade=float(rng.choice([0, 0, rng.uniform(-6, 6)])),
        inputs=str(rng.choice(INPUTS, p=[0.5, 0.05, 0.15, 0.1, 0.1, 0.1])),
        loss=str(rng.choice(LOSSES)),
        optimizer=str(rng.choice(list(OPTIMIZERS))) if rng.random() < 0.3 else None,
        weighted=bool(rng.random() < 0.3),
        l2=float(rng.choice([0.0, 0.0, 0.01])),
        dtype=str(rng.choice(["float32", "float64"])),
        mode=str(rng.choice(["eager", "graph", "xla"], p=[0.85, 0.12, 0.03])),
        seed=int(seed),
    )


BLOCKS = ("dense", "shared", "residual", "add", "concat", "dropout", "layer", "batch", "prelu")
"""What a network that is a graph is made of."""


class GraphCase(Case):
    """A network that is a graph: forks, layers used twice, random ones, norms, several inputs."""

    @property
    def embeddings(self) -> list[tuple[int, int]]:
        """Categories and width of an embedding for each input of codes; often there are none."""
        rng = np.random.default_rng([self.seed, 4])
        count = int(rng.choice([0, 0, 1, 2]))
        return [(int(rng.integers(1, 30)), int(rng.integers(1, 8))) for _ in range(count)]

    def _step(self) -> dict[str, Any]:
        step, rng = super()._step(), np.random.default_rng([self.seed, 5])
        codes = [rng.integers(0, categories, self.batch) for categories, _ in self.embeddings]
        return step | ({"x": (step["x"], *codes)} if codes else {})

    def network(self, fault: Planted | None = None) -> nn.Sequential:
        """Return the network; no faults are planted."""
        rng = np.random.default_rng([self.seed, 2])
        inputs, width, *_, outputs = self.widths
        layers: list[nn.Layer] = []
        if self.embeddings:
            tables = [
                nn.Embedding(*sizes, initializer=self._weights, dtype=self.dtype, seed=self.seed)
                for sizes in self.embeddings
            ]
            layers = [nn.Parallel([[], *tables], nn.Concat())]
            inputs += sum(wide for _, wide in self.embeddings)
        self.denses: list[nn.Dense] = [self._dense(0, inputs, width)]
        layers.append(self.denses[0])
        for name in self.activations:
            layers += [*self._block(rng, width, 2), nn.Activation(name)]
        return nn.Sequential([*layers, self._dense(999, width, outputs)])

    def _block(self, rng: np.random.Generator, width: int, deep: int) -> list[nn.Layer]:
        """Return layers that take and give so many units."""
        kind = str(rng.choice(BLOCKS if deep else [k for k in BLOCKS if k not in FORKED]))
        match kind:
            case "shared" if len(self.denses) > 1:
                return [self.denses[int(rng.integers(1, len(self.denses)))]]
            case "residual":
                return [nn.Residual(*self._row(rng, width, deep - 1))]
            case "add":
                branches = [self._row(rng, width, deep - 1) for _ in range(int(rng.integers(2, 4)))]
                return [nn.Fork(branches, nn.Add())]
            case "concat":
                return [nn.Fork([[], self._row(rng, width, deep - 1)], nn.Concat()),
                        self._dense(int(rng.integers(1000, 10**6)), 2 * width, width)]  # fmt: skip
            case "dropout":
                return [nn.Dropout(float(rng.choice([0, 0.1, 0.5, 0.9])))]
            case "layer":
                return [nn.LayerNorm(width, dtype=self.dtype)]
            case "batch":
                return [nn.BatchNorm(width, dtype=self.dtype)]
            case "prelu":
                return [nn.PReLU(width, dtype=self.dtype)]
        self.denses.append(self._dense(len(self.denses), width, width))
        return [self.denses[-1]]

    def _row(self, rng: np.random.Generator, width: int, deep: int) -> list[nn.Layer]:
        """Return some blocks in a row, at least one."""
        return [
            one for _ in range(int(rng.integers(1, 4))) for one in self._block(rng, width, deep)
        ]


FORKED = {"residual", "add", "concat"}


def draw_graph(seed: int) -> GraphCase:
    """Return the case of a seed whose network is a graph."""
    rng = np.random.default_rng([seed, 3])
    depth, width = int(rng.integers(1, 5)), int(np.exp(rng.uniform(0, np.log(40))))
    ends = np.exp(rng.uniform(0, np.log(40), 2)).astype(int)
    drawn = draw(seed)
    given = {f.name: getattr(drawn, f.name) for f in fields(Case)}
    given["widths"] = (int(ends[0]), width, int(ends[1]))
    given["activations"] = tuple(str(name) for name in rng.choice(list(nn.ACTIVATIONS), depth))
    return GraphCase(**given)


OF_CHAINS = (
    *("identity", "relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "tanh"),
    *("sigmoid", "softplus"),
)
"""Activations among strangers: seeds that once showed something must go on to mean the same."""


def draw_strangers(seed: int) -> tuple[Case, Planted]:
    """Return the case of a seed whose network has strangers, and a fault in one of them."""
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 6))
    ends, width = np.exp(rng.uniform(0, np.log(40), 2)).astype(int), int(rng.integers(2, 40))
    kinds = [str(kind) for kind in rng.choice(["known", *KINDS], depth)]
    if set(kinds) == {"known"}:
        kinds[-1] = "unregistered"
    case = replace(
        draw(seed),
        widths=(int(ends[0]), *[width] * (depth - 1), int(rng.choice(ends))),
        activations=tuple(
            str(rng.choice(OF_CHAINS if kind == "known" else list(FUNCTIONS))) for kind in kinds
        ),
        optimizer=None,
        kinds=tuple(kinds),
    )
    if set(kinds) == {"lazy"}:  # a network without variables is given float32
        case = replace(case, dtype="float32")
    place = int(rng.choice([i for i, kind in enumerate(kinds) if kind != "known"]))
    sharing = kinds[place] in ("shared", "tied")
    return case, (place, str(rng.choice([f for f in FAULTS if sharing or f != "share"])))
