"""What is shown when a run is trained."""

import click

from tftrain.runs import Run


def show_run(run: Run, as_json: bool) -> None:
    """Print the metrics of a run, why it stopped and where it is."""
    from tftrain.cli.tables import metrics_table
    from tftrain.runs.directory import json_text

    if as_json:
        click.echo(json_text({"run": str(run.path), **run.summary}))
        return
    click.echo(metrics_table(run.summary, run.config.data.target))
    click.echo(
        f"stopped:  {run.summary['stop_reason']}; the model is that of epoch "
        f"{run.summary['best_epoch']}"
    )
    click.echo(f"run:      {run.path}")
