"""Config of what a user's own Python code makes: a network, a loss, an optimizer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from tftrain.config.base import Change, Section

if TYPE_CHECKING:
    from tftrain.config.config import Config


def _a_function(text: str) -> str:
    module, _, function = text.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), function)):
        raise ValueError(
            f"expected a module and a function in it, such as my_networks:build, got {text!r}"
        )
    return text


class Custom(Section):
    """A function of one's own, found in the folder of the config or in an installed package."""

    module: Annotated[str, Field(max_length=500), AfterValidator(_a_function)]
    """Module and function, such as `my_networks:build`."""
    arguments: dict[str, Any] | None = None
    """Keyword arguments of the function."""
    folder: Annotated[Annotated[str, Field(max_length=4096)] | None, Change.FREE] = None
    """Folder in which the module lies; by default that of the config file."""


UNTRUSTED = ""
"""The folder of code that a run names, unless whoever opens the run trusts it."""


def customs(config: "Config") -> Iterator[tuple[str, Custom]]:
    """Yield the sections of a config that name code, each with its key."""
    for key in ("model", "loss", "optimizer"):
        section = getattr(config, key)
        if isinstance(section, Custom):
            yield key, section


def with_folder(config: "Config", folder: str, *, anyway: bool = False) -> "Config":
    """Return a config whose code lies in a folder.

    Args:
        config: the config.
        folder: the folder.
        anyway: whether this holds even where the config names another one.
    """
    changed = {
        key: section.model_copy(update={"folder": folder})
        for key, section in customs(config)
        if anyway or section.folder is None
    }
    return config.model_copy(update=changed) if changed else config
