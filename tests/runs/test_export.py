"""The exported model, in a process that cannot import tftrain."""

import json
import keyword
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tftrain
from tftrain.errors import OutputError, TftrainWarning
from tftrain.runs import Run
from tftrain.runs.export import export, serving_arguments

ALONE = """
import json, sys
sys.modules["tftrain"] = None
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
columns = json.load(open(sys.argv[2]))
raw = {
    name: tf.constant(values) if kind == "text" else tf.constant(values, tf.float64)
    for name, (kind, values) in columns.items()
}
direct = model.predict(raw)
serving = model.signatures["serving_default"]
arguments = serving.structured_input_signature[1]
names = json.loads(sys.argv[3])
served = serving(**{names[name]: value for name, value in raw.items()})
assert set(arguments) == set(names.values()), sorted(arguments)
print(json.dumps([{k: v.numpy().tolist() for k, v in r.items()} for r in (direct, served)]))
"""

ODD = ("age (years)", "é/x", "1st", "self", "a b", "a_b", "A b", "columns", "class", "Age", "age")


def table(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.normal(size=rows) for name in ODD})
    frame.loc[::7, "1st"] = np.nan
    frame["word"] = rng.choice(["a", "b", "ü", None], rows)  # type: ignore[arg-type]
    frame["day"] = pd.date_range("2023-01-01", periods=rows, freq="37h")
    frame["flag"] = rng.random(rows) < 0.5
    frame["some flag"] = pd.array([True, False, None] * (rows // 3), dtype="boolean")
    frame["out/1"] = frame["é/x"] * 3 + frame["flag"] + rng.normal(size=rows) / 9
    frame["out 2"] = 1e4 + 50 * frame["self"]
    return frame


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tftrain.train(
        {
            "data": {"source": "dataframe", "target": ["out/1", "out 2"]},
            "model": {"kind": "mlp", "hidden": [5]},
            "training": {"epochs": 3},
        },
        data=table(),
        output=tmp_path_factory.mktemp("odd") / "run",
    )


def test_model_predicts_without_tftrain(run: Run, tmp_path: Path) -> None:
    frame = table().iloc[:9]
    frame.loc[0, "word"] = "never seen"
    frame.loc[1, "day"] = None
    columns = {}
    for column in run.columns:
        values = frame[column.name]
        if column.kind == "text":
            raw = values.fillna("").tolist()
        elif column.kind == "date":
            seconds = (values - pd.Timestamp(0)) / pd.Timedelta("1s")
            raw = seconds.tolist()
        else:
            raw = values.astype("Float64").to_numpy(float, na_value=np.nan).tolist()
        columns[column.name] = (column.kind, raw)
    (tmp_path / "columns.json").write_text(json.dumps(columns))
    names = serving_arguments(list(columns))
    assert run.summary["arguments"] == names
    done = subprocess.run(
        [sys.executable, "-c", ALONE, run.directory.model, "columns.json", json.dumps(names)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    direct, served = json.loads(done.stdout.splitlines()[-1])
    with pytest.warns(TftrainWarning, match="'word': 1 of 9|'word': 3 of 9"):
        expected = run.predict(frame)
    assert np.isfinite(expected).all()
    for answer in (direct, served):
        assert set(answer) == {"out/1", "out 2"}
        got = np.stack([answer["out/1"], answer["out 2"]], axis=1)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_a_model_that_cannot_be_written_leaves_nothing(run: Run, tmp_path: Path) -> None:
    """With a real limit on the size of files."""
    model = tf.Module()
    model.predict = tf.function(lambda x: x, input_signature=[tf.TensorSpec([None])])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OutputError, match=r"model: cannot be written: File too large; choose"):
            export(model, tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["age", "x1"], ["age", "x1"]),
        (["a b", "a_b"], ["column_0", "column_1"]),
        (["1st"], ["column_0"]),
        (["é/x"], ["column_0"]),
    ],
)
def test_serving_names(columns: list[str], names: list[str]) -> None:
    assert list(serving_arguments(columns).values()) == names


@settings(max_examples=200, deadline=None)
@given(
    columns=st.lists(
        st.text(alphabet="aB_1 é/", min_size=1, max_size=4)
        | st.sampled_from(
            ["column_1_a_b", "column_0_a", "a_b", "a b", "a/b", "A_b", "self", "class"]
        ),
        unique=True,
        max_size=6,
    )
)
def test_serving_names_are_different_identifiers(columns: list[str]) -> None:
    names = list(serving_arguments(columns).values())
    # TensorFlow tells arguments apart without regard to case, and takes no Python keyword.
    assert len({name.lower() for name in names}) == len(columns)
    assert all(name.isascii() and name.isidentifier() and name[0].isalpha() for name in names)
    assert not any(keyword.iskeyword(name) or name == "self" for name in names)
