"""Read broken and hostile configs and tables: each must be accepted or refused, and nothing else.

    python -m scripts.attack.fuzz configs --cases 100000
    python -m scripts.attack.fuzz tables --cases 5000
    python -m scripts.attack.fuzz absurd              # the worst tables, a line of 1 GiB among them

A finding is any exception that is not ours, a case that takes long, or one that takes much memory.
Each case is a pure function of its number: `--first N --cases 1 --keep FOLDER` makes it anew and
keeps its files.
"""

import argparse
import copy
import faulthandler
import gzip
import io
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet
from ruamel.yaml import YAML

from tftrain import memory
from tftrain.config import load_config
from tftrain.config.loading import config_text
from tftrain.data.sources import read_table
from tftrain.errors import InputError, TftrainWarning
from tftrain.experiment.prepare import describe, prepare
from tftrain.experiment.propose import propose
from tftrain.terminal import printable

ROOT = Path(__file__).parents[2]

SECONDS = 60.0
"""A case that computes longer is a finding; one that takes ten times as long ends the process."""

MEGABYTES = 1500
"""Most memory growth allowed per case."""

MEMORY = 2 << 30
"""Bytes that the machine is said to have, for the absurd tables."""

FULL = """\
name: full
seed: 3
data:
  source: {kind: csv, path: t.csv, delimiter: ";", decimal: ",", missing_values: ["?", -999]}
  target: [y, z]
  features: {exclude: [id, "split_*"]}
  weight: w
  split: {kind: column, column: part, validation: 0.2}
  preprocess: {numeric: robust, missing: median, categorical: [k], max_categories: 9}
model:
  kind: mlp
  hidden: [8, 16]
  activation: [gelu, tanh]
  initializer: {kind: uniform, range: 0.1}
  precision: full
loss: {kind: huber, delta: 0.5, l2: 0.001}
optimizer:
  kind: sgd
  learning_rate: 1e-3
  momentum: 0.9
  schedule: {kind: cosine, warmup: 5, epochs: 50}
  clip_norm: 1.5
training:
  epochs: 500
  batch_size: full
  early_stopping: {patience: 50, min_delta: 0.0}
  convergence: {relative_change: 1e-6, patience: 2}
  threads: {intra_op: 2, inter_op: 1}
output: {directory: runs, tensorboard: false}
"""

WORDS = (
    """
!!python/object/apply:os.system ["touch hacked"]|!!python/name:os.system|!!python/object:os.x {}
!!binary "x"|!!set {a}|!!bool maybe|!!int ""|!!float ""|!!timestamp now|!!null x|!x y|!<tag:y> z
&a [*a]|*a|&a b|<<: {a: 1}|? [a]|- - - -|{{{{|[[[[|%YAML 1.1|%YAML 9.9|%TAG ! tag:x|---|...|\t
.nan|.inf|-.inf|1e999|-1e999|1e-999|0x10|0o17|0b101|1_000|9223372036854775808|-1|0|1.5|+1|1:30|~
2026-13-45|2026-01-01|0001-01-01T00:00:00+23:59|9999-12-31T23:59:59-23:59|null|true|no|on|''|""
../../../etc/passwd|/etc/passwd|/dev/zero|~nobody/x|~/x|a\0b|"a\\0b"|**/**/*|*|[|t.csv|http://x/y
"\\ud800"|"\\U0010ffff"|\u202eabc|\ufeff|\u2028|\x1b[31m|"\\e[31m\\a"|é|ﬀ|İ|ß|\u0000|🙂|²|\u0663|a.b.c
hex|rot13|idna|punycode|unicode_escape|undefined|utf-16|zlib_codec|=cmd|<script>|{|}|[|]|,|:|#|&
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

KEYS = """
name seed data source kind path delimiter decimal encoding missing_values dataset target features
quote escape comment header skip_rows
exclude weight split column validation train test by preprocess numeric missing categorical
max_categories model hidden activation output_activation bias initializer range stddev dtype
precision loss delta l2 optimizer learning_rate momentum nesterov schedule warmup every decay
epochs final clip_value clip_norm beta_1 epsilon rho weight_decay training batch_size shuffle
validate_every early_stopping patience min_delta convergence gradient_norm relative_change
time_budget compile threads intra_op inter_op output directory tensorboard
"""


class Hostile:
    """Draws what is broken: a pure function of a seed.

    Args:
        seed: number of the case.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def scalar(self) -> Any:
        """Return a value that is odd at most places."""
        draw = self.random
        return draw.choice(
            [
                None, True, False, 0, -1, 1, 3, 2**31, 2**63, 2**64, 10**4000, -(10**30), 0.5,
                1e308, 1e-308, float("nan"), float("inf"), "", " ", "x", "csv", "mlp", "full",
                "adam", "a" * draw.choice([1, 300] * 20 + [70_000]), "\x1b[2J", "../x", "a\nb",
                "=1+1", "\u0661", draw.choice(WORDS),
            ]
        )  # fmt: skip

    def value(self, depth: int = 0) -> Any:
        """Return a scalar, or a list or a section of values."""
        draw = self.random
        kind = draw.random()
        if depth > 3 or kind < 0.6:
            return self.scalar()
        if kind < 0.8:
            return [self.value(depth + 1) for _ in range(draw.choice([0, 1, 2, 5]))]
        if kind < 0.98:
            return {self.key(): self.value(depth + 1) for _ in range(draw.choice([0, 1, 3]))}
        if kind < 0.99:
            return [draw.choice([1, "a"])] * draw.choice([300] * 30 + [30_000])
        nested: Any = 1
        for _ in range(draw.choice([10, 30, 300])):
            nested = [nested] if draw.random() < 0.5 else {"data": nested}
        return nested

    def key(self) -> str:
        """Return a key, mostly one that there is."""
        draw = self.random
        if draw.random() < 0.7:
            return draw.choice(KEYS.split())
        return str(draw.choice([draw.choice(WORDS), "", "0", "a" * 1000, "lerning_rate", "\x07"]))

    def structure(self, value: Any) -> Any:
        """Change one place of a nested value; return the whole."""
        draw = self.random
        places: list[tuple[Any, Any]] = []

        def visit(node: Any) -> None:
            for key in node if isinstance(node, dict) else range(len(node)):
                places.append((node, key))
                if isinstance(node[key], (dict, list)):
                    visit(node[key])

        visit(value)
        if not places:
            return value
        node, key = draw.choice(places)
        match draw.randrange(5):
            case 0:
                node[key] = self.value()
            case 1 if isinstance(node, dict):
                node[self.key()] = node.pop(key)
            case 2 if isinstance(node, dict):
                node[self.key()] = self.value()
            case 3:
                other, place = draw.choice(places)
                node[key], other[place] = other[place], node[key]
            case _:
                del node[key]
        return value

    def text(self, text: str) -> str:
        """Change a text in places."""
        draw = self.random
        for _ in range(draw.choice([1, 1, 2, 5])):
            at = draw.randrange(len(text) + 1)
            to = min(len(text), at + draw.choice([0, 1, 3, 30]))
            match draw.randrange(6):
                case 0:
                    new = draw.choice(WORDS)
                case 1:
                    new = chr(draw.choice([*range(160), 0x2028, 0xFEFF, 0xFFFE, 0x1F642]))
                case 2:
                    start = draw.randrange(len(text) + 1)
                    new = text[start : start + draw.choice([5, 40, 200])]
                case 3:
                    new = draw.choice("[{:-?&*!|>'\"%@`#,]} \t\n") * draw.choice(
                        [1, 2, 40] * 9 + [3000]
                    )
                case 4:
                    new = f"\n{self.key()}: {draw.choice(WORDS)}\n"
                case _:
                    new = ""
            text = text[:at] + new + text[to:]
        return text

    def changed(self, given: bytes) -> bytes:
        """Change some bytes."""
        draw = self.random
        raw = bytearray(given)
        for _ in range(draw.choice([1, 1, 3, 20])):
            at = draw.randrange(len(raw) + 1)
            match draw.randrange(4):
                case 0:
                    raw[at : at + 1] = bytes([draw.randrange(256)])
                case 1:
                    raw[at:at] = draw.randbytes(draw.choice([1, 4, 100]))
                case 2:
                    del raw[at : at + draw.choice([1, 10, 1000])]
                case _:
                    raw[at : at + 4] = draw.choice([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"])
        return bytes(raw)


def configs_to_break() -> list[tuple[str, Any]]:
    """Return the texts that mutations start from, each with its value."""
    shipped = [path.read_text() for path in sorted((ROOT / "configs").glob("*.yaml"))]
    return [(text, YAML(typ="safe", pure=True).load(text)) for text in (FULL, *shipped)]


def broken_config(seed: int, texts: list[tuple[str, Any]]) -> tuple[bytes, list[str]]:
    """Return the bytes of a config file and overrides."""
    hostile = Hostile(seed)
    draw = hostile.random
    text, value = draw.choice(texts)
    if draw.random() < 0.5:
        value = copy.deepcopy(value)
        for _ in range(draw.choice([1, 1, 2, 4])):
            value = hostile.structure(value)
        out = io.StringIO()
        limit = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(0)
        YAML(typ="safe", pure=True).dump(value, out)
        sys.set_int_max_str_digits(limit)
        text = out.getvalue()
    if draw.random() < 0.6:
        text = hostile.text(text)
    raw = text.encode("utf-8", "surrogatepass")
    if draw.random() < 0.2:
        raw = hostile.changed(raw)
    overrides = []
    while draw.random() < 0.3:
        path = ".".join(hostile.key() for _ in range(draw.choice([1, 2, 3, 3, 50])))
        overrides.append(f"{path}{draw.choice(['=', '=', '=', '', '=='])}{draw.choice(WORDS)}")
    return raw, overrides


def check_config(folder: Path, raw: bytes, overrides: list[str]) -> None:
    """Load a config that was written to a file; what is accepted must load again as it is."""
    path = folder / "c.yaml"
    path.write_bytes(raw)
    config = attempt(lambda: load_config(path, overrides))
    if isinstance(config, InputError):
        raise config
    (folder / "again.yaml").write_text(config_text(config), encoding="utf-8")
    assert load_config(folder / "again.yaml") == config, "accepted, but another one when read again"
    assert Path(config.name).name == config.name, "the name of a run leaves its folder"


def good_table(rows: int = 60) -> pd.DataFrame:
    """Return a table with columns of all kinds."""
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2024-02-29") + pd.to_timedelta(np.arange(rows), "D")
    return pd.DataFrame(
        {
            "n": rng.integers(-9, 9, rows),
            "x": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)).round(3),
            "word": rng.choice(["a", 'b "c"', "d,e", "ü", "two\nlines"], rows),
            "flag": rng.random(rows) < 0.5,
            "day": day.strftime("%Y-%m-%d"),
            "part": rng.choice(["train", "test"], rows),
            "y": rng.normal(size=rows).round(4),
        }
    )


HEADERS = [
    "", " ", "a", "A", "x", "y", "y ", "=1+1", "@SUM(A1)", "-2+3", "+1",
    "<script>alert(1)</script>", "[red]x[/red]", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07",
    "../../x", "/etc/passwd", "a/b", "a\\b", "\0", "a\0b", "\u202egnp", "\ufeff", "\ufffd", "\n",
    "a\nb: 1\nc", "# x", "- x", "null", "true", "1", "1e5", "n" * 300, "n" * 20_000, "é",
    "e\u0301", "🙂", "$rows", "%s", "{0}", "*", "split_*", "__index_level_0__", "self", "columns",
]  # fmt: skip
CELLS = [
    "", "NA", "nan", "inf", "-inf", "1e999", "1e-999", "0x10", "1_000", "1,5", "1.2.3", "?", "-",
    "true", "2024-02-30", "9999-12-31", "0000-00-00", "24:00:00", '"', '""', "'", "\\", "\0",
    "a" * 9000, "1" * 400, "9223372036854775808", "-9223372036854775809", "=cmd|' /C calc'!A0",
    "\x1b[2J", "é", "\u0661",
]  # fmt: skip


def dialect(draw: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return how a table is written, seldom the usual way, and options with which it is read."""
    if draw.random() < 0.5:
        return {}, {}
    written: dict[str, Any] = {
        "sep": draw.choice([",", ";", "\t", "|", " "]),
        "decimal": draw.choice([".", ","]),
    }
    form: dict[str, Any] = {"delimiter": written["sep"], "decimal": written["decimal"]}
    if draw.random() < 0.3:
        form["quote"] = written["quotechar"] = "'"
    if draw.random() < 0.2:
        form["escape"] = written["escapechar"] = "\\"
        written["doublequote"] = False
    if draw.random() < 0.2:
        form["header"] = written["header"] = False
    if written["sep"] == " " and draw.random() < 0.7:
        form["delimiter"] = "blanks"
    if draw.random() < 0.2:
        form["comment"] = draw.choice(["#", "//", "%"])
    if draw.random() < 0.1:
        form["skip_rows"] = draw.choice([1, 2, 1000])
    return written, {key: value for key, value in form.items() if draw.random() < 0.95}


ABOVE = [
    "sep=;", "# made by hand", "#", "// x,y", "Report of 2024", "", "\ufeff", "'", '"', "a;b;c",
    "% relation", "@relation t", "{", "[[1,2]]", "<html>", "<?xml", "PAR1\x15", "ORC\0",
    "PK\x03\x04",
]  # fmt: skip
"""Lines that stand above a table, or take it for another format."""


def broken_csv(hostile: Hostile) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of a CSV file, and the format with which it is read."""
    draw = hostile.random
    written, dialect_form = dialect(draw)
    lines = good_table().to_csv(index=draw.random() < 0.1, **written).splitlines()
    if draw.random() < 0.5:
        names = lines[0].split(",")
        for _ in range(draw.choice([1, 1, 3])):
            names[draw.randrange(len(names))] = draw.choice(HEADERS)
        quote = '"' if draw.random() < 0.8 else ""
        lines[0] = ",".join(quote + name + quote for name in names)
    for _ in range(draw.choice([0, 1, 3])):
        at = draw.randrange(1, len(lines))
        cells = lines[at].split(",")
        cells[draw.randrange(len(cells))] = draw.choice(CELLS)
        lines[at] = ",".join(cells)
    if draw.random() < 0.15:
        for _ in range(draw.choice([1, 1, 2])):
            above = draw.choice(ABOVE)
            lines.insert(draw.choice([0, 0, 0, 1, len(lines) // 2]), above)
    end = draw.choice(["\n", "\n", "\r\n", "\r"])
    text = "".join(line + (draw.choice(["\n", "\r\n", "\r"]) if draw.random() < 0.02 else end)
                   for line in lines)  # fmt: skip
    encoding = draw.choice(
        ["utf-8"] * 9 + ["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1", "utf-7"]
    )
    raw = text.encode(encoding, "replace")
    if draw.random() < 0.5:
        raw = hostile.changed(raw)
    form = dialect_form
    if draw.random() < 0.3:
        form |= {"encoding": draw.choice([encoding, "cp1252", "ascii", "utf-16", "utf-8-sig"])}
    if draw.random() < 0.1:
        form["delimiter"] = draw.choice([";", "\t", "|", " ", "\x01", "a", "."])
    if draw.random() < 0.1:
        form["missing_values"] = ["?", "-"]
    if draw.random() < 0.1:
        form["decimal"] = ","
    return raw, form


def odd_parquet(draw: random.Random) -> pa.Table:
    """Return an Arrow table of columns that are seldom seen."""
    rows = draw.choice([0, 1, 30])
    values = {
        "y": pa.array(np.arange(rows, dtype=float)),
        "x": pa.array(np.arange(rows, dtype=draw.choice(["int8", "uint64", "float32"]))),
    }
    days = pa.array([draw.choice([0, -719_162, 2_932_896, None, 2**31 - 1])] * rows, pa.int32())
    ticks = pa.array([draw.choice([0, 2**62, -(2**62), None])] * rows, pa.int64())
    odd = {
        "list": lambda: pa.array([[1, 2]] * rows),
        "struct": lambda: pa.array([{"a": 1}] * rows),
        "map": lambda: pa.array([[("k", 1)]] * rows, pa.map_(pa.string(), pa.int64())),
        "bytes": lambda: pa.array([b"\xff\xfe"] * rows),
        "date": lambda: days.cast(pa.date32()),
        "moment": lambda: ticks.cast(pa.timestamp(draw.choice(["s", "ms", "us", "ns"]))),
        "zoned": lambda: ticks.cast(pa.timestamp("us", draw.choice(["UTC", "+05:30", "Mars/X"]))),
        "duration": lambda: ticks.cast(pa.duration("us")),
        "time": lambda: pa.array([86_399_999_999] * rows, pa.int64()).cast(pa.time64("us")),
        "decimal": lambda: pa.array([10**30] * rows, pa.decimal256(60, 4)),
        "category": lambda: pa.array(["a", None, "b"][:rows] * (rows // 3)).dictionary_encode(),
        "null": lambda: pa.nulls(rows),
        "half": lambda: pa.array(np.arange(rows, dtype=np.float16)),
        "broken text": lambda: pa.Array.from_buffers(
            pa.string(), rows, pa.array([b"\xff"] * rows, pa.binary()).buffers()
        ),
    }
    for name in draw.sample(sorted(odd), draw.choice([1, 2, 4])):
        column = odd[name]()
        if len(column) == rows:
            values[name if draw.random() < 0.7 else draw.choice(HEADERS)] = column
    return pa.table(list(values.values()), names=list(values))


def broken_parquet(hostile: Hostile) -> bytes:
    """Return the bytes of a Parquet file."""
    draw = hostile.random
    table = pa.Table.from_pandas(good_table()) if draw.random() < 0.5 else odd_parquet(draw)
    out = io.BytesIO()
    compression = draw.choice(["none", "snappy", "gzip", "zstd"])
    try:
        parquet.write_table(table, out, compression=compression)
    except pa.ArrowException:  # not all that Arrow can hold can be written
        return broken_parquet(hostile)
    return hostile.changed(out.getvalue()) if draw.random() < 0.7 else out.getvalue()


def broken_table(seed: int) -> tuple[str, bytes, dict[str, Any]]:
    """Return the name and the bytes of a table, and how it is read."""
    hostile = Hostile(seed)
    if hostile.random.random() < 0.35:
        return "t.parquet", broken_parquet(hostile), {}
    raw, form = broken_csv(hostile)
    if hostile.random.random() < 0.05:
        raw = gzip.compress(raw)
        return "t.csv.gz", hostile.changed(raw) if hostile.random.random() < 0.7 else raw, form
    return "t.csv", raw, form


def check_table(folder: Path, name: str, raw: bytes, form: dict[str, Any]) -> None:
    """Read, check and describe a table, and propose a config for it."""
    path = folder / name
    path.write_bytes(raw)
    kind = "parquet" if name.endswith("parquet") else "csv"
    outcomes: list[Any] = []
    for split in ("fractions", {"kind": "column", "column": "part"}):
        source = {"kind": kind, "path": str(path), **form}
        features = {"exclude": ["part"]} if split == "fractions" else "auto"
        data = {"source": source, "target": "y", "features": features, "split": split}
        outcomes.append(attempt(partial(_prepared, data)))
    outcomes.append(attempt(lambda: _proposed(path, folder)))
    if kind == "csv" and set(form) <= {"encoding"}:
        frame = attempt(lambda: read_table(path, **form))
        if isinstance(frame, pd.DataFrame) and not frame.attrs.get("unnamed"):
            _compare_with_pandas(frame, path, form)
            outcomes.append("compared with pandas")
    if all(isinstance(outcome, InputError) for outcome in outcomes):
        raise outcomes[0]


def _prepared(data: dict[str, Any]) -> dict[str, Any]:
    facts = describe(prepare(load_config({"data": data})))
    assert facts["features"] > 0
    return facts


def _proposed(path: Path, folder: Path) -> None:
    """The proposed config must say what was found, whatever the columns are called."""
    text = propose(path, ["y"], folder)
    (folder / "proposed.yaml").write_text(text, encoding="utf-8")
    config = load_config(folder / "proposed.yaml")
    assert config.data.target == ["y"]
    assert config.output.directory == "runs"
    prepare(config)


def _compare_with_pandas(frame: pd.DataFrame, path: Path, form: dict[str, Any]) -> None:
    """Compare names, number of rows and numeric columns with what pandas reads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = pd.read_csv(path, encoding=form.get("encoding", "utf-8"), skip_blank_lines=True)
    except (ValueError, pd.errors.ParserError, UnicodeError):
        return  # pandas refuses what Arrow can read, or gives double names a number
    if list(frame.columns) != list(other.columns) or len(frame) != len(other):
        raise AssertionError(f"pandas reads {other.shape} {list(other)[:9]}, we {frame.shape}")
    for name in frame.columns:
        if all(pd.api.types.is_float_dtype(table[name]) for table in (frame, other)):
            np.testing.assert_allclose(frame[name], other[name], rtol=1e-12)


def attempt(action: Callable[[], Any]) -> Any:
    """Return what an action gives, or the error with which it refuses."""
    try:
        return action()
    except InputError as error:
        refusal = error
    assert str(refusal), "an error without a message"
    assert len(str(refusal)) < 100_000, "an endless message"
    printable(str(refusal)).encode("utf-8")
    return refusal


Absurd = tuple[str, Callable[[Path], Any]]
"""The name of a table, and a function that writes it."""


def absurd_tables() -> Iterator[Absurd]:
    """Yield the name of each absurd table, and a function that writes it."""

    def text(name: str, content: str) -> Absurd:
        return name, lambda path: path.write_text(content, encoding="utf-8")

    def repeated(name: str, start: bytes, piece: bytes, total: int) -> Absurd:
        def write(path: Path) -> None:
            with path.open("wb") as file:
                file.write(start)
                for _ in range(total // len(piece)):
                    file.write(piece)

        return name, write

    def bomb(path: Path) -> None:
        with gzip.open(path, "wb", 1) as file:
            file.write(b"x,y\n")
            for _ in range(64):
                file.write(b"1,2\n" * (1 << 22))

    def few_bytes_many_rows(path: Path) -> None:
        rows = 10**7
        table = pa.table({"x": np.zeros(rows, np.int8), "y": np.zeros(rows, np.int8)})
        with parquet.ParquetWriter(path, table.schema) as writer:
            for _ in range(15):
                writer.write_table(table, row_group_size=rows)

    names = ",".join(f"c{i}" for i in range(10_000))
    rows = "\n".join(",".join(str(i * j % 7) for j in range(10_000)) for i in range(20))
    yield text("10,000 columns", f"{names}\n{rows}\n")
    yield text("10,000 columns of text", f"{names}\n" + rows.replace("1", "a") + "\n")
    splits = ",".join(f"s_{i}_{i % 3}" for i in range(3000))
    parts = "".join(f"{['train', 'test'][i % 2]}," * 3000 + f"{i % 7}\n" for i in range(20))
    yield text("3,000 split columns", f"{splits},y\n{parts}")
    yield text("10,000 empty names", "," * 10_000 + "\n" + "1," * 10_000 + "1\n")
    yield text("10,000 equal names", "a," * 10_000 + "a\n" + "1," * 10_000 + "1\n")
    yield repeated("a million columns", b"", b"a,", 2_000_000)
    yield repeated("line of 1 GiB", b"", b"a" * (1 << 20), 1 << 30)
    yield repeated("header of 1 GiB", b"", b"a,bc," * (1 << 18), 1 << 30)
    yield repeated("quoted line of 1 GiB", b'"', b"a" * (1 << 20), 1 << 30)
    yield repeated("record of 1 GiB over many lines", b"", b'"\n",' * (1 << 18), 1 << 30)
    yield repeated("row of 1 GiB", b"x,y\n1,2\n", b"3" * (1 << 20), 1 << 30)
    yield repeated("row of 1 GiB of values", b"x,y\n1,2\n", b"3," * (1 << 19), 1 << 30)
    yield repeated("1 GiB of nothing", b"x,y\n1,2\n", b"\0" * (1 << 20), 1 << 30)
    yield "bomb.csv.gz", bomb
    yield "bomb.parquet", few_bytes_many_rows


class Findings:
    """Runs cases, counts how they end, and prints what must not be.

    Args:
        keep: folder where the files of a finding go.
    """

    def __init__(self, keep: Path | None) -> None:
        self.keep = keep
        self.ends: Counter[str] = Counter()
        self.slowest = (0.0, "")
        self.largest = (0.0, "")

    def run(self, case: str, folder: Path, action: Callable[[], None]) -> None:
        """Run a case in its empty folder."""
        faulthandler.dump_traceback_later(10 * SECONDS, exit=True)
        before, began = peak_megabytes(), time.process_time()
        try:
            action()
            end = "accepted"
        except InputError:
            end = "refused"
        except BaseException as error:
            end = type(error).__name__
            self.report(case, folder, traceback.format_exc(limit=-4))
            if isinstance(error, KeyboardInterrupt):
                raise
        faulthandler.cancel_dump_traceback_later()
        seconds, grown = time.process_time() - began, peak_megabytes() - before
        self.slowest = max(self.slowest, (seconds, case))
        self.largest = max(self.largest, (grown, case))
        if seconds > SECONDS or grown > MEGABYTES:
            end = "slow" if seconds > SECONDS else "large"
            self.report(case, folder, f"{seconds:.1f} s, {grown:.0f} MB")
        if [path.name for path in folder.parent.iterdir()] != [folder.name]:
            end = "outside"
            self.report(case, folder, "something was written outside of the folder")
        self.ends[end] += 1

    def report(self, case: str, folder: Path, what: str) -> None:
        """Print a finding and keep its files."""
        print(f"FINDING in {case}:\n{printable(what)}", flush=True)
        if self.keep:
            shutil.copytree(folder, self.keep / case.replace(" ", "_"), dirs_exist_ok=True)

    def tell(self, what: str, began: float) -> int:
        """Print the counts."""
        ends = ", ".join(f"{count:,} {end}" for end, count in self.ends.most_common())
        findings = sum(count for end, count in self.ends.items() if end not in FINE)
        print(f"{sum(self.ends.values()):,} {what}: {ends}; {findings} findings")
        slow, large = self.slowest, self.largest
        print(
            f"{time.monotonic() - began:.0f} s; slowest {slow[0]:.2f} s ({slow[1]}), memory grew "
            f"most by {large[0]:.0f} MB ({large[1]}), peak {peak_megabytes():.0f} MB"
        )
        return findings


FINE = ("accepted", "refused")


def peak_megabytes() -> float:
    """Return the most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _limit(root: Path = Path("/")) -> memory.Limit:
    return memory.Limit(MEMORY, "the fuzzer has")


def main() -> None:
    """Run the cases and print the counts."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("what", choices=["configs", "tables", "absurd"])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    options = parser.parse_args()
    warnings.simplefilter("ignore", TftrainWarning)
    findings, texts = Findings(options.keep), configs_to_break()
    numbers = range(options.first, options.first + options.cases)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "case"

        def run(case: str, action: Callable[[], None]) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            os.chdir(folder)
            findings.run(case, folder, action)

        if options.what == "absurd":
            memory.limit = _limit
            for name, write in absurd_tables():
                file = folder / (name if "." in name else f"{name.replace(' ', '_')}.csv")

                run(name, partial(check_absurd, file, write, folder))
                print(f"{name}: peak so far {peak_megabytes():.0f} MB", flush=True)
        for number in numbers if options.what != "absurd" else ():
            if options.what == "configs":
                raw, overrides = broken_config(number, texts)
                run(f"case {number}", partial(check_config, folder, raw, overrides))
            else:
                name, raw, form = broken_table(number)
                run(f"case {number}", partial(check_table, folder, name, raw, form))
            if (number + 1) % 5000 == 0:
                print(f"{number + 1:,} cases, {time.monotonic() - began:.0f} s", flush=True)
        os.chdir(ROOT)
    sys.exit(1 if findings.tell(options.what, began) else 0)


def check_absurd(file: Path, write: Callable[[Path], Any], folder: Path) -> None:
    """Write a table, read it, and propose a config for it; raise the first refusal."""
    write(file)
    kind = "parquet" if file.suffix == ".parquet" else "csv"
    target = "c9999" if file.name.startswith("10,000_columns") else "y"
    data = {"source": {"kind": kind, "path": str(file)}, "target": target}
    outcomes = [attempt(lambda: _prepared(data)), attempt(lambda: propose(file, [target], folder))]
    for outcome in outcomes:
        print("  ", printable(str(outcome))[:200].replace("\n", " | "), flush=True)
        if isinstance(outcome, InputError):
            raise outcome


if __name__ == "__main__":
    main()
