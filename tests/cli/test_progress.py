"""The live bar, drawn for terminals of several widths."""

from io import StringIO

import pytest
from rich.console import Console

from tftrain.cli.progress import LiveProgress
from tftrain.training import EpochRecord

LOSS = 1.234567e-05
LONG = EpochRecord(
    epoch=9999,
    loss=LOSS,
    gradient_norm=None,
    validation_loss=LOSS,
    validation=None,
    steps=9,
    rows_per_second=12_345_678.0,
    seconds=9.0,
)


def drawn(width: int) -> str:
    """Return the bar in a terminal of a width, with its longest texts."""
    bar = LiveProgress()
    bar.on_start(epochs=10_000, steps=9, rows=99)
    bar.on_chunk(9999, 9, LOSS)
    bar.on_epoch(LONG)
    bar.on_end()
    console = Console(file=StringIO(), width=width)
    console.print(bar.progress.get_renderable())
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_time_left_is_never_cut(width: int) -> None:
    (line,) = drawn(width).splitlines()
    assert line.startswith("epoch 9999/10000 ")
    assert line.endswith(" -:--:--")
    assert len(line) == width


def test_the_bar_gives_way_to_all_else() -> None:
    text = "loss 1.235e-05  validation 1.235e-05  12,345,678 rows/s"
    assert text in drawn(120)
    assert text in drawn(85)
    assert text not in drawn(80)
