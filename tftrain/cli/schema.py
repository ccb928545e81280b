"""`tftrain schema`."""

import click

from tftrain.terminal import say


@click.command()
def schema() -> None:
    """Print the JSON Schema of the config, for editors."""
    from tftrain.config.loading import schema_text

    say(schema_text())
