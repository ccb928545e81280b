"""What pydantic found, said in the user's words."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tftrain.config.config import Config
from tftrain.config.sections import (
    Path_,
    Sections,
    keys_of,
    kinds_of,
    of_kind,
    paths_below,
    sections_at,
    sections_below,
)
from tftrain.errors import did_you_mean, excerpt, nearest, on_one_line

MAX_DETAILS = 200
"""What pydantic found that is put into words, at most."""

MAX_PLACES = 4
"""Possible places of a key above which an unknown key is too vague to suggest them."""

MISSING = "is required"

OF_THE_WHOLE = ("value_error", "union_tag_not_found")
"""Errors of a section that say something else than the errors of its keys."""


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


def problems_of(
    error: ValidationError, model: type[BaseModel], value: Any, at: Path_ = ()
) -> list[Problem]:
    """Return the problems in a validation error, one for each place.

    Args:
        error: what pydantic found.
        model: the class of the section.
        value: the section as it was given.
        at: path from the root of the config to the section.
    """
    messages: dict[Path_, list[str]] = {}
    kept: set[Path_] = set()
    for detail in error.errors()[:MAX_DETAILS]:
        below, sections = _follow(detail, model, value)
        path = at + below
        messages.setdefault(path, []).append(_message(detail, path, sections))
        if detail["type"] in OF_THE_WHOLE:
            kept.add(path)
        if section := _without_a_known_kind(detail, path):
            for problem in _whatever_its_kind(detail["input"], sections, section):
                messages.setdefault(problem.path, []).append(problem.message)
                kept.add(problem.path)
    return [
        Problem(path, _joined(said))
        for path, said in messages.items()
        if (path in kept or not _explained_below(path, messages))
        and not _is_misspelt(path, messages)
    ]


def _without_a_known_kind(detail: ErrorDetails, path: Path_) -> Path_ | None:
    """Return the path of the section in which pydantic looked no further for want of its kind."""
    if detail["type"] == "union_tag_invalid" and path[-1] == "kind":
        return path[:-1]
    is_section = isinstance(detail["input"], dict)
    return path if detail["type"] == "union_tag_not_found" and is_section else None


def _whatever_its_kind(section: Any, sections: Sections, at: Path_) -> Iterator[Problem]:
    """Yield what else is wrong with a section of an unknown kind.

    That is what the kind with the nearest name refuses, or what all kinds refuse where no name is
    near; but a key that another kind has may be meant.
    """
    near = nearest(str(section.get("kind")), kinds_of(sections))
    meant = of_kind(near, sections) or sections
    refused = [{p.path: p for p in _problems_as(one, section, at)} for one in meant]
    for path in refused[0]:
        if not all(path in problems for problems in refused):
            continue
        key = path[len(at) :][:1]
        knowing = [
            problems[path]
            for one, problems in zip(meant, refused, strict=True)
            if not key or key[0] in one.model_fields
        ]
        if knowing:
            yield knowing[0]
        elif key[0] not in keys_of(sections):
            yield Problem(path, _unknown_key(path, sections))


def _problems_as(model: type[BaseModel], section: Any, at: Path_) -> list[Problem]:
    """Return the problems of a section when it is taken as one of the class `model`."""
    taken = {**section, "kind": kinds_of([model])[0]}
    try:
        model.model_validate(taken)
    except ValidationError as error:
        return problems_of(error, model, taken, at)
    return []


def _joined(messages: list[str]) -> str:
    """Return what the members of a union say about a value as one sentence."""
    own = [message for message in messages if not message.startswith("expected ")]
    if own:  # one knows better than what types there are
        return own[0]
    parts = [message.removeprefix("expected ").partition(", got ") for message in messages]
    wanted = list(dict.fromkeys(wanted for wanted, _, _ in parts))
    if len(wanted) == 1:
        return messages[0]
    several = any(" or " in choices for choices in wanted)
    got = max((got for _, _, got in parts), key=len)  # with the nearest spelling, if one has it
    return f"expected {', or '.join(wanted) if several else _listed(wanted, 'or')}, got {got}"


def _explained_below(path: Path_, problems: Iterable[Path_]) -> bool:
    """Return whether a problem inside the value at `path` says more than one about the whole."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in problems)


def _is_misspelt(path: Path_, messages: Mapping[Path_, list[str]]) -> bool:
    """Return whether a key that is missing is there under a misspelt name, as another says."""
    if messages[path] != [MISSING]:
        return False
    unknown = [f"unknown key, did you mean {path[-1]}?"]
    return any(said == unknown and other[:-1] == path[:-1] for other, said in messages.items())


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
            if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
                sections = sections_below(sections, part)
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
            return _unknown_key(path, sections)
        case "missing":
            return MISSING
        case "union_tag_invalid" | "literal_error":
            expected = context.get("expected_tags") or context["expected"]
            choices = expected.replace(" or ", ", ").replace("'", "").split(", ")
            tag = given.get("kind") if isinstance(given, dict) else given
            hint = did_you_mean(tag, choices) if isinstance(tag, str) else ""
            hint = _as_file(path, tag) or hint
            return f"expected {_listed(choices, 'or')}, got {_shown(tag)}{hint}"
        case "union_tag_not_found":
            return f"a kind is required: {_listed(kinds_of(sections), 'or')}"
        case "too_short":
            return "expected at least one"
        case "value_error":
            return str(context["error"])
        case "bool_parsing" | "bool_type":
            return f"expected true or false, got {_shown(given)}"
        case "string_type":
            in_quotes = ": write it in quotes" if isinstance(given, (int, float)) else ""
            return f"expected a text, got {_shown(given)}{in_quotes}"
        case "list_type":
            return f"expected a list, got {_shown(given)}{_as_list(given)}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"expected a section with keys, got {_shown(given)}{_as_section(given, path)}"
        case "string_pattern_mismatch":
            return f"expected letters, digits, '.', '-' and '_' only, got {_shown(given)}"
        case _:
            wanted = re.sub("^(Input should be|String should have)", "expected", detail["msg"])
            return f"{wanted.partition(', got ')[0]}, got {_shown(given)}"


def _unknown_key(path: Path_, sections: Sections) -> str:
    """Return the message for a key that none of the sections has, with where it may belong."""
    key, here = str(path[-1]), path[:-1]
    knowing = [one for one in sections_at(Config, here) if key in one.model_fields]
    if kinds := list(dict.fromkeys(kinds_of(knowing))):
        have = "has" if len(kinds) == 1 else "have"
        return f"unknown key for this kind, only {_listed(kinds, 'and')} {have} it"
    known = sorted(keys_of(sections))
    everywhere = sorted(paths_below([Config]), key=len)
    parts = key.split(".")
    if len(parts) > 1 and (*here, *parts) in everywhere:
        nested = ": {".join(parts) + ": ..." + "}" * (len(parts) - 1)
        return f"a key with dots is for --set; in a file write {nested}"
    names = [str(place[-1]) for place in everywhere]
    hint = (
        _continued(key, known)
        or _elsewhere(key, everywhere)
        or did_you_mean(key, known)
        or _elsewhere(nearest(key, names), everywhere)
        or _elsewhere(next((n for n in names if _initials(n) == key), None), everywhere)
        or f", known keys: {', '.join(known)}"
    )
    return f"unknown key{hint}"


def _continued(key: str, known: list[str]) -> str:
    """Return `", did you mean X?"` for the known keys of which a key is the beginning."""
    longer = [name for name in known if name.startswith(f"{key}_")]
    return f", did you mean {_listed(longer, 'or')}?" if 0 < len(longer) <= MAX_PLACES else ""


def _elsewhere(key: str | None, everywhere: list[Path_]) -> str:
    """Return `", did you mean X?"` for the places that have a key, or an empty string."""
    places = [
        ".".join(map(str, path)) if len(path) > 1 else f"{key} at the top level"
        for path in everywhere
        if path[-1] == key
    ]
    return f", did you mean {_listed(places, 'or')}?" if 0 < len(places) <= MAX_PLACES else ""


def _initials(name: str) -> str:
    """Return what people call a key for short: `lr` for `learning_rate`."""
    return "".join(word[:1] for word in name.split("_"))


def _as_list(given: Any) -> str:
    """Return the remedy where a text with commas stands in place of a list."""
    return f"; write [{given}]" if isinstance(given, str) and 0 < given.find(",") < 60 else ""


def _as_section(given: Any, path: Path_) -> str:
    """Return the remedy where a text such as `epochs:3`, or a number, stands for a section."""
    if isinstance(given, str):
        return ": write a blank after the colon" if re.match(r"\w+:\S", given) else ""
    keys = sorted(keys_of(sections_at(Config, path)))
    return f"; its keys: {', '.join(keys)}" if keys and "kind" not in keys else ""


def _as_file(path: Path_, tag: Any) -> str:
    """Return the remedy where a file's name stands in place of a source."""
    if path[:2] != ("data", "source") or not (isinstance(tag, str) and set(tag) & set("./")):
        return ""
    kind = "parquet" if tag.endswith((".parquet", ".pq")) else "csv"
    return f"; for a file write {{kind: {kind}, path: {tag}}}"


def _listed(words: list[str], last: str) -> str:
    """Return words as `a, b and c`; `last` is the word in front of the last one."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _shown(value: Any) -> str:
    """Return a short text for a value from the user's file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a section" if isinstance(value, dict) else "a list"
    return excerpt(value)
