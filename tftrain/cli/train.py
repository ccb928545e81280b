"""`tftrain train`."""

import click

from tftrain.cli.options import json_option, set_option
from tftrain.cli.tensorflow import load_tensorflow
from tftrain.terminal import say


@click.command()
@click.argument("config", type=click.Path())
@set_option
@click.option("--output", metavar="DIR", help="This run's own directory (must not exist yet).")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@json_option
def train(
    config: str, overrides: tuple[str, ...], output: str | None, quiet: bool, as_json: bool
) -> None:
    """Train the network of the YAML file CONFIG."""
    from tftrain.config import load_config
    from tftrain.experiment.prepare import prepare

    loaded = load_config(config, overrides)
    prepared = prepare(loaded)
    for note in prepared.notes:
        say(f"note: {note}", err=True)
    load_tensorflow()
    from tftrain.cli.progress import progress_for
    from tftrain.cli.tables import metrics_table
    from tftrain.experiment.train import train_prepared
    from tftrain.runs.directory import json_text

    run = train_prepared(prepared, output=output, observers=[] if quiet else [progress_for()])
    if as_json:
        say(json_text({"run": str(run.path), **run.summary}))
    else:
        say(metrics_table(run.summary, loaded.data.target))
        say(
            f"stopped:  {run.summary['stop_reason']}; the model is that of epoch "
            f"{run.summary['best_epoch']}"
        )
        say(f"run:      {run.path}")
