"""The explanation of a row: every number of it against a derivation of its own."""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tftrain
from tftrain import losses
from tftrain.config import load_config
from tftrain.errors import InputError
from tftrain.experiment.build import network_of
from tftrain.experiment.prepare import Prepared, prepare
from tftrain.explain import explain, explain_expression, lesson
from tftrain.reference.expression import Expression

CONFIGS = Path(__file__).parents[2] / "configs"

LINE = re.compile(r" {4}(\w+(?:/\w+)?\[\d+\]) +=|  (L) =")
"""The name at the start of a line that states a number."""


def shipped(name: str, *overrides: str) -> Prepared:
    return prepare(load_config(CONFIGS / f"{name}.yaml", overrides))


def statements(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield for each line that states a number its name, and the sides of its equations."""
    joined = re.sub(r"\n {6,}(?! *TensorFlow)", " ", text)
    for line in joined.splitlines():
        if found := LINE.match(line):
            yield found[1] or found[2], [side.strip() for side in line.split(" = ")[1:]]


def numbers(text: str) -> dict[str, float]:
    """Return what each line says that something is."""
    return {name: float(sides[-1]) for name, sides in statements(text)}


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of each row of the tables, by the first; parts of a cell are joined."""
    found: dict[str, list[str]] = {}
    last = ""
    for line in text.splitlines():
        if line.startswith("│"):
            cells = [cell.strip() for cell in line.strip("│").split("│")]
            if cells[0]:
                last = cells[0]
                found[last] = cells[1:]
            else:
                pairs = zip(found[last], cells[1:], strict=True)
                found[last] = [f"{a} {b}".strip() for a, b in pairs]
    return found


def calculated(side: str) -> float:
    """Return the value of what is written on one side of an equation."""
    python = re.sub(r"\|([^|]+)\|", r"abs(\1)", side.replace("^", "**"))
    python = re.sub(r"(?<=[\d)]) \(", " * (", python)
    functions: dict[str, Callable[..., Any]] = {
        "abs": abs,
        "tanh": math.tanh,
        "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
        "relu": lambda z: max(z, 0),
        "sign": np.sign,
        "clip": np.clip,
        "h": lambda e: e * e / 2 if abs(e) <= 0.5 else 0.5 * (abs(e) - 0.5 / 2),
        "sin": math.sin,
        "cos": math.cos,
        "log": math.log,
    }
    return float(eval(python, {"__builtins__": {}}, functions))


def assert_sums_are_true(text: str) -> None:
    """Assert that all sides of every written equation have the same value, but for rounding."""
    for name, sides in statements(text):
        for side in sides[:-1]:
            # What is rounded to six digits is squared, multiplied and subtracted again.
            expected = pytest.approx(float(sides[-1]), rel=1e-4, abs=1e-5)
            assert calculated(side) == expected, f"{name} = {' = '.join(sides)}"


class ByHand:
    """Forward and backward pass of `two_hidden_layers` on one row, in loops."""

    def __init__(self, row: int) -> None:
        prepared = shipped("two_hidden_layers")
        network = network_of(prepared.config, prepared.plan)
        dense = [layer for layer in network.layers if hasattr(layer, "weight")]
        self.weights = [layer.weight.numpy().tolist() for layer in dense]
        self.biases = [layer.bias.numpy().tolist() for layer in dense]
        record = pd.read_csv(CONFIGS / "data/xor.csv").iloc[row - 1]
        self.inputs = [float(record.x1), float(record.x2)]
        self.target = float(record.y)
        self.says: dict[str, float] = {}
        self.gradients: dict[str, float] = {}
        self.forward()
        self.backward()

    def forward(self) -> None:
        before, self.outputs = self.inputs, [self.inputs]
        for k in range(3):
            z = []
            for j in range(len(self.biases[k])):
                total = self.biases[k][j]
                for i in range(len(before)):
                    total += before[i] * self.weights[k][i][j]
                z.append(total)
            before = [math.tanh(v) if k < 2 else 1 / (1 + math.exp(-v)) for v in z]
            self.outputs.append(before)
            self.say(f"f_{2 * k + 1}", z)
            self.say(f"f_{2 * k + 2}", before)
        self.error = before[0] - self.target
        self.say("e", [self.error])
        self.says["L"] = self.error**2

    def backward(self) -> None:
        arriving = [2 * self.error]
        for k in (2, 1, 0):
            self.say(f"delta_{2 * k + 2}", arriving)
            y, x = self.outputs[k + 1], self.outputs[k]
            slopes = [1 - v * v if k < 2 else v * (1 - v) for v in y]
            self.say(f"df_{2 * k + 2}/df_{2 * k + 1}", slopes)
            delta = [arriving[j] * slopes[j] for j in range(len(y))]
            self.say(f"delta_{2 * k + 1}", delta)
            for j in range(len(delta)):
                self.gradients[f"b{k + 1}[{j + 1}]"] = delta[j]
                for i in range(len(x)):
                    self.gradients[f"W{k + 1}[{i + 1},{j + 1}]"] = delta[j] * x[i]
            arriving = []
            for i in range(len(x)):
                arriving.append(sum(delta[j] * self.weights[k][i][j] for j in range(len(delta))))
        self.say("delta_0", arriving)

    def say(self, name: str, values: list[float]) -> None:
        self.says.update({f"{name}[{j + 1}]": value for j, value in enumerate(values)})

    def before(self, name: str) -> float:
        k, *index = (int(number) - 1 for number in re.findall(r"\d+", name))
        if name[0] == "b":
            return float(self.biases[k][index[0]])
        return float(self.weights[k][index[0]][index[1]])


@pytest.mark.parametrize("row", [1, 2, 3, 4])
def test_two_hidden_layers_against_loops(row: int) -> None:
    text = explain(shipped("two_hidden_layers"), row=row)
    hand = ByHand(row)
    assert numbers(text) == pytest.approx(hand.says, rel=1e-5, abs=1e-15)
    assert_sums_are_true(text)
    cells = rows(text)
    assert len(hand.gradients) == 15
    for name, gradient in hand.gradients.items():
        product, *sides, apart, verdict = cells[f"dL/d{name}"]
        assert [calculated(product), *map(float, sides)] == pytest.approx(
            [gradient] * 3, rel=1e-5, abs=1e-15
        )
        assert float(apart) < 1e-15
        assert verdict == "proven"
        before, change, *after, apart, verdict = cells[name]
        assert float(before) == pytest.approx(hand.before(name), rel=1e-5, abs=1e-15)
        assert float(change) == pytest.approx(-0.5 * gradient, rel=1e-5, abs=1e-15)
        expected = hand.before(name) - 0.5 * gradient
        assert list(map(float, after)) == pytest.approx([expected] * 2, rel=1e-5, abs=1e-15)
        assert float(apart) < 1e-15
        assert verdict == "proven"


def test_what_surrounds_the_numbers() -> None:
    text = explain(shipped("two_hidden_layers"), row=2)
    for line in (
        "two_hidden_layers, with its initial weights, on row 2 of its 4 training rows",
        "  f(x) = sigmoid(tanh(tanh(x W1 + b1) W2 + b2) W3 + b3)",
        "  f_5   = f_4 W3 + b3    Dense, 2 to 1",
        "  L     = e^2, e = f_6 - t (mean squared error of one row)",
        "THE ROW: the network takes it as it is",
        "  x[1] = 0 (x1), x[2] = 1 (x2)",
        "  delta_4 = dL/df_4 = delta_5 * df_5/df_4 = delta_5 W3'",
        "    tanh'(z) = 1 - y^2, with z = f_3 and y = f_4",
        "  v' = a v - e g\n  w' = w + v'\n  e = 0.5 (the learning rate at step 0), a = 0.9",
        "CERTIFICATE: proven: ",
    ):
        assert line in text
    assert str(CONFIGS.parent) not in text
    assert max(map(len, text.splitlines())) <= 100


def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.normal(size=12), "word": rng.choice(["u", "v"], 12)})
    frame["w"] = rng.choice([0.5, 1.0, 3.0], 12)
    frame["y"] = 20 + 5 * frame.a
    frame["z"] = frame.a**2
    frame.loc[3, "a"] = np.nan
    return frame


def prepared_of(**sections: Any) -> Prepared:
    data = {"source": "dataframe", "target": ["y", "z"], "weight": "w", "features": ["a", "word"]}
    split = {"kind": "fractions", "train": 1, "validation": 0, "test": 0}
    config = {"data": {**data, "split": split}, "training": {"epochs": 2}, **sections}
    return prepare(load_config(config), table())


SGD = {"kind": "sgd", "learning_rate": 0.1}
EVERY_KIND = [
    ({"kind": "linear"}, "mse", SGD),
    ({"kind": "mlp", "hidden": [3], "activation": "relu"}, {"kind": "mae", "l2": 0.1}, SGD),
    (
        {"kind": "mlp", "hidden": [2, 2], "activation": ["identity", "gelu"], "bias": False},
        {"kind": "huber", "delta": 0.5, "l2": 0.01},
        {**SGD, "momentum": 0.5, "nesterov": True, "clip_value": 0.1},
    ),
    (
        {"kind": "mlp", "hidden": [2], "activation": "silu", "dtype": "float64"},
        "sum_squared_error",
        {"kind": "adamw", "clip_norm": 0.1, "schedule": {"kind": "cosine", "warmup": 2}},
    ),
    ({"kind": "mlp", "hidden": [2], "activation": "softplus"}, "mse", {"kind": "adam"}),
    ({"kind": "mlp", "hidden": [2], "activation": "selu"}, "mse", {"kind": "rmsprop"}),
    ({"kind": "mlp", "hidden": [2], "activation": "gelu_tanh"}, "mae", {"kind": "adagrad"}),
    ({"kind": "mlp", "hidden": [2], "activation": "tanh"}, "mse", {"kind": "nadam"}),
    ({"kind": "mlp", "hidden": [2], "activation": "tanh"}, "mse", {"kind": "lamb"}),
    ({"kind": "mlp", "hidden": [2], "activation": "tanh"}, "mse", {"kind": "lion"}),
]


@pytest.mark.parametrize(("model", "loss", "optimizer"), EVERY_KIND)
@pytest.mark.parametrize("row", [4, 7])
def test_every_written_sum_is_true(model: Any, loss: Any, optimizer: Any, row: int) -> None:
    prepared = prepared_of(model=model, loss=loss, optimizer=optimizer)
    # Functions that the test cannot calculate are not written out; their values are used further.
    text = re.sub(
        r"= (gelu|silu|softplus|selu|gelu_tanh|Phi)\(.* = ", "= ", explain(prepared, row=row)
    )
    assert_sums_are_true(text)
    cells = rows(text)
    gradients = [name for name in cells if name.startswith("dL/d")]
    assert len(gradients) > 4
    for name in gradients:
        product, theirs, ours, _, verdict = cells[name]
        assert calculated(product) == pytest.approx(float(theirs), rel=1e-4, abs=1e-6)
        assert float(ours) == pytest.approx(float(theirs), rel=1e-4, abs=1e-6)
        assert verdict == "proven"
        before, change, theirs, ours, _, verdict = cells[name.removeprefix("dL/d")]
        assert float(before) + float(change) == pytest.approx(float(theirs), rel=1e-5, abs=1e-6)
        assert float(ours) == pytest.approx(float(theirs), rel=1e-5, abs=1e-6)
        assert verdict == "proven"
    assert "CERTIFICATE: proven" in text
    assert max(map(len, text.splitlines())) <= 100


def test_learning_rates_of_their_own_are_named() -> None:
    factors = {"layers.2.*": 0, "*.bias": 2}
    optimizer = {"kind": "sgd", "learning_rate": 0.1, "factors": factors}
    model = {"kind": "mlp", "hidden": [2]}
    text = explain(prepared_of(model=model, optimizer=optimizer), row=4)
    assert "  e is multiplied by 2 for b1\n  e is multiplied by 0 for W2, b2\n" in text
    assert "CERTIFICATE: proven" in text
    cells = rows(text)
    assert float(cells["b1[1]"][1]) == pytest.approx(-0.2 * float(cells["dL/db1[1]"][1]))
    assert float(cells["W2[1,1]"][1]) == 0


def test_a_row_with_words_gaps_and_a_weight() -> None:
    text = explain(prepared_of(model="linear"), row=4)
    frame = table()
    weight = frame.w[3] / frame.w.mean()
    assert f"a = missing, word = {frame.word[3]!r}, y = {frame.y[3]:.6g}" in text
    assert "(a is missing)" in text
    assert f"  w = {weight:.6g}, the weight of the row" in text
    scaled = (frame.y[3] - frame.y.mean()) / frame.y.std(ddof=0)
    assert f"  t[1] = {np.float32(scaled):.6g}, t[2] = " in text


def test_layers_without_activation_in_the_compound_function() -> None:
    model = {"kind": "mlp", "hidden": [2, 2], "activation": "identity"}
    assert "  f(x) = ((x W1 + b1) W2 + b2) W3 + b3\n" in explain(prepared_of(model=model))
    assert "  f(x) = x W1 W2 W3\n" in explain(prepared_of(model={**model, "bias": False}))


@pytest.mark.parametrize("row", [0, 5, -1])
def test_no_such_row(row: int) -> None:
    with pytest.raises(InputError, match="4 rows into training, so give a row from 1 to 4"):
        explain(shipped("two_hidden_layers"), row=row)


def test_a_run_has_its_trained_weights(tmp_path: Path) -> None:
    few = ["training.epochs=3", "training.convergence=null"]
    run = tftrain.train(CONFIGS / "two_hidden_layers.yaml", overrides=few, output=tmp_path / "mine")
    frame = pd.read_csv(CONFIGS / "data/xor.csv")
    for row in (1, 4):
        text = explain(prepare(run.config), row=row, run=run)
        predicted = run.predict(frame)[row - 1]
        assert numbers(text)["f_6[1]"] == pytest.approx(predicted, rel=1e-5)
        assert numbers(text)["f_6[1]"] != pytest.approx(ByHand(row).says["f_6[1]"], rel=1e-5)
        assert ", as trained, on row" in text
        assert str(tmp_path) not in text
        assert_sums_are_true(text)


def test_a_large_network_by_norms() -> None:
    prepared = shipped("diabetes")
    text = explain(prepared, row=3)
    dense = [
        layer
        for layer in network_of(prepared.config, prepared.plan).layers
        if hasattr(layer, "weight")
    ]
    train = prepared.frame.iloc[prepared.split.train]
    inputs = train.drop(columns="target")
    x = ((inputs - inputs.mean()) / inputs.std(ddof=0)).to_numpy()[2]
    t = ((train.target - train.target.mean()) / train.target.std(ddof=0)).to_numpy()[2]
    w = [layer.weight.numpy().astype(float) for layer in dense]
    f_2 = np.tanh(f_1 := x @ w[0])
    f_4 = np.tanh(f_3 := f_2 @ w[1])
    f_5 = f_4 @ w[2]
    deltas = [2 * (f_5 - t)]
    deltas.append(w[2] @ deltas[-1])
    deltas.append(deltas[-1] * (1 - f_4**2))
    deltas.append(w[1] @ deltas[-1])
    deltas.append(deltas[-1] * (1 - f_2**2))
    deltas.append(w[0] @ deltas[-1])
    cells = rows(text)
    norm = np.linalg.norm
    forward = ["x", "f_1 = x W1 + b1", "f_2 = tanh(f_1)", "f_3 = f_2 W2 + b2", "f_4 = tanh(f_3)"]
    for name, value in zip(
        [*forward, "f_5 = f_4 W3 + b3"], [x, f_1, f_2, f_3, f_4, f_5], strict=True
    ):
        assert [float(cell) for cell in cells[name][1:3]] == pytest.approx(
            [norm(value)] * 2, rel=1e-4
        )
    for k, delta in enumerate(deltas):
        theirs, ours, ratio, _ = cells[f"delta_{5 - k}"]
        assert [float(theirs), float(ours)] == pytest.approx([norm(delta)] * 2, rel=1e-4)
        if k:
            assert float(ratio) == pytest.approx(norm(delta) / norm(deltas[k - 1]), rel=1e-2)
    for k, (before, delta) in enumerate([(x, deltas[4]), (f_2, deltas[2]), (f_4, deltas[0])], 1):
        gradient = norm(before) * norm(delta)
        shape, theirs, ours, _, ratio = cells[f"dL/dW{k}"]
        assert shape == f"{w[k - 1].shape[0]} x {w[k - 1].shape[1]}"
        assert [float(theirs), float(ours)] == pytest.approx([gradient] * 2, rel=1e-4)
        assert float(ratio) <= 1
        first_step = 0.001 * math.sqrt(w[k - 1].size)  # Adam's first step is the learning rate
        size, theirs, ours, relative, _ = cells[f"W{k}"]
        assert float(size) == pytest.approx(norm(w[k - 1]), rel=1e-5)
        assert [float(theirs), float(ours)] == pytest.approx([first_step] * 2, rel=1e-3)
        assert float(relative) == pytest.approx(first_step / norm(w[k - 1]), rel=1e-2)
    assert "and 3 more" in text
    assert "CERTIFICATE: proven" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_lesson_on_two_variables() -> None:
    expression = Expression("x**2*y + y + 2")
    text = explain_expression(expression, {"x": 3, "y": 4})
    cells = rows(text)
    assert text.startswith("f(x, y) = x**2*y + y + 2 at (x, y) = (3, 4).")
    assert cells["f_3"] == ["f_1 ** f_2", "3 ** 2", "9", "9", "0"]
    assert cells["f_7"] == ["f_6 + f_2", "40 + 2", "42", "42", "0"]
    assert cells["delta_4"] == ["delta_6 * 1 + delta_5 * f_3", "1 * 1 + 1 * 9", "10", "10", "0"]
    assert cells["delta_1"] == [
        "delta_3 * f_2 * f_1 ** (f_2 - 1)", "4 * 2 * 3 ** (2 - 1)", "24", "24", "0"
    ]  # fmt: skip
    assert "delta_2" not in cells
    assert cells["df/dx"] == ["delta_1", "24", "24", "0"]
    assert cells["df/dy"] == ["delta_4", "10", "10", "0"]
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("formula", "point"),
    [
        ("tanh(w*x + b) - sin(x) * -relu(x/w)", {"x": 3, "w": -0.4, "b": -1}),
        ("log(x) ** cos(y) / sigmoid(x - 2)", {"x": 3, "y": -0.4}),
        ("x / y + -x * y - y ** 3", {"x": -3, "y": -0.4}),
    ],
)
def test_every_sum_of_an_expression_is_true(formula: str, point: dict[str, float]) -> None:
    text = explain_expression(Expression(formula), point)
    for name, cells in rows(text).items():
        *_, theirs, ours, apart = cells
        assert float(apart) < 1e-12
        assert theirs == ours
        if cells[1] and not name.startswith("df/d"):
            assert calculated(cells[1]) == pytest.approx(float(ours), rel=1e-4), name


def test_long_expressions_stay_within_the_page() -> None:
    formula = " + ".join(f"tanh(a * x ** {k})" for k in range(2, 16))
    text = explain_expression(Expression(formula), {"x": 0.5, "a": 1.25})
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("width", [2, 40])
def test_a_loss_without_a_formula_is_shown_by_its_name_and_numbers(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never as a squared error; of a small network unit by unit, of a large one by norms."""

    def log_cosh(prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        return tf.math.log(tf.cosh(prediction - target))

    monkeypatch.setattr(lesson, "loss_of", lambda config: losses.get(log_cosh))
    model = {"kind": "mlp", "hidden": [width], "activation": "tanh"}
    text = explain(prepared_of(model=model, loss={"kind": "mse", "l2": 0.1}), row=4)
    assert "L     = w * log_cosh(f_3, t) (of one row)" in text
    assert "+ 0.1 / 2 * (the sum of squares of all W)" in text
    assert "^2" not in text.partition("THE NETWORK")[2].partition("1. FORWARD")[0]
    assert "the penalty adds 0.1 * W[i,j] to the former" in " ".join(text.split())
    assert "CERTIFICATE: no fault found (by evidence, not all is proven)" in text
    if width == 40:
        assert rows(text)["L"][2] == "-"
        return
    assert "the reference does not know this loss" in text
    found, target = numbers(text), re.search(r"t\[1\] = (\S+), t\[2\] = (\S+)", text)
    assert target is not None
    weights = [float(n) for n in re.findall(r"\+ 0\.1 \* (\S+)", text)]
    penalty = 0.05 * sum(weight**2 for weight in weights)
    errors = np.array([found[f"f_3[{j}]"] - float(target[j]) for j in (1, 2)])
    assert found["L"] == pytest.approx(np.log(np.cosh(errors)).sum() / 6 + penalty, rel=1e-4)
    deltas = [found["delta_3[1]"], found["delta_3[2]"]]
    np.testing.assert_allclose(deltas, np.tanh(errors) / 6, rtol=1e-4)
