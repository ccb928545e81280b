"""The limits on a process's memory, as Linux, containers and shells set them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tftrain import memory
from tftrain.errors import OutOfMemoryError
from tftrain.memory import Limit, Need

GIB = 1 << 30
NONE = 9223372036854771712
"""What version 1 of control groups shows where there is no limit."""


def system(root: Path, cgroup: str = "", swap: int = 0, **limits: object) -> Path:
    """Write the files in which Linux describes itself; keys are paths with `__` for `/`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    (root / "proc/meminfo").write_text(f"MemTotal: 9 kB\nSwapTotal:   {swap // 1024} kB\n")
    for name, value in limits.items():
        file = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
    return root


@pytest.fixture(autouse=True)
def _large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_physical", lambda: 100 * GIB)
    monkeypatch.setattr(memory, "_ulimit", lambda name: sys.maxsize)


V1, V2 = "7:cpu:/\n4:memory:/a/b\n0::/", "0::/a/b\n"
FIRST = "memory__"


@pytest.mark.parametrize(
    ("cgroup", "limits", "gibibytes"),
    [
        (V2, {}, 100),
        (V2, {"memory_dot_max": "max"}, 100),
        (V2, {"memory_dot_max": 4 * GIB}, 4),  # a container that sees itself as the root
        ("", {"memory_dot_max": 4 * GIB}, 4),
        (V2, {"a__b__memory_dot_max": 4 * GIB, "a__memory_dot_max": 6 * GIB}, 4),
        (V2, {"a__b__memory_dot_max": "max", "a__memory_dot_max": 6 * GIB}, 6),  # nested
        (V2, {"b__memory_dot_max": 6 * GIB}, 100),  # of somebody else
        (V1, {f"{FIRST}memory_dot_limit_in_bytes": NONE}, 100),
        (V1, {f"{FIRST}a__b__memory_dot_limit_in_bytes": 3 * GIB}, 3),
        (V1, {f"{FIRST}a__memory_dot_limit_in_bytes": 5 * GIB}, 5),
        ("4:memory,hugetlb:/docker/1\n", {f"{FIRST}memory_dot_limit_in_bytes": 2 * GIB}, 2),
        ("0::/../../c\n", {"memory_dot_max": 4 * GIB}, 4),
        ("nonsense", {"memory_dot_max": "many"}, 100),
    ],
)
def test_the_lowest_of_nested_groups_counts(
    tmp_path: Path, cgroup: str, limits: dict[str, object], gibibytes: int
) -> None:
    found = memory.limit(system(tmp_path, cgroup, **limits))
    assert found.size == gibibytes * GIB
    assert found.place.startswith("this machine" if gibibytes == 100 else "the container")


@pytest.mark.parametrize(
    ("limits", "gibibytes"),
    [
        ({}, 110),
        ({"memory_dot_max": 4 * GIB}, 14),
        ({"memory_dot_max": 4 * GIB, "memory_dot_swap_dot_max": 0}, 4),
        ({"memory_dot_max": 4 * GIB, "memory_dot_swap_dot_max": 3 * GIB}, 7),
        ({f"{FIRST}memory_dot_limit_in_bytes": 4 * GIB}, 14),
        (
            {
                f"{FIRST}memory_dot_limit_in_bytes": 4 * GIB,
                f"{FIRST}memory_dot_memsw_dot_limit_in_bytes": 6 * GIB,
            },
            6,
        ),
    ],
)
def test_swap_counts_where_a_group_may_use_it(
    tmp_path: Path, limits: dict[str, object], gibibytes: int
) -> None:
    assert memory.limit(system(tmp_path, "", 10 * GIB, **limits)).size == gibibytes * GIB


def test_a_system_that_says_nothing_has_the_memory_of_the_machine(tmp_path: Path) -> None:
    assert memory.limit(tmp_path) == Limit(100 * GIB, "this machine has")


@pytest.mark.parametrize("letter", ["v", "d"])
def test_a_limit_of_the_shell_counts(letter: str) -> None:
    code = "from tftrain import memory; print(memory.limit())"
    command = f"ulimit -{letter} 500000; exec {sys.executable} -c '{code}'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == f"Limit(size=512000000, place='`ulimit -{letter}` allows')\n"


def test_the_largest_part_and_its_remedy_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "limit", lambda: Limit(5 * GIB, "this machine has"))
    small, large = Need(2 * GIB, "small things", "shrink them"), Need(3 * GIB, "rows", "drop some")
    memory.require("training", small, large)
    with pytest.raises(OutOfMemoryError) as caught:
        memory.require("training", small, large, Need(1, "a byte", "no"))
    assert str(caught.value) == (
        "out of memory: training needs at least 5.0 GiB, but this machine has 5.0 GiB. "
        "3.0 GiB of it are for rows: drop some"
    )
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (4e12, "3.6 TiB")],
)
def test_sizes_in_words(size: float, text: str) -> None:
    assert memory.in_words(size) == text
    assert memory.in_words(size * 1024**6).endswith(" PiB") or not size
