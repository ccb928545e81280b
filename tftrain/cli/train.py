"""`tftrain train`."""

import click

from tftrain.cli.load import load_tensorflow
from tftrain.cli.options import force_option, json_option, quiet_option, set_option
from tftrain.terminal import say


@click.command()
@click.argument("config", type=click.Path())
@set_option
@click.option("--output", metavar="DIR", help="This run's own directory (empty, or not there yet).")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in DIR, if there is one: what a cluster that restarts jobs needs.",
)
@force_option
@quiet_option
@json_option
def train(
    config: str,
    overrides: tuple[str, ...],
    output: str | None,
    resume: bool,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train the network of the YAML file CONFIG."""
    if resume and output is None:
        raise click.UsageError("--resume needs --output DIR: the directory of the run")
    from tftrain.config import load_config
    from tftrain.experiment.prepare import prepare

    prepared = prepare(load_config(config, overrides))
    for note in prepared.notes:
        say(f"note: {note}", err=True)
    load_tensorflow()
    from tftrain.cli.outcome import show_run
    from tftrain.cli.progress import progress_for
    from tftrain.experiment.train import train_prepared

    observers = [] if quiet else [progress_for()]
    run = train_prepared(prepared, output, observers, resume=resume, force=force)
    show_run(run, as_json)
