"""The formula as a graph: its values, the terms of its deltas, and its gradient."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tftrain.errors import InputError
from tftrain.reference.expression import FUNCTIONS, MAX_DEPTH, MAX_LENGTH, Expression

LESSON = "x**2*y + y + 2"


def test_the_graph_of_the_lesson() -> None:
    expression = Expression(LESSON)
    written = [expression.written(i) for i in range(len(expression.nodes))]
    expected = ["x", "2", "f_1 ** f_2", "y", "f_3 * f_4", "f_5 + f_4", "f_6 + f_2"]
    assert written == expected
    assert expression.inputs == {"x": 0, "y": 3}


def test_the_numbers_of_the_lesson() -> None:
    expression = Expression(LESSON)
    values = expression.forward({"x": 3, "y": 4})
    assert values == [3, 2, 9, 4, 36, 40, 42]
    adjoints = expression.backward(values)
    deltas = [None if adjoint is None else adjoint.delta for adjoint in adjoints]
    assert deltas == [24, None, 4, 10, 1, 1, 1]
    assert expression.gradient({"x": 3, "y": 4}) == {"x": 24, "y": 10}


def test_a_delta_is_the_sum_over_the_consumers() -> None:
    expression = Expression(LESSON)
    y = expression.backward(expression.forward({"x": 3, "y": 4}))[3]
    assert y is not None
    found = {(term.consumer, term.place): (term.delta, term.partial) for term in y.terms}
    assert found == {(4, 1): (1, 9), (5, 1): (1, 1)}
    assert y.delta == sum(term.value for term in y.terms)


def test_a_node_used_twice_by_one_consumer_gets_two_terms() -> None:
    expression = Expression("x * x")
    adjoint = expression.backward(expression.forward({"x": 5}))[0]
    assert adjoint is not None
    assert [(term.consumer, term.place, term.value) for term in adjoint.terms] == [
        (1, 0, 5),
        (1, 1, 5),
    ]


def test_equal_parts_are_one_node() -> None:
    expression = Expression("(x + y) * tanh(x + y)")
    assert [node.kind for node in expression.nodes] == ["input", "input", "+", "tanh", "*"]
    assert len(Expression("sin(x) + sin(x) + sin(x)").nodes) == 4


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


@pytest.mark.parametrize(
    ("formula", "point", "value", "gradient"),
    [
        ("x + y", {"x": 1.5, "y": 2}, 3.5, {"x": 1, "y": 1}),
        ("x - y", {"x": 1.5, "y": 2}, -0.5, {"x": 1, "y": -1}),
        ("x * y", {"x": 1.5, "y": 2}, 3, {"x": 2, "y": 1.5}),
        ("x / y", {"x": 3, "y": 2}, 1.5, {"x": 0.5, "y": -0.75}),
        ("x ** y", {"x": 2, "y": 3}, 8, {"x": 12, "y": 8 * math.log(2)}),
        ("x ** 2", {"x": -3}, 9, {"x": -6}),
        ("x ** -1", {"x": -2}, -0.5, {"x": -0.25}),
        ("2 ** x", {"x": 3}, 8, {"x": 8 * math.log(2)}),
        ("-x", {"x": 3}, -3, {"x": -1}),
        ("-x ** 2", {"x": 3}, -9, {"x": -6}),
        ("x - x", {"x": 3}, 0, {"x": 0}),
        ("x", {"x": 3}, 3, {"x": 1}),
        ("tanh(x)", {"x": 0.3}, math.tanh(0.3), {"x": 1 / math.cosh(0.3) ** 2}),
        ("sigmoid(x)", {"x": 0.3}, sigmoid(0.3), {"x": sigmoid(0.3) * sigmoid(-0.3)}),
        ("sigmoid(x)", {"x": -800}, 0, {"x": 0}),
        ("exp(2 * x)", {"x": 0.3}, math.exp(0.6), {"x": 2 * math.exp(0.6)}),
        ("log(x)", {"x": 0.3}, math.log(0.3), {"x": 1 / 0.3}),
        ("sin(x)", {"x": 0.3}, math.sin(0.3), {"x": math.cos(0.3)}),
        ("cos(x)", {"x": 0.3}, math.cos(0.3), {"x": -math.sin(0.3)}),
        ("sqrt(x)", {"x": 4}, 2, {"x": 0.25}),
        ("relu(x) + relu(-x)", {"x": -3}, 3, {"x": -1}),
        ("relu(x)", {"x": 0}, 0, {"x": 0}),
        ("π * größe", {"π": 3, "größe": 2}, 6, {"π": 2, "größe": 3}),
        ("1e3 * (x\n + 1)", {"x": 1}, 2000, {"x": 1000}),
    ],
)
def test_closed_forms(
    formula: str, point: dict[str, float], value: float, gradient: dict[str, float]
) -> None:
    expression = Expression(formula)
    assert expression.forward(point)[-1] == pytest.approx(value, rel=1e-14)
    assert expression.gradient(point) == pytest.approx(gradient, rel=1e-14)


def test_every_function_has_a_closed_form_above() -> None:
    marks = test_closed_forms.pytestmark  # type: ignore[attr-defined]
    formulas = " ".join(case[0] for case in marks[0].args[1])
    assert all(f"{name}(" in formulas for name in FUNCTIONS)


BINARY = ["({} + {})", "({} - {})", "{} * {}", "({} / (2 + sin({})))", "(1 + {} ** 2) ** {}"]
UNARY = ["(-{})", "({}) ** 3", "log(1 + ({}) ** 2)", "sqrt(1 + ({}) ** 2)"]
UNARY += [f"{name}({{}})" for name in FUNCTIONS if name not in ("log", "sqrt")]


def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return formulas made of one or two smaller ones."""
    one, two = st.sampled_from(UNARY), st.sampled_from(BINARY)
    return st.builds(str.format, one, parts) | st.builds(str.format, two, parts, parts)


PARTS = st.recursive(st.sampled_from(["x", "y", "z", "0.5", "2", "3"]), larger, max_leaves=12)
NUMBERS = st.floats(-2, 2, allow_subnormal=False)


@settings(max_examples=100, deadline=None)
@given(formula=PARTS, x=NUMBERS, y=NUMBERS, z=NUMBERS)
def test_gradient_against_the_complex_step(formula: str, x: float, y: float, z: float) -> None:
    assume(len(formula) <= MAX_LENGTH and {"x", "y", "z"} & set(formula))
    try:
        expression = Expression(formula)
        point = {name: {"x": x, "y": y, "z": z}[name] for name in expression.inputs}
        values = expression.forward(point)
        adjoints = expression.backward(values)
        gradient = expression.gradient(point)
    except InputError:  # no name but that of a function, or an overflow
        assume(False)
    kinks = [values[n.sources[0]] for n in expression.nodes if n.kind == "relu"]
    assume(all(abs(z) > 1e-12 for z in kinks))  # there rounding decides which side it is
    products = [abs(t.value) for adjoint in adjoints if adjoint for t in adjoint.terms]
    assume(max([1.0, *products, *map(abs, values)]) < 1e12)
    for name, derivative in gradient.items():
        moved = point | {name: point[name] + 1e-40j}
        expected = expression.forward(moved)[-1].imag / 1e-40
        assert derivative == pytest.approx(expected, rel=1e-9, abs=1e-11 * max([1.0, *products]))


@pytest.mark.parametrize(
    ("formula", "fragments"),
    [
        ("", ["is empty"]),
        ("   ", ["is empty"]),
        ("x y", ["column 3"]),
        ("x +", ["column 4", "invalid syntax"]),
        ("(x", ["column 1", "never closed"]),
        ("2 + 3", ["no name"]),
        ("y + x % 2", ["column 5", "'x % 2'", "tanh, sigmoid, exp"]),
        ("x // 2", ["'x // 2'"]),
        ("x^2", ["'x^2'", "a power is written **"]),
        ("1 + +x", ["column 5", "'+x'"]),
        ("x < 2", ["'x < 2'"]),
        ("x if x else y", ["not allowed"]),
        ("x.real", ["'x.real'"]),
        ("x[0]", ["'x[0]'"]),
        ("[x]", ["'[x]'"]),
        ("'x'", ["not allowed"]),
        ("True * x", ["'True'"]),
        ("2j * x", ["'2j'"]),
        ("ü + None", ["column 5", "'None'"]),
        ("sinn(x)", ["column 1", "'sinn'", "did you mean sin?"]),
        ("x(2)", ["unknown function 'x'"]),
        ("sin + x", ["'sin' is a function"]),
        ("sin(x, y)", ["'sin(x, y)'"]),
        ("sin(*x)", ["'*x'"]),
        ("sin(x=2)", ["'sin(x=2)'"]),
        ("__import__('os')", ["unknown function"]),
        ("(lambda: x)()", ["not allowed"]),
        ("(y := x)", ["not allowed"]),
        ("x = 3", ["column"]),
        ("1e999 * x", ["'1e999'", "too large"]),
        (f"{'9' * 320} * x", ["too large"]),
        ("x\0", ["null"]),
        ("\ud800", ["cannot be read"]),
        ("+".join("x" * 300), [f"at most {MAX_LENGTH}"]),
        ("+".join("x" * 150), [f"more than {MAX_DEPTH} operations deep"]),
        ("-" * 300 + "x", [f"more than {MAX_DEPTH} operations deep"]),
        ("(" * 300 + "x", ["formula"]),
    ],
)
def test_formulas_that_are_refused(formula: str, fragments: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        Expression(formula)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_depth_up_to_the_limit() -> None:
    expression = Expression("+".join("x" * MAX_DEPTH))
    assert expression.gradient({"x": 1}) == {"x": MAX_DEPTH}


def test_point() -> None:
    assert Expression(LESSON).point([" y = 4", "x=-3e-1"]) == {"x": -0.3, "y": 4}


@pytest.mark.parametrize(
    ("assignments", "fragments"),
    [
        ([], ["no value for x, y", "--at x=NUMBER"]),
        (["x=3"], ["no value for y", "--at y=NUMBER"]),
        (["x=3", "y=4", "z=5"], ["'z=5'", "no 'z'", "x, y"]),
        (["x=3", "y=4", "X=5"], ["did you mean x?"]),
        (["x=3", "x=3", "y=4"], ["'x=3'", "before"]),
        (["x=three", "y=4"], ["'x=three'", "like x=3"]),
        (["x", "y=4"], ["'x'", "like x=3"]),
        (["=3"], ["like x=3"]),
        (["x=inf", "y=4"], ["'x=inf'", "finite"]),
        (["x=nan", "y=4"], ["'x=nan'", "finite"]),
    ],
)
def test_points_that_are_refused(assignments: list[str], fragments: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        Expression(LESSON).point(assignments)
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("formula", "point", "fragments"),
    [
        ("log(x)", {"x": -1}, ["f_2 = log((-1))", "not defined"]),
        ("sqrt(x)", {"x": -1}, ["f_2 = sqrt((-1))", "not defined"]),
        ("1 / x", {"x": 0}, ["f_3 = 1 / 0", "infinite"]),
        ("exp(x)", {"x": 1000}, ["f_2 = exp(1000)", "infinite"]),
        ("x * x", {"x": 1e200}, ["f_2 = 1e+200 * 1e+200", "infinite"]),
        ("sqrt(x)", {"x": 0}, ["df_2/df_1 = 1 / (2 * 0)", "infinite"]),
        ("x ** y", {"x": -2, "y": 2}, ["df_3/df_2 = 4 * log((-2))", "not defined"]),
    ],
)
def test_points_without_a_value_or_derivative(
    formula: str, point: dict[str, float], fragments: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        Expression(formula).gradient(point)
    for fragment in [*fragments, "choose another"]:
        assert fragment in str(caught.value)


def test_values_are_of_the_type_of_the_point() -> None:
    expression = Expression("sigmoid(x) * relu(x)")
    assert expression.forward({"x": np.longdouble(2)})[-1].dtype == np.longdouble
    assert expression.forward({"x": 2 + 1j})[-1].dtype == np.complex128
