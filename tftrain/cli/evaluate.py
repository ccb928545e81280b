"""`tftrain evaluate`."""

import click

from tftrain.cli.load import load_tensorflow
from tftrain.cli.options import json_option, source_option, trust_option
from tftrain.names import PARTS, TEST
from tftrain.terminal import say


@click.command()
@click.argument("run", type=click.Path())
@click.option(
    "--data",
    metavar="FILE",
    help="Another table, csv or parquet, or - for standard input: all of its rows. It needs the "
    "target, and the weight column if the config names one.",
)
@click.option(
    "--split",
    type=click.Choice(PARTS),
    help="Only the rows that the run's config puts there; test where no --data is given.",
)
@source_option
@json_option
@trust_option
def evaluate(
    run: str,
    data: str | None,
    split: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
    trust: bool,
) -> None:
    """Measure the saved model of RUN, in the target's own units."""
    from tftrain.runs import load_run

    opened = load_run(run, trust=trust)
    frame = opened.read_table(data, overrides) if data and not split else None
    load_tensorflow()
    from tftrain.cli.metrics_table import metrics_table
    from tftrain.experiment.evaluate import evaluate as evaluate_run
    from tftrain.experiment.evaluate import read_for_parts

    if data and split:
        frame = read_for_parts(opened, data, overrides)
    from tftrain.runs.directory import json_text

    metrics = evaluate_run(opened, frame, split, () if data else overrides)
    if as_json:
        say(json_text(metrics))
    else:
        name = split or ("all rows" if data else TEST)
        say(metrics_table({name: metrics}, opened.config.data.target))
