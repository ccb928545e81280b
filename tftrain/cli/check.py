"""`tftrain check`."""

import json
from typing import Any

import click

from tftrain.cli.options import json_option, set_option
from tftrain.errors import on_one_line
from tftrain.terminal import say


@click.command()
@click.argument("config", type=click.Path())
@set_option
@json_option
def check(config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check the YAML file CONFIG, its data files and their columns, without training."""
    from tftrain.config import load_config
    from tftrain.experiment.prepare import describe, prepare

    facts = describe(prepare(load_config(config, overrides)))
    if as_json:
        say(json.dumps(facts))
    else:
        say(f"{config}: good")
        for note in facts.pop("notes"):
            say(f"  note: {note}")
        for name, value in facts.items():
            say(f"  {name + ':':12} {_plain(value)}")


def _plain(value: Any) -> str:
    """Return a fact in plain words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {item:,}" for key, item in value.items())
    return ", ".join(map(on_one_line, value)) if isinstance(value, list) else f"{value:,}"
