"""What is shown when a run is trained."""

from tftrain.runs import Run
from tftrain.terminal import say


def show_run(run: Run, as_json: bool) -> None:
    """Print the metrics of a run, why it stopped and where it is."""
    from tftrain.cli.metrics_table import metrics_table
    from tftrain.runs.directory import json_text

    if as_json:
        say(json_text({"run": str(run.path), **run.summary}))
        return
    say(metrics_table(run.summary, run.config.data.target))
    say(
        f"stopped:  {run.summary.get('stop_reason')}; the model is that of epoch "
        f"{run.summary.get('best_epoch')}"
    )
    say(f"run:      {run.path}")
