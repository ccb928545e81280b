"""Finding the section classes that may stand at a place of the config."""

from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from tftrain.config.base import Change

Path_ = tuple[str | int, ...]
"""Keys and list indices from the root of the config to a value."""

Sections = list[type[BaseModel]]


def sections_at(model: type[BaseModel], path: Path_) -> Sections:
    """Return the section classes that may stand at `path` under `model`."""
    sections = [model]
    for part in path:
        sections = sections_below(sections, part)
    return sections


def sections_below(sections: Sections, key: str | int) -> Sections:
    """Return the section classes that may be the value of `key` in one of the sections."""
    fields = [
        s.model_fields[key] for s in sections if isinstance(key, str) if key in s.model_fields
    ]
    return [section for field in fields for section in _sections_in(field.annotation)]


def takes_names(sections: Iterable[type[BaseModel]], key: str | int) -> bool:
    """Return whether a value of `key` may be given by names that are not keys, as of columns."""
    fields = [s.model_fields[key] for s in sections if key in s.model_fields]
    return any(get_origin(part) is dict for f in fields for part in get_args(f.annotation))


def of_kind(name: Any, sections: Iterable[type[BaseModel]]) -> Sections:
    """Return those sections whose kind, or class, is called `name`."""
    return [section for section in sections if name in (section.__name__, *kinds_of([section]))]


def keys_of(sections: Iterable[type[BaseModel]]) -> set[str]:
    """Return the keys that any of the sections has."""
    return {key for section in sections for key in section.model_fields}


def kinds_of(sections: Iterable[type[BaseModel]]) -> list[str]:
    """Return the kinds of the sections; a section that has no kinds adds none."""
    fields = [section.model_fields.get("kind") for section in sections]
    return [kind for field in fields if field for kind in get_args(field.annotation)]


def paths_below(sections: Sections, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every key of the sections at `path`, and of all sections below them."""
    for key in dict.fromkeys(key for section in sections for key in section.model_fields):
        yield (*path, key)
        yield from paths_below(sections_below(sections, key), (*path, key))


def marked(model: type[BaseModel], *marks: Change) -> set[str]:
    """Return the dotted keys of a config whose fields have one of some marks."""
    found = set()
    for path in paths_below([model]):
        for section in sections_at(model, path[:-1]):
            field = section.model_fields.get(str(path[-1]))
            if field and any(mark in marks for mark in field.metadata if isinstance(mark, Change)):
                found.add(".".join(map(str, path)))
    return found


def _sections_in(annotation: Any) -> Sections:
    """Return the models that an annotation names, unions and lists included."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, list) or hasattr(annotation, "__metadata__"):
        return [s for part in get_args(annotation) for s in _sections_in(part)]
    return []
