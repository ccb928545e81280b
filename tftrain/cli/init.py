"""`tftrain init`."""

import click


@click.command()
def init() -> None:
    """Write a config."""
