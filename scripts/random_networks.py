"""Check random networks, and count false alarms: all of them are right, so none may be found wrong.

    python scripts/random_networks.py --networks 10000 --processes 2
    python scripts/random_networks.py --networks 5000 --strangers

Prints the largest error over bound, and how the bounds compare with the gradients they belong to.
With `--strangers`, most layers are unknown to the reference, and each network is checked once more
with a fault in one of them, which must be found.
"""

import argparse
import os
import time
from collections import Counter
from dataclasses import dataclass, replace
from multiprocessing import get_context

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import tensorflow as tf

import tftrain
from tftrain import nn, optimizers
from tftrain.parity.check import EVIDENCE

INPUTS = ("normal", "zeros", "grid", "huge", "tiny", "decades")
"""normal; all zeros; small whole numbers (with whole weights, many units lie exactly on a kink);
beyond the square root of the largest number; below the smallest normal number; over 12 decades."""

EXTREME = ("huge", "tiny", "decades")

LOSSES = ("mse", "sum_squared_error", "mae", "huber")

OPTIMIZERS = {
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

FUNCTIONS = {
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
        self, function, draw, width, weight=None, bias=None, *, transposed=False, fault=None
    ):
        super().__init__()
        self.function, self.draw, self.width = FUNCTIONS[function], draw, width
        self.weight, self.bias = weight, bias
        self.transposed, self.fault = transposed, fault

    def __call__(self, x):
        if self.weight is None:
            self.weight = tf.Variable(tf.cast(self.draw((x.shape[1], self.width)), x.dtype))
        if self.bias is None:
            self.bias = tf.Variable(tf.cast(self.draw((self.width,)), x.dtype))
        weight = tf.convert_to_tensor(self.weight)
        weight = tf.transpose(weight) if self.transposed else weight
        affine = tf.custom_gradient(self._wrong) if self.fault else self._affine
        return self.function(affine(x, weight, tf.convert_to_tensor(self.bias)))

    def _affine(self, x, weight, bias):
        return x @ weight + bias

    def _wrong(self, x, weight, bias):
        too_much = {
            "weight": (1, 1.01, 1),
            "bias": (1, 1, 0),
            "delta": (1.01, 1, 1),
            "program": (1, 1.01 if tf.inside_function() else 1, 1),
            "share": (1, 0, 1),
        }[self.fault]

        def gradients(dy):
            right = tf.matmul(dy, weight, transpose_b=True), tf.matmul(x, dy, transpose_a=True)
            return [k * g for k, g in zip(too_much, [*right, tf.reduce_sum(dy, 0)], strict=True)]

        return self._affine(x, weight, bias), gradients


@dataclass(frozen=True)
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

    def report(self, fault=None):
        """Return the report of the gradient check, perhaps with a fault as by `network`."""
        optimizer = OPTIMIZERS[self.optimizer]() if self.optimizer else None
        return tftrain.gradcheck(
            self.network(fault), optimizer=optimizer, modes=[self.mode], **self._step()
        )

    def shows(self, fault):
        """Return whether a fault changes a gradient, by more than rounding of the outputs hides."""
        with np.errstate(all="ignore"):
            return self._shows(fault)

    def _shows(self, fault):
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

    def _step(self):
        rng = np.random.default_rng(self.seed)
        x = self._draw(rng, (self.batch, self.widths[0]))
        y = self._draw(rng, (self.batch, self.widths[-1]))
        weight = rng.uniform(0, 2, self.batch) + 1e-3 if self.weighted else None
        return {"x": x, "y": y, "loss": self.loss, "weight": weight, "l2": self.l2}

    def network(self, fault=None):
        """Return the network, with the fault `(layer, one of FAULTS)` if one is given."""
        rng = np.random.default_rng([self.seed, 1])
        layers, own = [], []
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

    def _dense(self, i, inputs, units):
        return nn.Dense(
            inputs,
            units,
            initializer=self._weights,
            bias_initializer=self._weights,
            dtype=self.dtype,
            seed=self.seed,
            counter=i,
        )

    def _stranger(self, kind, function, rng, inputs, units, earlier, fault):
        def draw(shape):
            return self._weights(rng, shape).astype(self.dtype)

        weight = bias = None
        transposed = False
        shape = {"shared": (inputs, units), "tied": (units, inputs)}.get(kind)
        fitting = [layer for layer in earlier if layer.weight is not None]
        fitting = [layer for layer in fitting if tuple(layer.weight.shape) == shape]
        if fitting:
            weight, transposed = fitting[-1].weight, kind == "tied"
            bias = fitting[-1].bias if kind == "shared" else None
        elif kind != "lazy":
            weight = tf.Variable(draw((inputs, units)))
        if kind != "lazy" and bias is None:
            bias = tf.Variable(draw((units,)))
        return Stranger(function, draw, units, weight, bias, transposed=transposed, fault=fault)

    def _weights(self, rng, shape):
        if self.inputs == "grid":
            return rng.integers(-2, 3, shape).astype(float)
        return 10**self.decade * rng.standard_normal(shape) / np.sqrt(shape[0])

    def _draw(self, rng, shape):
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


def draw(seed):
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


def draw_strangers(seed):
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
            str(rng.choice(list(nn.ACTIVATIONS if kind == "known" else FUNCTIONS)))
            for kind in kinds
        ),
        optimizer=None,
        kinds=tuple(kinds),
    )
    if set(kinds) == {"lazy"}:  # a network without variables is given float32
        case = replace(case, dtype="float32")
    place = int(rng.choice([i for i, kind in enumerate(kinds) if kind != "known"]))
    sharing = kinds[place] in ("shared", "tied")
    return case, (place, str(rng.choice([f for f in FAULTS if sharing or f != "share"])))


@dataclass(frozen=True)
class Result:
    """What one case gives.

    Attributes:
        case: the network, batch and step.
        failures: what was found wrong in it, as text; there should be nothing.
        ratio: the largest error over its bound, among what is proven.
        where: the place of that error.
        checks: their number.
        unsure: number of elements undetermined by overflow.
        bounds: of the gradients of weights and biases, over the largest element.
        fault: what was planted afterwards, if it shows.
        outcome: caught, missed, or said: the report says that such an error could pass.
    """

    case: Case
    failures: list
    ratio: float
    where: str
    checks: int
    unsure: int
    bounds: list
    fault: str | None = None
    outcome: str = ""


def check(seed):
    """Return the result of a seed."""
    case = draw(seed)
    return _result(case, case.report())


def check_strangers(seed):
    """Return the result of a seed whose network has strangers, and perhaps a fault."""
    case, fault = draw_strangers(seed)
    result = _result(case, case.report())
    if not case.shows(fault):
        return result
    report = case.report(fault)
    outcome = "missed" if report.ok else "caught"
    if report.ok and any("could pass" in note for note in report.notes):
        outcome = "said"
    return replace(result, fault=fault[1], outcome=outcome)


def _result(case, report):
    proven = [c for c in report.checks if c.kind != EVIDENCE]
    worst = max(proven, key=lambda c: c.ratio, default=report.worst)
    return Result(
        case,
        failures=[str(failure) for failure in report.failures],
        ratio=worst.ratio,
        where=f"{worst.where}",
        checks=len(report.checks),
        unsure=sum(c.unsure for c in report.checks),
        bounds=[
            c.relative_bound for c in proven if c.quantity in ("weight", "bias") and not c.unsure
        ],
    )


class Tally:
    """Counts over all results."""

    def __init__(self):
        self.networks = self.checks = self.unsure = self.alarms = 0
        self.most = (0.0, "")
        self.drawn, self.outcomes = Counter(), Counter()
        self.bounds = {"float32": [], "float64": []}

    def add(self, result):
        """Add one, and print it if it is a false alarm or a fault that was not found."""
        case = result.case
        self.networks += 1
        self.drawn.update([case.dtype, case.mode, case.inputs, *case.kinds])
        self.checks, self.unsure = self.checks + result.checks, self.unsure + result.unsure
        self.bounds[case.dtype] += result.bounds
        place = f"{result.where}, {case.mode}, {case.dtype}, seed {case.seed}"
        self.most = max(self.most, (result.ratio, place))
        if result.failures:
            self.alarms += 1
            print(f"FALSE ALARM, seed {case.seed}: {result.failures[0]}\n  {case}", flush=True)
        if result.fault:
            self.outcomes[result.fault, case.inputs in EXTREME, result.outcome] += 1
        if result.outcome == "missed":
            print(f"MISSED, seed {case.seed}: {result.fault}\n  {case}", flush=True)

    def print(self):
        """Print all that was counted."""
        print(f"{self.networks} networks, {self.checks} checks, {self.alarms} false alarms")
        print("largest error over bound, of what is proven: {:.3f} ({})".format(*self.most))
        print(f"elements undetermined by overflow: {self.unsure}")
        print("drawn:", dict(self.drawn))
        for dtype, found in self.bounds.items():
            found = [value for value in found if value > 0]
            points = np.percentile(found, [5, 50, 95, 100]) if found else []
            text = ", ".join(f"{p:.1e}" for p in points)
            print(f"{dtype}: bound over gradient, 5th, 50th, 95th percentile and largest: {text}")
        for fault, extreme in sorted({key[:2] for key in self.outcomes}):
            counts = {o: self.outcomes[fault, extreme, o] for o in ("caught", "said", "missed")}
            inputs = "extreme" if extreme else "ordinary"
            print(f"{FAULTS[fault]}, on {inputs} inputs: {sum(counts.values())} planted, {counts}")


def main():
    """Run the cases and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first network")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument(
        "--strangers", action="store_true", help="draw unknown layers, plant faults"
    )
    options = parser.parse_args()
    began = time.monotonic()
    tally = Tally()
    checked = check_strangers if options.strangers else check
    context = get_context("spawn")
    # A process is replaced after ten chunks: TensorFlow keeps every program that it ever compiled.
    with context.Pool(options.processes, maxtasksperchild=10) as pool:
        seeds = range(options.first, options.first + options.networks)
        try:
            for result in pool.imap(checked, seeds, chunksize=20):
                tally.add(result)
                if tally.networks % 500 == 0:
                    seconds = time.monotonic() - began
                    print(f"{tally.networks} networks, {seconds:.0f} s", flush=True)
        except KeyboardInterrupt:
            print("interrupted: the networks so far")
    tally.print()


if __name__ == "__main__":
    main()
