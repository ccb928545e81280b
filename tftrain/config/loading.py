"""From YAML text to a Config, with errors that name file, line, column and remedy."""

import io
import json
import os
import re
import string
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tftrain.config.bounded_yaml import MAX_DEPTH, PLAIN_TAGS, RefusedYAMLError, bounded_yaml
from tftrain.config.config import Config
from tftrain.config.custom import with_folder
from tftrain.config.mistaken import (
    folder_in_place_of_a_config,
    has_rows,
    is_table,
    table_in_place_of_a_config,
)
from tftrain.config.problems import Problem, problems_of
from tftrain.config.sections import Path_, keys_of, of_kind, sections_at, takes_names
from tftrain.errors import ConfigError, did_you_mean, excerpt, of_type
from tftrain.files import expanded

MAX_BYTES = 1_000_000

MAX_PROBLEMS = 50
"""Most mistakes that are reported at once."""

YAML_REMEDIES = {
    r"'\t'": ": a tab cannot indent; replace it with blanks",
    "that cannot start any token": ": write a text that begins so in quotes",
    "mapping values are not allowed": ": a blank is missing after a colon in front of this one, or "
    "a text that holds a colon is not in quotes",
}
"""What to do about the reason that the reader of YAML gives."""


@dataclass
class Document:
    """A parsed YAML text: its plain value, and where each key and value stands.

    Attributes:
        value: dicts, lists and scalars.
        positions: `(line, column)`, counted from 1, of each key path; list items by index.
        problems: what is wrong with the text itself, such as a key that is given twice.
    """

    value: Any
    positions: dict[Path_, tuple[int, int]]
    problems: list[Problem]


def load_config(
    source: str | Path | Mapping[str, Any] | Config,
    overrides: Sequence[str] = (),
    *,
    dataframe: bool = False,
) -> Config:
    """Return the checked config.

    Args:
        source: path of a YAML file, or its content as a dictionary, or a Config.
        overrides: `key.path=value` strings that replace single values; the value is YAML.
        dataframe: whether a DataFrame is handed over in place of the source of the data.

    Raises:
        InputError: an argument is something else.
        ConfigError: the file cannot be read, or anything in it is wrong; all errors of the file
            are reported at once, each with its place and the remedy.
    """
    kinds = (str, os.PathLike, Mapping, Config)
    of_type("config", source, kinds, "the path of a YAML file, a dictionary or a Config")
    of_type("overrides", overrides, (list, tuple), "a list such as ['training.epochs=5']")
    if isinstance(source, Config):
        document = Document(source.model_dump(mode="json"), {}, [])
        name, folder = "config", Path.cwd()
    elif isinstance(source, Mapping):
        document = Document(deepcopy(dict(source)), {}, [])
        name, folder = "config", Path.cwd()
    else:
        document = read_document(Path(source))
        name, folder = str(source), Path(source).parent
        if document.value and isinstance(document.value, dict):
            document.value.setdefault("name", _run_name(Path(source).stem))
    changed = sorted(map(parse_override, overrides), key=_whole_sections_first)
    for path, value in changed:
        apply_override(document, path, value)
    if dataframe and isinstance(document.value, dict):
        apply_override(document, ("data", "source", "kind"), "dataframe")
    overridden = {path for path, _ in changed}
    config = _validate(document, name, overridden)
    here = any(("data", "source", "path")[: len(path)] == path for path in overridden)
    base = Path.cwd() if here else folder
    return _with_absolute_paths(config, folder, base)


def read_document(path: Path) -> Document:
    """Parse the YAML file at `path`; raise ConfigError where it cannot be read or parsed."""
    if path.is_dir():
        raise ConfigError(folder_in_place_of_a_config(path))
    raw = _bytes_of(path)
    if is_table(path, raw):
        raise ConfigError(table_in_place_of_a_config(path))
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: over {MAX_BYTES:,} bytes, too large for a config")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from None
    try:
        document = parse_yaml(text, str(path))
    except ConfigError:
        if has_rows(text):
            raise ConfigError(table_in_place_of_a_config(path)) from None
        raise
    if not isinstance(document.value, dict) and has_rows(text):
        raise ConfigError(table_in_place_of_a_config(path))
    return document


def _bytes_of(path: Path) -> bytes:
    """Return the content of a file, up to one byte more than a config may have."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.y*ml")])
        raise ConfigError(f"{path}: no such config file{near}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a null character in the path
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def parse_yaml(text: str, name: str) -> Document:
    """Parse YAML 1.2 text; `name` stands in front of error messages."""
    yaml = bounded_yaml()
    try:
        root = yaml.compose(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        fault = "" if isinstance(error, RefusedYAMLError) else "not valid YAML: "
        reason = str(error.problem or error.context)
        remedy = next((words for said, words in YAML_REMEDIES.items() if said in reason), "")
        raise ConfigError(f"{place}: {fault}{reason}{remedy}") from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{name}: not valid YAML: {str(error).splitlines()[0]}") from None
    document = Document(None, {}, [])
    if root is not None:
        document.value = _value_of(root, (), document, yaml)
    return document


def check_text(text: str, name: str) -> Config:
    """Return the config of a YAML text; raise ConfigError if anything in it is wrong."""
    return _validate(parse_yaml(text, name), name, set())


def _value_of(node: Node, path: Path_, document: Document, yaml: YAML) -> Any:
    """Return the plain value of a node and note where everything in it stands."""
    document.positions.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if str(node.tag) not in PLAIN_TAGS:
        document.problems.append(
            Problem(path, f"the tag {excerpt(str(node.tag))} is not supported")
        )
        return None
    if isinstance(node, SequenceNode):
        return [_value_of(item, (*path, i), document, yaml) for i, item in enumerate(node.value)]
    if not isinstance(node, MappingNode):
        return _scalar(node, path, document, yaml)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            document.problems.append(Problem(path, "a key must be a word"))
            continue
        key = str(key_node.value)
        place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if key in result:
            first = document.positions[(*path, key)][0]
            document.problems.append(
                Problem((*path, key), f"given twice, first in line {first}", place)
            )
            continue
        document.positions[(*path, key)] = place
        result[key] = _value_of(value_node, (*path, key), document, yaml)
    return result


def _scalar(node: Node, path: Path_, document: Document, yaml: YAML) -> Any:
    try:
        return yaml.constructor.construct_object(node)
    except (YAMLError, ValueError, LookupError, OverflowError):
        wanted = str(node.tag).rpartition(":")[2]
        document.problems.append(Problem(path, f"cannot read {excerpt(node.value)} as {wanted}"))
        return None


INDEX = re.compile("[0-9]{1,9}")
"""A place in a list, in a key path."""


def parse_override(text: str) -> tuple[Path_, Any]:
    """Return the key path and the value of `key.path=value`.

    The value is YAML, except that a single mark such as `,` or `#` stands for itself, and so does a
    text such as `%d/%m/%Y`, which YAML would want in quotes.
    """
    shown = _cut(text)
    if len(text) > MAX_BYTES:
        raise ConfigError(f"--set {shown}: over {MAX_BYTES:,} characters, too long for a config")
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        raise ConfigError(f"--set {shown}: expected key.path=value, as in optimizer.kind=adam")
    if value in MARKS or value[:1] in UNQUOTED:
        return _key_path(parts), value
    document = parse_yaml(value, f"--set {shown}")
    if document.problems:
        raise ConfigError(f"--set {shown}: {document.problems[0].message}")
    return _key_path(parts), document.value


MARKS = frozenset(string.punctuation) - set("~[]{}")
"""Single characters that are taken as they are; others are YAML's null and lists."""

UNQUOTED = ("%", "@", "`")
"""Beginnings of a text that no value of YAML has without quotes."""


def _key_path(parts: Sequence[str]) -> Path_:
    return tuple(int(part) if INDEX.fullmatch(part) else part for part in parts)


def _whole_sections_first(override: tuple[Path_, Any]) -> tuple[int, bool]:
    """Sort key: what replaces a section, or its kind, comes before what changes a key in it."""
    path, _ = override
    return len(path), path[-1] != "kind"


def apply_override(document: Document, path: Path_, value: Any) -> None:
    """Put `value` at `path`, making sections that are not there.

    A change of `kind` keeps those keys of the section that the new kind has as well.

    Raises:
        ConfigError: there is no such item of a list, or no section where one would be needed.
    """
    if document.value is None:
        document.value = {}
    node: Any = document.value
    if not isinstance(node, dict):
        return  # a text or a list is not a config, as the check of it reports
    for depth, part in enumerate(path[:-1], start=1):
        _require_place(node, path, depth - 1)
        below = node.get(part) if isinstance(node, dict) else node[part]
        if not isinstance(below, (dict, list)):
            below = node[part] = _section_for(below, path, depth)
            document.positions.pop(path[:depth], None)  # the section is not in the text
        node = below
    _require_place(node, path, len(path) - 1)
    if path[-1] == "kind" and isinstance(node, dict):
        _drop_keys_of_other_kinds(node, path[:-1], value)
    node[path[-1]] = value


def _require_place(node: dict[str, Any] | list[Any], path: Path_, depth: int) -> None:
    """Raise ConfigError unless `path[depth]` can be set in the value at `path[:depth]`."""
    part, whole = path[depth], _dotted(path[:depth])
    if isinstance(node, dict):
        if isinstance(part, int) and depth:
            raise _cannot_set(path, f"no list there to change; set {whole}=[...]")
    elif isinstance(part, str):
        sections = sections_at(Config, path[:depth])
        section = f", or {whole}={{{part}: ...}}" if part in keys_of(sections) else ""
        raise _cannot_set(path, f"{whole} is a list; set {whole}=[...]{section}")
    elif part >= len(node):
        items = f"whose items are 0 to {len(node) - 1}" if node else "which is empty"
        raise _cannot_set(path, f"no item {part} in the list, {items}")


def _section_for(given: Any, path: Path_, depth: int) -> dict[str, Any]:
    """Return the section that takes the place of one value, so that a key below it can be set.

    A word stands for the section of that kind where sections have kinds. Elsewhere the section
    begins empty: `features: auto` is a section without a key.

    Args:
        given: the value at `path[:depth]`, neither a section nor a list.
        path: what is to be set.
        depth: length of the path to that value.
    """
    sections = sections_at(Config, path[:depth])
    is_known = path[depth - 1] in keys_of(sections_at(Config, path[: depth - 1]))
    whole = _dotted(path[:depth])
    if isinstance(path[depth], int):
        raise _cannot_set(path, f"no list there to change; set {whole}=[...]")
    if takes_names(sections_at(Config, path[: depth - 1]), path[depth - 1]):
        return {}
    if not sections and (is_known or isinstance(path[depth - 1], int)):
        raise _cannot_set(path, f"{whole} is a single value and has no keys; set {whole}=VALUE")
    has_kinds = "kind" in keys_of(sections)
    return {"kind": given} if isinstance(given, str) and has_kinds else {}


def _cannot_set(path: Path_, reason: str) -> ConfigError:
    return ConfigError(f"--set {_dotted(path)}: {reason}")


def _dotted(path: Path_) -> str:
    return _cut(".".join(map(str, path)))


def _cut(text: str, most: int = 200) -> str:
    return text if len(text) <= most else text[:most] + "..."


def _drop_keys_of_other_kinds(section: dict[str, Any], path: Path_, kind: Any) -> None:
    """Take out of the section at `path` what other kinds know and `kind` does not.

    What none of them knows stays, and is an error later.
    """
    possible = sections_at(Config, path)
    chosen = of_kind(kind, possible)
    for key in keys_of(possible) - keys_of(chosen) if chosen else ():
        section.pop(key, None)


def _validate(document: Document, name: str, overridden: set[Path_]) -> Config:
    """Return the config of a document, or raise with every problem in the order of the file."""
    problems = list(document.problems)
    if document.value is None or document.value == {}:
        raise ConfigError(
            f"{name}: the config is empty; `tftrain init DATA --target COLUMN` "
            "writes one for your table"
        )
    if not isinstance(document.value, dict):
        raise ConfigError(f"{name}: a config is a mapping of sections such as `data:`")
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        known = {problem.path for problem in problems}
        found = problems_of(error, Config, document.value)
        problems += [problem for problem in found if problem.path not in known]
    if not problems:
        return config
    located = sorted(
        (_located(p, document, overridden) for p in problems), key=lambda line: line[0]
    )
    lines = [f"{name}{place}: {problem.text()}" for _, place, problem in located[:MAX_PROBLEMS]]
    if len(located) > MAX_PROBLEMS:
        lines.append(f"{name}: and more mistakes after these {MAX_PROBLEMS}")
    raise ConfigError("\n".join(lines))


def _located(
    problem: Problem, document: Document, overridden: set[Path_]
) -> tuple[tuple[int, int], str, Problem]:
    """Return the position of a problem, its place as text, and the problem."""
    if any(_made_by(path, problem.path, document.positions) for path in overridden):
        return (0, 0), " (--set)", problem
    position = problem.position
    for depth in range(len(problem.path), -1, -1):
        position = position or document.positions.get(problem.path[:depth])
    return (position, ":{}:{}".format(*position), problem) if position else ((0, 0), "", problem)


def _made_by(override: Path_, path: Path_, positions: Mapping[Path_, Any]) -> bool:
    """Return whether an override, of a value or a section's kind, made what stands at `path`."""
    whole = override[:-1] if override[-1] == "kind" else override
    if path[: len(whole)] == whole:
        return True
    around = override[: len(path)] == path
    return around and bool(positions) and path not in positions  # a section not in the text


def _run_name(stem: str) -> str:
    """Return the file's stem as a run name: other characters become dashes."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem)
    return name.lstrip("._-")[:100] or "run"


def _with_absolute_paths(config: Config, folder: Path, base: Path) -> Config:
    """Return the config with absolute paths of its data and of the code that it names.

    Args:
        config: the config.
        folder: where code lies.
        base: where the path of the data starts.
    """
    config, source = with_folder(config, str(folder.absolute())), config.data.source
    if not hasattr(source, "path"):
        return config
    return with_path(config, str((base / expanded(source.path, "data.source.path")).absolute()))


def with_path(config: Config, path: str) -> Config:
    """Return the config with another path of its table, which is a file."""
    source = config.data.source.model_copy(update={"path": path})
    return config.model_copy(update={"data": config.data.model_copy(update={"source": source})})


def config_text(config: Config) -> str:
    """Return a config as YAML text, every key written out."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    yaml.dump(config.model_dump(mode="json"), text)
    return text.getvalue()


def schema_text() -> str:
    """Return the JSON Schema of the config, for editors."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps({**dialect, **Config.model_json_schema()}, indent=2)
