"""The first bytes of a file, which say what it is whatever it is called."""

import re
from pathlib import Path

from tftrain.errors import DataError

HEAD_BYTES = 4096
"""Bytes in which a file shows what it is."""

COMPRESSIONS = {
    ".gz": ("gzip", rb"\x1f\x8b\x08"),
    ".bz2": ("bz2", rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    ".zst": ("zstd", rb"\x28\xb5\x2f\xfd"),
    ".lz4": ("lz4", rb"\x04\x22\x4d\x18"),
}
"""By ending: the name and the first bytes of each compression that is read."""

PARQUET = rb"PAR1[\0-\x08\x0e-\x1f]"
"""The mark, and a byte that is no text: a column may be called PAR1."""

UNPACK = "unpack it first"
PANDAS = "write it as CSV or Parquet, in Python with pandas.{}(...).to_parquet(...)"
EXCEL = "save the sheet as CSV in the spreadsheet program, or in Python use " + (
    "pandas.read_excel(...).to_csv(..., index=False)"
)
ARROW = PANDAS.format("read_feather")

FOREIGN = (
    (PARQUET, "a Parquet file", "write kind: parquet in data.source"),
    (rb"PARE[\0-\x08\x0e-\x1f]", "an encrypted Parquet file", "write it without encryption"),
    (
        rb"PK\x03\x04.{26}(xl/|\[Content_Types\]|docProps/|_rels/)",
        "an Excel workbook (xlsx)",
        EXCEL,
    ),
    (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "a spreadsheet (ods)", EXCEL),
    (rb"PK(\x03\x04|\x05\x06)", "a zip archive", UNPACK),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (xls)", EXCEL),
    (rb"\xfd7zXZ\0", "an xz archive", "unpack it first (xz -d), or compress it with gzip"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (rb"Rar!\x1a\x07", "a rar archive", UNPACK),
    (rb"\x1f\x9d", "a compressed file (.Z)", UNPACK),
    (rb".{257}ustar[\0 ]", "a tar archive", UNPACK),
    (rb"ARROW1\0|FEA1\0", "a Feather (Arrow) file", ARROW),
    (rb"\xff\xff\xff\xff.{4}[\x04-\x20]\0\0\0", "an Arrow stream", ARROW),
    (rb"ORC.*\0", "an ORC file", PANDAS.format("read_orc")),
    (rb"Obj\x01", "an Avro file", "write it as CSV or Parquet"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", PANDAS.format("read_hdf")),
    (rb"CDF[\x01\x02\x05]", "a NetCDF file", "write it as CSV or Parquet"),
    (rb"MATLAB 5\.0 MAT-file", "a MATLAB file", "write it as CSV (writetable)"),
    (rb"\x93NUMPY", "a NumPy array", "write it as CSV, with numpy.savetxt"),
    (rb"SQLite format 3\0", "an SQLite database", PANDAS.format("read_sql")),
    (rb".{8}DUCK.\0{7}", "a DuckDB database", "write the table as Parquet (COPY ... TO)"),
    (
        rb"\x80[\x02-\x05]",
        "a pickle, which is a program and is never opened here",
        "write the DataFrame with to_parquet",
    ),
    (rb"[\x68-\x73][\x01\x02]\x01\0|<stata_dta>", "a Stata file", PANDAS.format("read_stata")),
    (rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*{7}", "a SAS file", PANDAS.format("read_sas")),
    (rb"\$FL[23]@\(#\)", "an SPSS file", PANDAS.format("read_spss")),
    (rb"RD[AX][23]\n[XA]\n|X\n\0\0\0[\x02\x03]", "an R data file", "use write.csv in R"),
    (rb"%PDF-\d", "a PDF document", "save the table as CSV"),
    (
        rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|\x7fELF|MZ.{58}\0",
        "a picture or a program",
        "name a table",
    ),
    (
        rb"(?i)\s*<(!doctype html|html|head|body|table)\b[^,;\t]*>",
        "an HTML page",
        "download the table itself, or write it as CSV, in Python with pandas.read_html(...)",
    ),
    (rb"\s*<\?xml", "an XML document", PANDAS.format("read_xml")),
    (rb"\s*(\{\s*(\"|\})|\[\s*(\{|\[|\]))", "JSON", PANDAS.format("read_json")),
    (rb"(?i)(%[^\n]*\n|\s)*@relation\b", "an ARFF file", "write it as CSV"),
)
"""Files that are not read as CSV: their first bytes, what they are, and what to do."""

_FOREIGN = [(re.compile(pattern, re.DOTALL), what, to_do) for pattern, what, to_do in FOREIGN]


def head_of(file: str) -> bytes:
    """Return the first bytes of a file, as they lie on the disk."""
    with open(file, "rb") as stream:
        return stream.read(HEAD_BYTES)


def require_csv(head: bytes, file: str) -> None:
    """Raise DataError where the first bytes of a file, unpacked, are those of another format."""
    start = head.removeprefix(b"\xef\xbb\xbf")
    for pattern, what, to_do in _FOREIGN:
        if pattern.match(start):
            raise DataError(f"{file}: is {what}, not a CSV table; {to_do}")


def is_parquet_file(file: str) -> bool:
    """Return whether a file begins like one of Parquet."""
    return re.match(PARQUET, head_of(file)) is not None


def compression_of(file: str) -> str | None:
    """Return the name of the compression of a file as its first bytes say, or None.

    Raises:
        DataError: it is not what its name says, or another format.
    """
    head = head_of(file)
    for name, pattern in COMPRESSIONS.values():
        if re.match(pattern, head):
            return name
    require_csv(head, file)
    if Path(file).suffix in COMPRESSIONS or Path(file).name in COMPRESSIONS:
        name = next(name for end, (name, _) in COMPRESSIONS.items() if file.endswith(end))
        name = "bzip2" if name == "bz2" else name
        raise DataError(f"{file}: is not a {name} file, though its name says so; rename it")
    return None
