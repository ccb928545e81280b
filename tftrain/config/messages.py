"""What pydantic found, said in the user's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tftrain.config.sections import Path_, Sections, keys_of, of_kind, sections_below
from tftrain.errors import did_you_mean, excerpt, on_one_line

MAX_DETAILS = 200
"""What pydantic found that is put into words, at most."""


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
        return ": ".join(filter(None, [".".join(map(_key, self.path)), self.message]))


def _key(part: str | int) -> str:
    """Return a key or an index as it stands in a message."""
    text = on_one_line(str(part))
    return text if len(text) <= 60 else excerpt(part)


def problems_of(error: ValidationError, model: type[BaseModel], value: Any) -> list[Problem]:
    """Return the problems in a validation error of `model` for `value`, one for each place."""
    messages: dict[Path_, list[str]] = {}
    for detail in error.errors()[:MAX_DETAILS]:
        path, sections = _follow(detail, model, value)
        messages.setdefault(path, []).append(_message(detail, path, sections))
        if detail["type"] == "union_tag_invalid":  # pydantic looks no further into the section
            for key in list(detail["input"])[:MAX_DETAILS]:
                if key not in keys_of(sections):
                    messages.setdefault((*path[:-1], key), []).append(_unknown_key(key, sections))
    return [
        Problem(path, _joined(said))
        for path, said in messages.items()
        if not _explained_below(path, messages)
    ]


def _joined(messages: list[str]) -> str:
    """Return what the members of a union say about a value as one sentence."""
    parts = [message.removeprefix("expected ").partition(", got ") for message in messages]
    wanted = list(dict.fromkeys(wanted for wanted, _, _ in parts))
    if len(wanted) == 1:
        return messages[0]
    several = any(" or " in choices for choices in wanted)
    got = max((got for _, _, got in parts), key=len)  # with the nearest spelling, if one has it
    return f"expected {', or '.join(wanted) if several else _either(wanted)}, got {got}"


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
            if detail["type"] == "union_tag_invalid":
                sections = sections_below(sections, part)
                path += ["kind"] if isinstance(value[part], dict) else []
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
            return _unknown_key(path[-1], sections)
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
        case "list_type":
            return f"expected a list, got {_shown(given)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"expected a section with keys, got {_shown(given)}"
        case "string_pattern_mismatch":
            return f"expected letters, digits, '.', '-' and '_' only, got {_shown(given)}"
        case _:
            wanted = _lower_first(detail["msg"]).replace("input should be", "expected")
            return f"{wanted.partition(', got ')[0]}, got {_shown(given)}"


def _unknown_key(key: str | int, sections: Sections) -> str:
    """Return the message for a key that none of the sections has."""
    known = sorted(keys_of(sections))
    return f"unknown key{did_you_mean(str(key), known) or ', known keys: ' + ', '.join(known)}"


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
    return excerpt(value)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
