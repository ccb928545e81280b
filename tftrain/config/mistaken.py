"""What people name in place of a config: a table, or a folder."""

import shlex
from pathlib import Path

TABLE_ENDINGS = frozenset(
    [
        *(".csv", ".tsv", ".tab", ".psv", ".parquet", ".pq", ".feather", ".arrow", ".orc"),
        *(".xls", ".xlsx", ".ods", ".jsonl", ".ndjson"),
        *(".gz", ".bz2", ".zst", ".lz4", ".xz", ".zip"),
    ]
)
"""Endings of tables and of compressed files, none of which is a config."""

TABLE_MAGIC = (
    b"PAR1",
    b"ARROW1",
    b"PK\x03\x04",  # zip, and so xlsx
    b"\x1f\x8b",
    b"BZh",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"\xfd7zXZ\x00",
)
"""First bytes of the same files."""

ROWS = 5
"""Lines that show whether a text is a table."""


def is_table(path: Path, start: bytes) -> bool:
    """Return whether the name of a file or its first bytes are those of a table."""
    ending = path.suffix.lower()
    if ending in (".yaml", ".yml"):
        return False
    return ending in TABLE_ENDINGS or start.startswith(TABLE_MAGIC)


def has_rows(text: str) -> bool:
    """Return whether the first lines of a text have equally many delimiters, and no key."""
    lines = [line for line in text[:100_000].splitlines() if line.strip() and line[0] != "#"]
    if len(lines := lines[:ROWS]) < 2 or any(": " in line or line.endswith(":") for line in lines):
        return False
    counts = [{line.count(mark) for line in lines} for mark in ",;\t|"]
    return any(len(found) == 1 and found != {0} for found in counts)


def table_in_place_of_a_config(path: Path) -> str:
    """Return what is wrong with a table that was named as a config, and the remedy."""
    return (
        f"{path}: is a table, not a config; `tftrain init {shlex.quote(str(path))} "
        "--target COLUMN` writes a config for it"
    )


def folder_in_place_of_a_config(folder: Path) -> str:
    """Return what is wrong with a folder that was named as a config, and the remedy."""
    configs = sorted(folder.glob("*.y*ml"))
    if not configs:
        remedy = "it holds no YAML file; `tftrain init DATA --target COLUMN` writes one for a table"
    else:
        remedy = f"name a config in it, such as {configs[0]}"
    return f"{folder}: cannot be read: is a folder; {remedy}"
