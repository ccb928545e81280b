"""`tftrain version`."""

import click

from tftrain import __version__
from tftrain.terminal import say


@click.command()
def version() -> None:
    """Print the version."""
    say(__version__)
