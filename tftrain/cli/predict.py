"""`tftrain predict`."""

import click

from tftrain.cli.tensorflow import load_tensorflow
from tftrain.errors import naming
from tftrain.terminal import pass_on, say


@click.command()
@click.argument("run", type=click.Path())
@click.option("--data", metavar="FILE", required=True, help="Table to predict for, csv or parquet.")
@click.option("--output", metavar="FILE", help="Where to write: .csv or .parquet (stdout: csv).")
def predict(run: str, data: str, output: str | None) -> None:
    """Predict with the model of RUN, a row for every row of FILE in the same order.

    The output has one column, predicted_TARGET, for each target.
    """
    from tftrain.data.tables import check_writable, write_table
    from tftrain.runs import load_run

    opened = load_run(run)
    if output:
        check_writable(output)
    frame = opened.read_table(data)
    load_tensorflow()
    with naming(data):
        predictions = opened.predict_table(frame)
    if output:
        write_table(predictions, output)
        say(f"{len(predictions):,} predictions: {output}", err=True)
    else:
        pass_on(predictions.to_csv(index=False))
