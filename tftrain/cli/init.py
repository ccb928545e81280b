"""`tftrain init`."""

from pathlib import Path

import click

from tftrain.errors import OutputError
from tftrain.files import require_new, whole_file
from tftrain.terminal import say


@click.command()
@click.argument("data", type=click.Path())
@click.option(
    "--target",
    metavar="COLUMN",
    required=True,
    multiple=True,
    help="Column to predict. May be repeated.",
)
@click.option("--output", metavar="FILE", help="Config to write; by default the table's name.yaml.")
@click.option("--force", is_flag=True, help="Overwrite the config if it exists.")
def init(data: str, target: tuple[str, ...], output: str | None, force: bool) -> None:
    """Write a commented config for the table DATA, csv or parquet."""
    from tftrain.data.sources.paths import files_of, stem_of
    from tftrain.experiment.propose import propose

    path = Path(output or f"{stem_of(data)}.yaml")
    require_new(path, files_of(data), force)
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")
    text = propose(data, target, path.absolute().parent)
    with whole_file(path) as aside:
        aside.write_text(text, encoding="utf-8")
    say(f"wrote {path}; next: tftrain train {path}")
