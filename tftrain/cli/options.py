"""Options that several commands have."""

import click

set_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override one value of the config, e.g. optimizer.learning_rate=0.01. May be repeated.",
)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout, all else on stderr."
)
