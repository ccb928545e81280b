"""A run from a stranger: what it may hold, and what is refused before anything of it is run."""

import json
import os
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import tftrain
from tests.support.parameters import slow
from tftrain.config.network import ActivationName
from tftrain.errors import InputError, RunError
from tftrain.experiment.train import resume
from tftrain.runs import Run, RunDirectory
from tftrain.runs.inspection import FILES, load_model, require_harmless
from tftrain.runs.listing import runs_in

ACTIVATIONS = list(get_args(ActivationName))


def table(rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "word": rng.choice(["a", "b"], rows)})
    frame["../holes"] = np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows))
    frame["day"] = pd.date_range("2023-01-01", periods=rows, freq="37h")
    frame["flag"] = rng.random(rows) < 0.5
    frame["level"] = rng.integers(0, 3, rows)
    frame["../text"] = rng.choice(["é", "b\0c", ""], rows)
    return frame.assign(y=frame.x * 2 + frame.flag, z=frame.x)


def trained(path: Path, targets: Any = "y", **model: Any) -> Run:
    return tftrain.train(
        {
            "data": {
                "source": "dataframe",
                "target": targets,
                "preprocess": {"categorical": ["level"], "max_categories": 2},
            },
            "model": {"hidden": [3], **model} if model.get("kind") != "linear" else model,
            "training": {"epochs": 1},
        },
        data=table(),
        output=path,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("run") / "0001")


@pytest.fixture
def copy(run: Run, tmp_path: Path) -> Path:
    """Return a copy of a run, to be changed."""
    shutil.copytree(run.path, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.filterwarnings("ignore::tftrain.errors.TftrainWarning")
@pytest.mark.parametrize(
    "model",
    [
        {"hidden": [2] * len(ACTIVATIONS), "activation": ACTIVATIONS},
        slow({"hidden": [2] * len(ACTIVATIONS), "activation": ACTIVATIONS, "dtype": "float64"}),
        slow({"hidden": [8, 8], "activation": "gelu", "precision": "mixed_bfloat16"}),
        slow({"hidden": [200]}),  # whose output is computed as a sum
        {"kind": "linear", "bias": False},
        *(slow({"output_activation": name}) for name in ACTIVATIONS),
    ],
    ids=str,
)
def test_every_export_is_harmless(tmp_path: Path, model: dict[str, Any]) -> None:
    run = trained(tmp_path / "run", ["y", "z"], **model)
    require_harmless(run.directory.model)
    assert {path.name for path in run.directory.model.iterdir()} <= FILES
    assert tftrain.load_run(run.path).predict(table()).shape == (60, 2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_layers_in_bfloat16_are_harmless(tmp_path: Path, activation: str) -> None:
    network = tftrain.nn.MLP(
        3, [4, 4], 1, activation=activation, dtype="float32", precision="mixed_bfloat16"
    )
    save(tmp_path / "model", network.__call__, tf.TensorSpec([None, 3]), network)
    require_harmless(tmp_path / "model")


def save(path: Path, function: Callable[..., Any], spec: tf.TensorSpec, *parts: Any) -> None:
    """Write a SavedModel whose `predict` is a function of one argument."""
    module = tf.Module()
    module.parts = parts
    module.predict = tf.function(function, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(path), signatures={})


def _reads(x: Any) -> Any:
    return tf.strings.length(tf.io.read_file("/etc/passwd")) + tf.cast(x, tf.int32)


def _writes(x: Any) -> Any:
    tf.io.write_file("hacked", "hacked")
    return x


def _calls_python(x: Any) -> Any:
    return tf.py_function(lambda value: value, [x], tf.float32)


def _calls_numpy(x: Any) -> Any:
    return tf.numpy_function(lambda value: value, [x], tf.float32)


def _prints(x: Any) -> Any:
    tf.print("hacked", output_stream="file://hacked")
    return x


def _saves(x: Any) -> Any:
    tf.raw_ops.SaveV2(prefix="hacked", tensor_names=["x"], shape_and_slices=[""], tensors=[x])
    return x


def _restores(x: Any) -> Any:
    (found,) = tf.raw_ops.RestoreV2(
        prefix="hacked", tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]
    )
    return found + x


def _loops(x: Any) -> Any:
    return tf.while_loop(lambda x: tf.constant(True), lambda x: (x + 1,), (x,))


def _reads_a_table(x: Any) -> Any:
    data = tf.data.TextLineDataset("/etc/passwd")
    return data.reduce(np.int64(0), lambda count, _: count + 1) + tf.cast(x, tf.int64)


def _hides(x: Any) -> Any:
    @tf.function(autograph=False)
    def inner(x: Any) -> Any:
        return tf.cond(x > 0, lambda: _reads(x), lambda: tf.cast(x, tf.int32))

    return inner(x)


HARMFUL = {
    _reads: "ReadFile",
    _writes: "WriteFile",
    _calls_python: "EagerPyFunc",
    _calls_numpy: "PyFunc",
    _prints: "StringFormat|PrintV2",
    _saves: "SaveV2",
    _restores: "RestoreV2",
    _loops: "While|StatelessWhile",
    _reads_a_table: "TextLineDataset|TensorSliceDataset|ReduceDataset|ReduceJoin",
    _hides: "If|StatelessIf|ReadFile|PartitionedCall",
}


@pytest.mark.parametrize("function", HARMFUL, ids=lambda function: function.__name__)
def test_a_model_that_does_more_than_calculate(
    copy: Path, function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)
    shutil.rmtree(copy / "model")
    save(copy / "model", function, tf.TensorSpec([]))
    tf.saved_model.load(str(copy / "model"))  # TensorFlow itself has nothing against it
    stranger = tftrain.load_run(copy)
    with pytest.raises(RunError, match=rf"model: holds the operation '({HARMFUL[function]})'"):
        stranger.model  # noqa: B018 - it is loaded
    assert [path.name for path in copy.parent.iterdir()] == ["run"]


def test_a_model_that_acts_as_soon_as_it_is_loaded(copy: Path) -> None:
    """The creation and the initialization of a resource run within `tf.saved_model.load`."""
    shutil.rmtree(copy / "model")
    hacked = copy.parent / "hacked"

    class Trap(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

        def _initialize(self) -> Any:
            tf.io.write_file(str(hacked), "hacked")

    module = tf.Module()
    module.trap = Trap()
    handle = module.trap.resource_handle
    module.predict = tf.function(
        lambda x: x + tf.cast(tf.raw_ops.LookupTableSizeV2(table_handle=handle), tf.float32),
        input_signature=[tf.TensorSpec([])],
        autograph=False,
    )
    tf.saved_model.save(module, str(copy / "model"), signatures={})
    hacked.unlink(missing_ok=True)
    with pytest.raises(RunError, match="model: holds the operation"):
        tftrain.load_run(copy).model  # noqa: B018 - it is loaded
    assert not hacked.exists()
    tf.saved_model.load(str(copy / "model"))
    assert hacked.exists(), "the trap is no trap, so this test shows nothing"


def changed(copy: Path, change: Callable[[Any], None]) -> Path:
    """Change the graph of a run's model; return the model's path."""
    file = copy / "model" / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(model.meta_graphs[0])
    file.write_bytes(model.SerializeToString())
    return copy / "model"


def test_a_function_that_is_called_as_an_operation_is(copy: Path) -> None:
    def change(graph: Any) -> None:
        graph.graph_def.library.function.add().signature.name = "WriteFile"

    with pytest.raises(RunError, match="holds a function called 'WriteFile'"):
        load_model(changed(copy, change))


def test_functions_that_double_the_calls_of_one_another(tmp_path: Path) -> None:
    def twice(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
        spec = tf.TensorSpec([])
        return tf.function(lambda x: inner(x) + inner(x), input_signature=[spec], autograph=False)

    variable = tf.Variable(1.0)
    function = variable.__add__
    for _ in range(12):
        function = twice(function)
    save(tmp_path / "model", function, tf.TensorSpec([]), variable)
    with pytest.raises(RunError, match="a function that leads to over 1,000 calls"):
        load_model(tmp_path / "model")


def test_two_functions_of_one_name(copy: Path) -> None:
    def change(graph: Any) -> None:
        graph.graph_def.library.function.append(graph.graph_def.library.function[0])

    with pytest.raises(RunError, match="two functions of one name"):
        load_model(changed(copy, change))


def test_a_call_of_what_is_not_there(copy: Path) -> None:
    def change(graph: Any) -> None:
        node = graph.graph_def.node.add(name="n", op="StatefulPartitionedCall")
        node.attr["f"].func.name = "WriteFile"

    with pytest.raises(RunError, match="holds a call of 'WriteFile', which is not its own"):
        load_model(changed(copy, change))


def test_a_saver_that_an_object_can_call(copy: Path) -> None:
    """What saves variables may write files; so nothing may call it but the graph itself."""

    def change(graph: Any) -> None:
        saver = next(
            f.signature.name
            for f in graph.graph_def.library.function
            if any(node.op == "SaveV2" for node in f.node_def)
        )
        objects = graph.object_graph_def
        node = next(n for n in objects.nodes if n.WhichOneof("kind") == "bare_concrete_function")
        node.bare_concrete_function.concrete_function_name = saver

    require_harmless(copy / "model")
    with pytest.raises(RunError, match=r"holds the operation '(MergeV2|SaveV2|Sharded|StaticReg)"):
        load_model(changed(copy, change))


def test_an_object_of_a_registered_class(copy: Path) -> None:
    def change(graph: Any) -> None:
        graph.object_graph_def.nodes[0].registered_name = "Keras.Layer"

    with pytest.raises(RunError, match=r"holds an object of the class 'Keras\.Layer'"):
        load_model(changed(copy, change))


def test_two_graphs_or_one_without_objects(copy: Path) -> None:
    whole = (copy / "model/saved_model.pb").read_bytes()
    with pytest.raises(RunError, match="several graphs, or one without objects"):
        load_model(changed(copy, lambda graph: graph.ClearField("object_graph_def")))
    (copy / "model/saved_model.pb").write_bytes(whole + whole)
    with pytest.raises(RunError, match="several graphs"):
        load_model(copy / "model")


@pytest.mark.parametrize("name", ["saved_model.pbtxt", "keras_metadata.pb", "assets.extra", "x.so"])
def test_files_that_no_export_has(copy: Path, name: str) -> None:
    (copy / "model" / name).write_text("")
    with pytest.raises(RunError, match=f"model: holds '{name}', which no export"):
        load_model(copy / "model")


def test_a_pipe_in_a_run_is_not_waited_for(copy: Path) -> None:
    os.mkfifo(copy / "model/fifo")
    with pytest.raises(RunError, match="fifo"):
        load_model(copy / "model")
    (copy / "model/fifo").rename(copy / "model/variables/fifo")
    with pytest.raises(RunError, match="fifo"):
        load_model(copy / "model")
    (copy / "summary.json").unlink()
    os.mkfifo(copy / "summary.json")
    with pytest.raises(RunError, match=r"summary\.json: cannot be read: is no file"):
        tftrain.load_run(copy)


def test_a_model_that_is_too_large(copy: Path) -> None:
    with (copy / "model/saved_model.pb").open("r+b") as file:
        file.truncate((1 << 28) + 1)
    with pytest.raises(RunError, match="over 268,435,456 bytes"):
        load_model(copy / "model")


def test_the_model_of_another_run(copy: Path, tmp_path: Path) -> None:
    other = trained(tmp_path / "other", "z", kind="linear")
    shutil.rmtree(copy / "model")
    shutil.copytree(other.directory.model, copy / "model")
    with pytest.raises(RunError, match="model: does not predict what the run says"):
        tftrain.load_run(copy).predict(table())


def test_broken_models(copy: Path) -> None:
    """Bytes are changed at random: a model is refused, or predicts; nothing else happens."""
    file = copy / "model/saved_model.pb"
    whole, draw = file.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(60):
        raw = bytearray(whole)
        for _ in range(draw.choice([1, 5, 50])):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        file.write_bytes(raw[: draw.choice([len(raw), draw.randrange(len(raw))])])
        try:
            tftrain.load_run(copy).predict(table().iloc[:3])
        except InputError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("[" * 100_000, "cannot be read"),
        ("9" * 5000, "cannot be read"),
        ("[]", "not a run's summary"),
        ("{}", "state: Field required"),
        ('{"state": ["finished"]}', "state: Input should be a valid string"),
        ('{"state": "finished", "test": {"rows": "9"}}', "test."),
        (" " * (1 << 24) + "{}", "over 16,777,216 bytes"),
    ],
    ids=range(7),
)
def test_summaries_of_wrong_types(copy: Path, text: str, fragment: str) -> None:
    (copy / "summary.json").write_text(text)
    with pytest.raises(RunError) as caught:
        tftrain.load_run(copy)
    assert "summary.json: " in str(caught.value)
    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("[" * 100_000, "is not the preprocessing of a run"),
        ("[]", "is not the preprocessing of a run"),
        ('{"numeric": [{"column": {"name": "x", "kind": "pickle"}}]}', "numeric.0.column.kind"),
        (None, "is missing"),
    ],
    ids=range(4),
)
def test_preprocessing_that_is_none(copy: Path, text: str | None, fragment: str) -> None:
    file = copy / "model/preprocessing.json"
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(RunError) as caught:
        tftrain.load_run(copy).predict(table())
    assert "preprocessing.json: " in str(caught.value)
    assert fragment in str(caught.value)


def test_a_list_of_runs_with_odd_summaries(copy: Path) -> None:
    for summary in (
        "[" * 100_000,
        '{"state": "finished", "test": {"rmse": 1%s}}' % ("0" * 4000),
        "{}",
    ):
        (copy / "summary.json").write_text(summary)
        (one,) = runs_in(copy.parent)
        assert (one.path, one.value) == (str(copy), None)


def test_a_run_is_listed_while_its_checkpoints_come_and_go(copy: Path) -> None:
    """As another process makes them, and removes those of before."""

    def churn() -> None:
        while not over.is_set():
            for i in range(20):
                (copy / f"checkpoints/{i}").mkdir(parents=True, exist_ok=True)
                (copy / f"checkpoints/{i}/weights").touch()
            shutil.rmtree(copy / "checkpoints")

    over = threading.Event()
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(200):
            assert [run.path for run in runs_in(copy.parent)] == [str(copy)]
            RunDirectory(copy).require_plain()
    finally:
        over.set()
        thread.join()


def test_nothing_is_written_through_a_link(copy: Path, tmp_path: Path) -> None:
    """A link in a stranger's run may point to any file of mine; reading through it does no harm."""
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for name in ("metrics.jsonl", "summary.json.part", ".lock"):
        (copy / name).unlink(missing_ok=True)
        (copy / name).symlink_to(mine)
        with pytest.raises(RunError, match=f"{name}: is a link"):
            resume(copy, data=table())
        (copy / name).unlink()
        assert mine.read_text() == "mine"
    (copy / "elsewhere").symlink_to(tmp_path)
    assert tftrain.load_run(copy).predict(table()).shape == (60,)


def test_broken_summaries_and_configs(copy: Path) -> None:
    """Values of other types, and bytes at random: a run is refused, or can be used."""
    draw = random.Random(0)
    summary = json.loads((copy / "summary.json").read_text())
    odd: list[Any] = [None, True, -1, 1e308, "x", "\x1b", [], [1], {}, {"x": 1}, 10**30]
    files = {name: (copy / name).read_bytes() for name in ("summary.json", "config.yaml")}
    opened = 0
    for case in range(1000):
        for name, whole in files.items():
            (copy / name).write_bytes(whole)
        if case % 2:
            broken = json.loads(files["summary.json"])
            place = draw.choice([broken, broken["columns"], broken["test"], broken["compile"]])
            place[draw.choice(list(place))] = draw.choice(odd)
            (copy / "summary.json").write_text(json.dumps(broken))
        else:
            name = draw.choice(list(files))
            raw = bytearray(files[name])
            raw[draw.randrange(len(raw))] = draw.randrange(256)
            (copy / name).write_bytes(raw)
        try:
            run = tftrain.load_run(copy)
        except InputError:
            continue
        opened += 1
        assert all(isinstance(column.name, str) for column in run.columns)
    assert summary["state"] == "finished"
    assert 100 < opened < 900
