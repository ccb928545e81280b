"""The user's own code: the function that a config names, found, imported and called."""

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tftrain.config import Config
from tftrain.config.custom import UNTRUSTED, Custom, customs
from tftrain.errors import ConfigError, RunError, TftrainError, did_you_mean, first_line
from tftrain.files import bounded_text


def source_of(key: str, section: Custom) -> Path:
    """Return the file of a module, without importing it.

    Args:
        key: of the section in the config.
        section: names the module.

    Raises:
        ConfigError: there is no such module, in the folder or installed.
        RunError: a run names it that nobody trusts.
    """
    name, _ = section.module.split(":")
    if section.folder == UNTRUSTED:
        raise RunError(
            f"{key}.module: this run's {key} is made by Python code, {section.module}, which could "
            "do anything on this machine, so it is not run: if the run is your own, or you have "
            "read the code, add --trust (in Python, trust=True)"
        )
    folder = Path(section.folder or ".")
    found = next((file for file in _files(folder, name) if file.is_file()), _installed(name))
    if found is None:
        near = did_you_mean(name, [one.stem for one in folder.glob("*.py")])
        raise ConfigError(
            f"{key}.module: no module {name!r} in {folder} or among the installed packages{near}"
        )
    return found


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Yield where a module lies in a folder: a file, or the beginning of a package."""
    path = folder.joinpath(*name.split("."))
    yield path.with_name(path.name + ".py")
    yield path / "__init__.py"


def _installed(name: str) -> Path | None:
    """Return the file of an installed module; nothing of it is run to find it."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    if not rest:
        return Path(spec.origin)
    folder = Path(spec.origin).parent
    return next((file for file in _files(folder, ".".join(rest)) if file.is_file()), None)


def require_functions(config: Config) -> None:
    """Raise where a config names a module or a function that is not there; nothing is imported.

    Raises:
        ConfigError: a module or function is not there, or a file is not Python.
        RunError: a run names it that nobody trusts.
    """
    for key, section in customs(config):
        file, function = source_of(key, section), section.module.split(":")[1]
        if file.suffix != ".py":
            continue
        try:
            tree = ast.parse(bounded_text(file))
        except (SyntaxError, ValueError) as error:
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
            raise ConfigError(f"{key}.module: {file}{line}: is not Python: {error}") from None
        names = set(_names(tree))
        if function not in names and "*" not in names:
            near = did_you_mean(function, names)
            raise ConfigError(f"{key}.module: {file} has no function {function!r}{near}")


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module binds; `*` where an import may bind any."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]


def hashes_of(config: Config) -> dict[str, str]:
    """Return the SHA-256 of the file of each module that a config names, by key of its section."""
    return {
        key: hashlib.sha256(source_of(key, section).read_bytes()).hexdigest()
        for key, section in customs(config)
    }


def made_by(key: str, section: Custom, **given: Any) -> Any:
    """Return what the function of a section makes.

    Args:
        key: of the section in the config.
        section: names the function and its arguments.
        given: further arguments; one that the function does not take is left out.

    Raises:
        ConfigError: there is no such function, it takes other arguments, or it raises; the message
            names the user's file and line.
        RunError: a run names it that nobody trusts.
    """
    file = source_of(key, section)
    with reported(key, section):
        function = getattr(_module(section, file), section.module.split(":")[1])
        wanted = {n: v for n, v in given.items() if _takes(function, n)}
        return function(**wanted, **(section.arguments or {}))


def takes(key: str, section: Custom, argument: str) -> bool:
    """Return whether the function of a section takes an argument; errors as for `made_by`."""
    file = source_of(key, section)
    with reported(key, section):
        return _takes(getattr(_module(section, file), section.module.split(":")[1]), argument)


def _takes(function: Callable[..., Any], argument: str) -> bool:
    parameters = inspect.signature(function).parameters
    return argument in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


@contextmanager
def reported(key: str, section: Custom) -> Iterator[None]:
    """Turn an error of the user's code, or of what it has made, into one with its place."""
    what = f"{key}.module: {section.module}"
    try:
        yield
    except TftrainError as error:
        raise ConfigError(f"{what}: {error}") from error
    except Exception as error:
        place = _place_of(error, source_of(key, section).parent)
        raise ConfigError(f"{what}: {type(error).__name__}: {first_line(error)}{place}") from error


def of_own_code(error: BaseException, config: Config) -> ConfigError | None:
    """Return the error for one that the user's code has raised while it trained, with its place."""
    if not isinstance(error, Exception) or isinstance(error, TftrainError):
        return None
    for key, section in customs(config):
        if place := _place_of(error, source_of(key, section).parent):
            what = f"{key}.module: {section.module}: {type(error).__name__}"
            return ConfigError(f"{what}: {first_line(error)}{place}")
    return None


def _place_of(error: BaseException, folder: Path) -> str:
    """Return the last line of code in a folder that an error comes from, or nothing."""
    if isinstance(error, SyntaxError):
        return f" ({error.filename}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_in(Path(frame.filename), folder)]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _module(section: Custom, file: Path) -> Any:
    """Import a module: of the config's folder under a name of its own, else the installed one.

    Modules beside it are found while it is imported, after all that is installed: a file called
    `numpy.py` in the folder is not taken for NumPy. Afterwards they are forgotten, so that another
    folder may have modules of the same names.
    """
    name = section.module.split(":")[0]
    folder = Path(section.folder or ".").resolve()
    if not _is_in(file, folder):
        return importlib.import_module(name)
    content = hashlib.sha256(str(file).encode() + file.read_bytes()).hexdigest()[:16]
    own_name = f"{name}_{content}"
    if own_name not in sys.modules:
        with _beside(folder):
            module = importlib.import_module(name) if "." in name else _executed(file, own_name)
        sys.modules[own_name] = module
    return sys.modules[own_name]


def _executed(file: Path, name: str) -> Any:
    """Return the module of a file, executed under a name."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # as dataclasses want
    spec.loader.exec_module(module)
    return module


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Find the modules of a folder inside, and forget at the end those that were imported."""
    before = set(sys.modules)
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for added in set(sys.modules) - before:
            origin = getattr(sys.modules[added], "__file__", None)
            if origin and _is_in(Path(origin), folder):
                del sys.modules[added]


def _is_in(file: Path, folder: Path) -> bool:
    return file.resolve().is_relative_to(folder)
