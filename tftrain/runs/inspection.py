"""What a stranger's SavedModel may hold: the operations of our own exports, and no other.

A SavedModel is a program. TensorFlow runs parts of it as soon as it is loaded, and there are
operations that read, write and delete files, or call Python. A model that tftrain exported needs
none of them, so one that has them is refused before it is loaded.
"""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from tftrain.errors import RunError, excerpt
from tftrain.runs.directory import FACTS
from tftrain.runs.preprocessing import PREPROCESSING

MAX_BYTES = 1 << 28
"""Bytes of `saved_model.pb`, at most."""

MOST_CALLS = 1_000
"""Calls that one of a model may lead to, those within calls included; ours lead to about ten."""

FILES = {"saved_model.pb", "fingerprint.pb", "variables", "assets", FACTS, PREPROCESSING}
"""What a model's folder holds."""

CALCULATING = """
    AddV2 All Cast ConcatV2 Const Cos Elu Equal Erfc ExpandDims Fill FloorMod GatherV2 Greater
    HashTableV2 Identity IsFinite IsNan Less LogicalAnd LogicalOr LookupTableFindV2
    LookupTableImportV2 LookupTableSizeV2 MatMul Maximum Mean Minimum Mul Neg NoOp NotEqual Pack
    PartitionedCall Range ReadVariableOp RealDiv Relu Relu6 Reshape ResourceGather ScatterNd
    SelectV2 Selu Shape Sigmoid Sin Softmax Softplus Softsign Sqrt Square StatefulPartitionedCall
    StaticRegexReplace StridedSlice StringJoin StringToHashBucketFast Sub Sum Tanh Tile Transpose
"""
"""Operations of preprocessing and network. None of them knows of files, or of Python, or loops."""

SAVING = """
    AssignVariableOp DisableCopyOnRead MergeV2Checkpoints Placeholder RestoreV2 SaveV2 Select
    ShardedFilename StaticRegexFullMatch StringJoin VarHandleOp
"""
"""What holds, writes and reads the variables. It belongs to the graph; no object may call it."""

CLASSES = {"", "tf.StaticHashTable", "tf.TrackableConstant"}
"""Registered classes of which objects are made."""


def load_model(path: Path, trust: bool = False) -> Any:
    """Return the SavedModel in a folder, loaded once it has been found to be harmless.

    Args:
        path: the folder.
        trust: whether it is loaded whatever it holds.

    Raises:
        RunError: it holds what no export of tftrain does, or it cannot be loaded.
    """
    try:
        if not trust:
            require_harmless(path)
        return tf.saved_model.load(str(path))
    except (OSError, ValueError, KeyError, TypeError, tf.errors.OpError, DecodeError) as error:
        if isinstance(error, RunError):
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise RunError(f"{path}: cannot be loaded: {reason}") from None


def require_harmless(path: Path) -> None:
    """Raise RunError where a SavedModel holds what no export of tftrain does, and name it.

    Raises:
        OSError: it cannot be read.
        DecodeError: it is not a SavedModel.
    """
    _require_known_files(path)
    graph = _only_graph(path / "saved_model.pb")
    functions = {f.signature.name: f.node_def for f in graph.graph_def.library.function}
    calculation = {*CALCULATING.split(), *functions}
    everything = {*calculation, *SAVING.split()}
    strange = {node.registered_name for node in graph.object_graph_def.nodes} - CLASSES
    if strange:
        raise _not_ours(path, f"an object of the class {excerpt(min(strange))}")
    calls = _calls(functions)
    within = _called_by(_entries(graph), calls)
    for name, nodes in functions.items():
        _require_known(nodes, calculation if name in within else everything, functions, path)
    _require_known(graph.graph_def.node, everything, functions, path)
    odd = [name for name in functions if not name.startswith("__")]  # as no operation is called
    if odd:
        raise _not_ours(path, f"a function called {excerpt(odd[0])}")
    if len(functions) < len(graph.graph_def.library.function):
        raise _not_ours(path, "two functions of one name")
    _require_few_calls(calls, path)


def _require_known_files(path: Path) -> None:
    """Raise RunError where a model's folder holds what no export does, such as another model."""
    for entry in sorted(path.rglob("*")):
        known = entry.parent != path or entry.name in FILES
        if not known or not (entry.is_file() or entry.is_dir()):  # a pipe would be waited for
            raise RunError(f"{path}: holds {excerpt(entry.name)}, which no export of tftrain does")


def _only_graph(file: Path) -> Any:
    """Return the one graph of a model, with its objects."""
    if file.stat().st_size > MAX_BYTES:
        raise RunError(f"{file}: over {MAX_BYTES:,} bytes, too large for a model of tftrain")
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise _not_ours(file.parent, "several graphs, or one without objects")
    return model.meta_graphs[0]


def _entries(graph: Any) -> set[str]:
    """Return the functions that the objects of a model, or their gradients, can call."""
    objects = graph.object_graph_def
    names = {*objects.concrete_functions}
    for node in objects.nodes:
        names.update(node.function.concrete_functions)
        names.add(node.bare_concrete_function.concrete_function_name)
    names.update(gradient.gradient_func for gradient in graph.graph_def.library.gradient)
    names.update(g.gradient_func for g in graph.graph_def.library.registered_gradients)
    return names


def _calls(functions: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
    """Return the functions that each function calls itself, one that it calls twice twice."""
    return {
        name: [n for node in nodes for n in (node.op, *_functions_named_by(node)) if n in functions]
        for name, nodes in functions.items()
    }


def _called_by(names: Iterable[str], calls: Mapping[str, Sequence[str]]) -> set[str]:
    """Return functions and all that they call, directly or not."""
    found: set[str] = set()
    left = [name for name in names if name in calls]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += calls[name]
    return found


def _require_few_calls(calls: Mapping[str, Sequence[str]], path: Path) -> None:
    """Raise RunError where a function leads to too many calls: each may double those of another."""
    made: dict[str, int] = {}
    try:
        for name in TopologicalSorter(calls).static_order():
            made[name] = min(1 + sum(made[other] for other in calls[name]), MOST_CALLS + 1)
    except CycleError:
        raise _not_ours(path, "a function that calls itself") from None
    if max(made.values(), default=0) > MOST_CALLS:
        raise _not_ours(path, f"a function that leads to over {MOST_CALLS:,} calls")


def _functions_named_by(node: Any) -> list[str]:
    """Return the functions that the attributes of a node name."""
    values = list(node.attr.values())
    single = [value.func.name for value in values if value.HasField("func")]
    return single + [function.name for value in values for function in value.list.func]


def _require_known(
    nodes: Iterable[Any], operations: set[str], functions: Mapping[str, Any], path: Path
) -> None:
    """Raise RunError, which names it, where a node is or calls something that is not known."""
    for node in nodes:
        if node.op not in operations:
            raise _not_ours(path, f"the operation {excerpt(node.op)}")
        for name in _functions_named_by(node):
            if name not in functions:
                raise _not_ours(path, f"a call of {excerpt(name)}, which is not its own")


def _not_ours(path: Path, what: str) -> RunError:
    return RunError(
        f"{path}: holds {what}, which no export of tftrain does, so it is not loaded: a model can "
        "read and write files. If you trust whoever made it, add --trust (in Python, trust=True)"
    )
