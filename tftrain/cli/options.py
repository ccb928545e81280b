"""Options that several commands have."""

import click

set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override one value of the config, e.g. optimizer.learning_rate=0.01. May be repeated.",
)

source_option = click.option(
    "--set",
    "overrides",
    metavar="data.source.KEY=VALUE",
    multiple=True,
    help="How the table is written, e.g. data.source.delimiter=; where it is not found. May be "
    "repeated.",
)

force_option = click.option(
    "--force",
    is_flag=True,
    help="Resume a run although its config has changed, where that is safe: more epochs, "
    "more patience, another way to compile, other threads.",
)

quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout, all else on stderr."
)

trust_option = click.option(
    "--trust",
    is_flag=True,
    help="The run is your own: load its model whatever it holds, and run the code that its config "
    "names (kind: custom).",
)
