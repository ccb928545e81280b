"""Every shipped config, trained, does what its comment says."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tftrain
from tftrain.experiment.gradcheck import check_file
from tftrain.experiment.prepare import prepare
from tftrain.runs import Run

CONFIGS = Path(tftrain.__file__).parent.parent / "configs"


def trained(name: str, tmp_path: Path, *overrides: str) -> Run:
    return tftrain.train(CONFIGS / f"{name}.yaml", overrides=overrides, output=tmp_path / name)


def network_weights(run: Run) -> list[np.ndarray]:
    """Return weight and bias of each layer, from the files of the saved model."""
    reader = tf.train.load_checkpoint(str(run.directory.model / "variables/variables"))
    names = [n for n in sorted(reader.get_variable_to_shape_map()) if "network" in n]
    values = [reader.get_tensor(name) for name in names]
    return [v for v in values if v.ndim == 2] + [v for v in values if v.ndim == 1]


def test_each_config_has_a_test() -> None:
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in CONFIGS.glob("*.yaml")} <= tests


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_editor_comment(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")


def test_diabetes(tmp_path: Path) -> None:
    run = trained("diabetes", tmp_path)
    assert run.summary["test"]["r2"] > 0.3
    assert run.summary["test"]["rmse"] < 65
    assert sum(run.summary[part]["rows"] for part in ("train", "validation", "test")) == 442


def test_linear_regression(tmp_path: Path) -> None:
    run = trained("linear_regression", tmp_path)
    assert run.summary["stop_reason"].startswith("converged")
    prepared = prepare(run.config)
    train = prepared.frame.iloc[prepared.split.train]
    x, y = train.drop(columns="target").to_numpy(), train.target.to_numpy()
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    with_one = np.column_stack([x, np.ones(len(x))])
    solution = np.linalg.lstsq(with_one, y, rcond=None)[0]
    weight, bias = network_weights(run)
    np.testing.assert_allclose(weight[:, 0], solution[:-1], rtol=1e-6)
    np.testing.assert_allclose(bias, solution[-1], atol=1e-9)
    fitted = with_one @ solution * train.target.std(ddof=0) + train.target.mean()
    np.testing.assert_allclose(run.predict(train), fitted, rtol=1e-6)


def test_two_hidden_layers(tmp_path: Path) -> None:
    run = trained("two_hidden_layers", tmp_path)
    corners = pd.DataFrame(list(product([0, 1], [0, 1])), columns=["x1", "x2"])
    np.testing.assert_array_equal(run.predict(corners) > 0.5, corners.x1 != corners.x2)
    assert [value.shape for value in network_weights(run)][:3] == [(2, 2), (2, 2), (2, 1)]


def test_symmetry_1986(tmp_path: Path) -> None:
    run = trained("symmetry_1986", tmp_path)
    bits = np.array(list(product([0, 1], repeat=6)))
    names = [f"bit_{i}" for i in range(1, 7)]
    symmetric = (bits == bits[:, ::-1]).all(axis=1)
    assert symmetric.sum() == 8
    predicted = run.predict(pd.DataFrame(bits, columns=names))
    np.testing.assert_array_equal(predicted > 0.5, symmetric)
    # Both hidden units: antisymmetric about the centre, magnitudes near 1 : 2 : 4.
    hidden = network_weights(run)[0]
    assert hidden.shape == (6, 2)
    np.testing.assert_allclose(hidden[::-1], -hidden, rtol=0.1)
    for unit in np.sort(np.abs(hidden[:3]), axis=0).T:
        np.testing.assert_allclose(unit / unit[0], [1, 2, 4], rtol=0.25)


@pytest.mark.slow
def test_million_parameters(tmp_path: Path) -> None:
    run = trained("million_parameters", tmp_path, "training.epochs=20")
    assert run.summary["parameters"] == 65 * 1024 + 1025 * 1024 + 1025 * 10
    assert run.summary["parameters"] > 1e6
    assert run.summary["test"]["r2"] > 0.8
    assert len(run.summary["test"]["targets"]) == 10
    prepared = prepare(run.config)
    test = prepared.frame.iloc[prepared.split.test]
    digits = run.predict(test).argmax(axis=1)
    assert np.mean(digits == test.digit) > 0.95


def test_family_trees_1986(tmp_path: Path) -> None:
    found = pd.read_csv(CONFIGS / "data" / "family_trees_1986.csv")
    facts = facts_of(found)
    assert len(found) == 104
    people = [name.removeprefix("is_") for name in found.filter(like="is_")]
    twin = dict(zip(people, [*people[12:], *people[:12]], strict=True))
    assert facts == {(twin[a], relation, twin[b]) for a, relation, b in facts}
    for back, forth in (  # whoever has one of these has the other as one of those
        ({"husband"}, {"wife"}),
        ({"father", "mother"}, {"son", "daughter"}),
        ({"brother", "sister"}, {"brother", "sister"}),
        ({"uncle", "aunt"}, {"nephew", "niece"}),
    ):
        pairs = {(a, b) for a, relation, b in facts if relation in back}
        assert pairs == {(b, a) for a, relation, b in facts if relation in forth}
    assert {b for a, r, b in facts if (a, r) == ("Colin", "aunt")} == {"Jennifer", "Margaret"}
    run = trained("family_trees_1986", tmp_path, "seed=5")
    assert (run.summary["train"]["rows"], run.summary["test"]["rows"]) == (100, 4)
    right = (run.predict(found) > 0.5) == (found.filter(like="is_") == 1)
    assert right.all(axis=1).sum() > 90
    report = check_file(CONFIGS / "family_trees_1986.yaml", ["model.dtype=float32"])
    assert report.certified, report


def facts_of(table: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Return person, relation and other person of each fact."""
    facts = set()
    for _, row in table.iterrows():
        person, relation = (name for name in row.index[:36] if row[name])
        facts |= {(person, relation, n.removeprefix("is_")) for n in row.index[36:] if row[n]}
    return facts
