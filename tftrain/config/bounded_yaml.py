"""YAML that is plain data and no more of it than a config can need."""

from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, Event
from ruamel.yaml.nodes import Node

MAX_NODES = 20_000
"""Keys and values of a text, at most: room for the names of 10,000 columns and all the rest."""

MAX_DEPTH = 20
"""Sections and lists inside each other, at most."""

PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("map", "seq", "str", "null", "bool", "int", "float", "timestamp")
)
"""What a value may be. Others would have to be made by code."""


class RefusedYAMLError(MarkedYAMLError):
    """A text is YAML, but not of the kind that a config may be."""


class LimitedComposer(Composer):
    """Composes the nodes of a text while they are few and not too deep, and none twice.

    An alias lets a short text stand for a long or an endless value: there are none here.
    """

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.nodes = 0
        self.level = 0

    def compose_node(self, parent: Any, index: Any) -> Node:
        event = self.parser.peek_event()
        self.nodes += 1
        self.level += 1
        if isinstance(event, AliasEvent) or event.anchor is not None:
            _refuse(
                "anchors and aliases are not supported here; a text that begins with & or * needs "
                "quotes",
                event,
            )
        if self.level > MAX_DEPTH:
            _refuse(f"over {MAX_DEPTH} sections and lists inside each other", event)
        if self.nodes > MAX_NODES:
            _refuse(f"over {MAX_NODES:,} keys and values, too many for a config", event)
        node: Node = super().compose_node(parent, index)
        self.level -= 1
        return node


def _refuse(reason: str, event: Event) -> NoReturn:
    raise RefusedYAMLError(problem=reason, problem_mark=event.start_mark)


def bounded_yaml() -> YAML:
    """Return a reader of YAML 1.2 that refuses, with RefusedYAMLError, what no config needs."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = LimitedComposer
    return yaml
