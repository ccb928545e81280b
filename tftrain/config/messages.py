"""What pydantic found, said in the user's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tftrain.config.sections import Path_, Sections, keys_of, of_kind, sections_below
from tftrain.errors import did_you_mean


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a config.

    Attributes:
        path: keys and list indices from the root to the value.
        message: what was expected, and the remedy.
        position: line and column, where they are not those of `path`.
    """

    path: Path_
    message: str
    position: tuple[int, int] | None = None

    def text(self) -> str:
        """Return the path and the message."""
        return ": ".join(filter(None, [".".join(map(str, self.path)), self.message]))


def problems_of(error: ValidationError, model: type[BaseModel], value: Any) -> list[Problem]:
    """Return the problems in a validation error of `model` for `value`, one for each place."""
    problems: dict[Path_, Problem] = {}
    for detail in error.errors():
        path, sections = _follow(detail, model, value)
        problem = Problem(path, _message(detail, path, sections))
        if path in problems and problems[path].message != problem.message:
            joined = f"{problems[path].message}, or {problem.message}"
            problem = Problem(path, joined)
        problems[path] = problem
    return [p for p in problems.values() if not _explained_below(p.path, problems)]


def _explained_below(path: Path_, problems: Iterable[Path_]) -> bool:
    """Return whether a problem inside the value at `path` says more than one about the whole."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in problems)


def _follow(detail: ErrorDetails, model: type[BaseModel], value: Any) -> tuple[Path_, Sections]:
    """Follow the location of a pydantic error through the value.

    Pydantic puts the names of union members between the keys; those are left out. Returns the
    user's path, and the sections that may stand where the last key stands.
    """
    path: list[str | int] = []
    sections = [model]
    loc = detail["loc"]
    for i, part in enumerate(loc):
        last = i == len(loc) - 1
        given = isinstance(value, dict) and part in value
        given = given or (isinstance(value, list) and isinstance(part, int) and part < len(value))
        if not given and not (last and detail["type"] == "missing"):
            sections = of_kind(part, sections) or sections
            continue
        path.append(part)
        if last:
            if detail["type"] == "union_tag_invalid" and isinstance(value[part], dict):
                path.append("kind")
            break
        value = value[part]
        sections = sections_below(sections, part)
        if isinstance(value, dict) and "kind" in value:
            sections = of_kind(value["kind"], sections) or sections
    return tuple(path), sections


def _message(detail: ErrorDetails, path: Path_, sections: Sections) -> str:
    """Return what was expected at a place, with the nearest valid spelling."""
    context = detail.get("ctx", {})
    given = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            known = sorted(keys_of(sections))
            hint = did_you_mean(str(path[-1]), known)
            return f"unknown key{hint or ', known keys: ' + ', '.join(known)}"
        case "missing":
            return "is required"
        case "union_tag_invalid" | "literal_error":
            expected = context.get("expected_tags") or context["expected"]
            choices = expected.replace(" or ", ", ").replace("'", "").split(", ")
            tag = context.get("tag", given)
            hint = did_you_mean(tag, choices) if isinstance(tag, str) else ""
            return f"expected {_either(choices)}, got {_shown(tag)}{_as_file(path, tag) or hint}"
        case "union_tag_not_found":
            return "a kind is required"
        case "too_short":
            return "expected at least one"
        case "value_error":
            return str(context["error"])
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"expected a section with keys, got {_shown(given)}"
        case "string_pattern_mismatch":
            return f"expected letters, digits, '.', '-' and '_' only, got {_shown(given)}"
        case _:
            return (
                f"{_lower_first(detail['msg']).replace('input should be', 'expected')}, "
                f"got {_shown(given)}"
            )


def _as_file(path: Path_, tag: Any) -> str:
    """Return the remedy where a file's name stands in place of a source."""
    if path[:2] != ("data", "source") or not (isinstance(tag, str) and set(tag) & set("./")):
        return ""
    kind = "parquet" if tag.endswith((".parquet", ".pq")) else "csv"
    return f"; for a file write {{kind: {kind}, path: {tag}}}"


def _either(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _shown(value: Any) -> str:
    """Return a short text for a value from the user's file."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a section" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
