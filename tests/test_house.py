"""The floors of the house: who may import whom, and what must never be loaded."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tftrain

PACKAGE = Path(tftrain.__file__).parent
ROOT = PACKAGE.parent

DRAWING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]


def floors() -> Iterator[tuple[str, int]]:
    """Yield the rooms that CONTRIBUTING draws, each with its floor."""
    for line in DRAWING.strip().splitlines():
        floor, *cells = re.split(r" {2,}", line)
        names = [cell.removesuffix("/") for cell in cells if " " not in cell]
        yield from ((name, int(floor)) for name in names if floor)


FLOORS = dict(floors())

LIBRARY = ("nn", "data", "training", "losses", "optimizers", "metrics", "streams")


def imports_of(file: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide where an arrow points"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms() -> dict[str, set[str]]:
    """Return what the files of each room import; the door `tftrain/__init__.py` is no room."""
    found: dict[str, set[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in ("__init__", "__main__"):
            found.setdefault(parts[0], set()).update(imports_of(file))
    return found


def arrows() -> set[tuple[str, str]]:
    """Return the pairs of different rooms of which the first imports the second."""
    return {
        (room, name.split(".")[1])
        for room, names in rooms().items()
        for name in names
        if name.startswith("tftrain.") and name.split(".")[1] not in (room, "__version__")
    }


def test_every_room_has_a_floor() -> None:
    assert set(rooms()) == set(FLOORS), "draw each room on a floor, in CONTRIBUTING.md"
    assert len(list(floors())) == len(FLOORS)


def test_every_public_name_resolves() -> None:
    for name in tftrain.__all__:
        assert getattr(tftrain, name) is not None
    assert {"config", "data", "losses", "nn", "optimizers", "training"} <= set(tftrain.__all__)
    assert set(tftrain.__all__) <= set(dir(tftrain))
    with pytest.raises(AttributeError, match="no attribute 'keras'"):
        tftrain.keras  # noqa: B018


def test_every_arrow_points_down() -> None:
    """So there are no circles either."""
    assert [(a, b) for a, b in sorted(arrows()) if FLOORS[a] <= FLOORS[b]] == []


@pytest.mark.parametrize("room", LIBRARY)
def test_library_knows_nothing_of_config(room: str) -> None:
    assert (room, "config") not in arrows()


def test_reference_shares_nothing_with_the_other_side() -> None:
    """Two independent derivations, or parity proves nothing."""
    roots = {name.split(".")[0] for name in rooms()["reference"]} - set(sys.stdlib_module_names)
    assert roots == {"numpy", "ml_dtypes", "scipy", "tftrain"}  # ml_dtypes: bfloat16 for NumPy
    assert {b for a, b in arrows() if a == "reference"} == {"errors", "graph", "streams", "traces"}


@pytest.mark.parametrize(
    "room", ["config", "errors", "memory", "metrics", "names", "streams", "traces"]
)
def test_no_tensorflow_in(room: str) -> None:
    assert [n for n in rooms()[room] if n.split(".")[0] == "tensorflow"] == []


@pytest.mark.parametrize("room", ["streams", "traces"])
def test_numpy_is_all_that_is_needed_by(room: str) -> None:
    outside = {name.split(".")[0] for name in rooms()[room]} - set(sys.stdlib_module_names)
    assert outside - {"tftrain"} == {"numpy"}


def test_nobody_imports_keras_or_sklearn() -> None:
    roots = {name.split(".")[0] for names in rooms().values() for name in names}
    assert roots & {"keras", "tf_keras", "sklearn", "matplotlib"} == set()
    assert not any("keras" in name for names in rooms().values() for name in names)


def loaded(code: str, cwd: Path = ROOT) -> set[str]:
    """Run code in a fresh process and return the roots of all modules that it has loaded."""
    code += "\nimport sys; print('MODULES', *{m.split('.')[0] for m in sys.modules})"
    # A setting of the tests' own process must not decide what a user's process loads.
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_"))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("MODULES")[-1].split())


def command(*arguments: object) -> str:
    """Return code that runs the command line, which must succeed, and stays in the process."""
    words = [str(argument) for argument in arguments]
    return f"from tftrain.cli.main import run\nassert run({words!r}) == 0"


@pytest.mark.parametrize(
    "code",
    [
        "import tftrain; tftrain.Config; tftrain.load_config; tftrain.errors; tftrain.metrics",
        command("--help"),
        command("schema"),
        command("check", "configs/diabetes.yaml"),
    ],
    ids=["import", "help", "schema", "check"],
)
def test_no_tensorflow_is_loaded(code: str) -> None:
    modules = loaded(code)
    assert "tftrain" in modules
    assert modules & {"tensorflow", "keras", "tf_keras", "sklearn"} == set()


def test_training_loads_no_keras(tmp_path: Path) -> None:
    table = "x,y\n" + "".join(f"{i},{i * i}\n" for i in range(10))
    (tmp_path / "t.csv").write_text(table)
    (tmp_path / "t.yaml").write_text(
        "data: {source: {kind: csv, path: t.csv}, target: y}\n"
        "model: linear\n"
        "training: {epochs: 1}\n"
    )
    modules = loaded(command("train", "t.yaml", "--quiet"), cwd=tmp_path)
    assert "tensorflow" in modules
    assert modules & {"keras", "tf_keras", "sklearn", "matplotlib"} == set()


UNSAFE_MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "copyreg", "yaml",
    "code", "codeop", "runpy", "ctypes", "h5py",
}  # fmt: skip
UNSAFE_CALLS = {
    "eval", "exec", "compile", "__import__", "read_pickle", "read_hdf", "os.system", "os.popen",
    "tf.py_function", "tf.numpy_function", "tf.load_op_library", "tf.load_library",
}  # fmt: skip


def calls_of(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield what a file calls, as it is written, such as `np.load`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_is_unpickled_and_no_text_is_run() -> None:
    """Data, configs and runs may come from a stranger: none of them is ever run as a program."""
    for file in sorted(PACKAGE.rglob("*.py")):
        where = file.relative_to(PACKAGE).as_posix()
        roots = {name.split(".")[0] for name in imports_of(file)}
        assert roots & UNSAFE_MODULES == set(), where
        called = {name.removeprefix("pd.") for name, _ in calls_of(file)}
        assert called & UNSAFE_CALLS == set(), where


def test_arrays_are_read_without_pickles_and_processes_without_a_shell() -> None:
    for file in sorted(PACKAGE.rglob("*.py")):
        where = file.relative_to(PACKAGE).as_posix()
        for name, call in calls_of(file):
            given = {word.arg: ast.unparse(word.value) for word in call.keywords}
            assert given.get("allow_pickle", "False") == "False", where
            assert given.get("shell", "False") == "False", where
            if name == "tf.saved_model.load":
                assert where == "runs/inspection.py"
            if name == "YAML":
                assert given.get("typ") == "'safe'", where


def test_whatever_a_command_says_goes_through_the_terminal() -> None:
    for file in sorted((PACKAGE / "cli").glob("*.py")):
        said = {name for name, _ in calls_of(file)}
        assert said & {"print", "click.echo", "click.secho", "sys.stdout.write"} == set(), file.name


def test_tests_and_scripts_share_only_what_is_in_support() -> None:
    """Scripts import `tests.support`, tests import no script, and nobody changes `sys.path`."""
    for folder in ("tests", "scripts"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            names = set(imports_of(file))
            assert not any(n.startswith("scripts.") for n in names) or folder == "scripts", file
            assert all(n.startswith("tests.support") for n in names if n.startswith("tests.")), file
            called = {name for name, _ in calls_of(file)}
            assert not any(name.startswith("sys.path.") for name in called), file
