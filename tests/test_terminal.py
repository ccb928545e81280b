"""What reaches the terminal: text, and nothing that commands it."""

import io

import pytest
from rich.cells import cell_len
from rich.table import Table

from tftrain.terminal import pass_on, printable, rendered, say, writable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\rb\x08c\x7f", r"a\rb\x08c\x7f"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("\u202egnp.exe\u2066\u200f", r"\u202egnp.exe\u2066\u200f"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\0\ud800", r"\x00\ud800"),
        ("é 漢字 🙂 ½\n\ttab", "é 漢字 🙂 ½\n\ttab"),
    ],
)
def test_controls_are_shown_and_letters_left(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_every_character_is_harmless_or_shown() -> None:
    everything = "".join(map(chr, range(0x110000)))
    left = printable(everything)
    controls = {chr(i) for i in (*range(32), *range(127, 160))} - {"\t", "\n"}
    assert not controls & set(left)
    left.encode("utf-8")  # raises where halves of characters are left
    assert set(map(chr, range(32, 127))) <= set(left)


def test_say(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1bb")
    say("c\x1bd", err=True)
    assert capsys.readouterr() == ("a\\x1bb\n", "c\\x1bd\n")


@pytest.mark.parametrize("terminal", [True, False])
def test_data_are_changed_in_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    pass_on("a\x1b,b\n1,2\n")
    assert capsys.readouterr().out == ("a\\x1b,b\n1,2\n" if terminal else "a\x1b,b\n1,2\n")


def test_nothing_in_a_table_is_markup() -> None:
    table = Table(title="[bold]title[/bold] :smile:")
    table.add_column("[red]name[/red]")
    table.add_row("[link=http://x]y[/link]")
    text = rendered(table)
    for part in ("[bold]title[/bold] :smile:", "[red]name[/red]", "[link=http://x]y[/link]"):
        assert part in text


ENCODINGS = [
    "cp1252",
    "latin-1",
    "cp437",
    "koi8-r",
    "ascii",
    "cp1251",
    "gb18030",
    "utf-8",
    "utf-16",
]
FOREIGN = "цена € ½ 漢\U0001f642"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_an_encoding_lacks_is_shown(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding))
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(raw, encoding))
    table = Table(title=FOREIGN)
    for heading in ("name", "a heading that is not short"):
        table.add_column(heading, justify="right")
    table.add_row(writable(FOREIGN), "q" * 200)
    say(rendered(table))
    say(FOREIGN)
    said = raw.getvalue().decode(encoding)
    say(FOREIGN, err=True)
    assert said.endswith(FOREIGN.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    unicode = encoding.startswith("utf")
    assert ("\u2501" in said, "+---" in said) == (unicode, not unicode)
    rows = [line for line in said.splitlines() if line.startswith("|")]
    assert len({cell_len(row) for row in rows}) <= 1
    assert (said.count("q") == 200) == (not unicode)  # what is cut would end in an ellipsis


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_data_for_programs_are_utf_8(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding))
    pass_on(f"{FOREIGN},\x1b\n1,2\n")
    assert raw.getvalue() == f"{FOREIGN},\x1b\n1,2\n".encode()
