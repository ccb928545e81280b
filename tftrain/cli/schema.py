"""`tftrain schema`."""

import json

import click

from tftrain.terminal import say


@click.command()
def schema() -> None:
    """Print the JSON Schema of the config, for editors."""
    from tftrain.config.config import Config

    say(
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **Config.model_json_schema(),
            },
            indent=2,
        )
    )
