"""What is installed is what was locked: every package with its hashes, and no other."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")


def requirements() -> list[str]:
    """Return each requirement of the lock with its options, on one line."""
    lines = LOCK.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def test_every_requirement_has_a_version_and_a_hash() -> None:
    assert len(requirements()) > 20
    for line in requirements():
        assert re.match(r"[a-z0-9._-]+==[^ ;]+( ;[^-]*)? +--hash=sha256:[0-9a-f]{64}", line), line


def test_no_requirement_comes_from_elsewhere() -> None:
    for word in (
        "://",
        "--index-url",
        "--extra-index-url",
        "--find-links",
        "--trusted-host",
        "-e ",
    ):
        assert word not in LOCK


def test_make_installs_by_hash_and_adds_nothing() -> None:
    installs = [line for line in MAKEFILE.splitlines() if "pip install" in line]
    of_the_lock = [line for line in installs if "requirements.lock" in line]
    assert len(of_the_lock) == 1
    assert "--require-hashes" in of_the_lock[0]
    of_ours = [line for line in installs if line not in of_the_lock and "[bench]" not in line]
    assert len(of_ours) == 1
    assert "--no-deps" in of_ours[0]
    assert "--no-build-isolation" in of_ours[0]


def test_pip_refuses_what_has_another_hash(tmp_path: Path) -> None:
    """A package of the same name and version, but with other bytes, is not installed."""
    wheel = tmp_path / "absent-1.0-py3-none-any.whl"
    shutil.make_archive(str(tmp_path / "absent"), "zip", tmp_path, ".")
    (tmp_path / "absent.zip").rename(wheel)
    (tmp_path / "lock").write_text(f"absent==1.0 --hash=sha256:{'0' * 64}\n")
    flags = ["--require-hashes", "--no-index", "--find-links", str(tmp_path), "--dry-run"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *flags, "-r", str(tmp_path / "lock")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_the_audit_is_no_part_of_the_tests() -> None:
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "audit" not in ci
    audit = re.search(r"^audit:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert audit is not None
    assert "requirements.lock" in audit[1]
    assert "--strict" in audit[1], "a package that could not be looked up would count as good"


@pytest.mark.parametrize("target", ["audit", "fuzz"])
def test_targets_are_listed_by_help(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", MAKEFILE, re.MULTILINE)
