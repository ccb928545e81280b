"""`tftrain predict`."""

import click

from tftrain.cli.load import load_tensorflow
from tftrain.cli.options import source_option, trust_option
from tftrain.errors import naming
from tftrain.terminal import pass_on, say


@click.command()
@click.argument("run", type=click.Path())
@click.option(
    "--data",
    metavar="FILE",
    required=True,
    help="Table to predict for, csv or parquet; - is standard input.",
)
@click.option(
    "--output", metavar="FILE", help="Where to write: .csv or .parquet; by default, or -, stdout."
)
@click.option(
    "--keep",
    metavar="COLUMN",
    multiple=True,
    help="Column of FILE to write in front of the predictions, unchanged. May be repeated.",
)
@source_option
@click.option("--force", is_flag=True, help="Overwrite the output if it exists.")
@trust_option
def predict(
    run: str,
    data: str,
    output: str | None,
    keep: tuple[str, ...],
    overrides: tuple[str, ...],
    force: bool,
    trust: bool,
) -> None:
    """Predict with the model of RUN, a row for every row of FILE in the same order.

    The output has the columns to keep and one column, predicted_TARGET, for each target.
    """
    from tftrain.data.output import check_writable, write_table
    from tftrain.runs import load_run
    from tftrain.runs.reading import files_read, read_for

    opened = load_run(run, trust=trust)
    to_file = output if output != "-" else None
    if to_file:
        check_writable(to_file, files_read(data), force)
    frame, kept = read_for(opened, data, overrides, keep)
    load_tensorflow()
    with naming(frame.attrs["place"]):
        predictions = opened.predict_table(frame, kept)
    if to_file:
        write_table(predictions, to_file)
        say(f"{len(predictions):,} predictions: {to_file}", err=True)
    else:
        pass_on(predictions.to_csv(index=False))
