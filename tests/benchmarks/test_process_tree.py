"""What a command is said to have used is what its processes used."""

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux"
)

BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"
CHILD_BURNS = (
    "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', {code!r}], check=True)\n"
)
ALLOCATE = (
    "import mmap, time\n"
    "own = bytearray(b'x') * (80 << 20)\n"
    "file = open({path!r}, 'rb')\n"
    "mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
    "assert sum(mapped[::4096]) == 0\n"
    "time.sleep(1.5)\n"
)


@pytest.fixture
def process_tree(require):
    return require("process_tree", extra="test")


@pytest.fixture
def run(process_tree, tmp_path):
    def run(code, timeout_s=60.0):
        command = [sys.executable, "-c", code]
        return process_tree.run(command, tmp_path, tmp_path / "log.txt", timeout_s)

    return run


def test_cpu_time_of_children_counts(run):
    usage = run(CHILD_BURNS.format(code=BURN.format(seconds=1.0)))
    assert usage.status == 0
    assert 1.0 <= usage.cpu_s < 2.0
    assert usage.wall_s >= 1.0


def test_own_memory_counts_and_mapped_files_do_not(run, tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(bytes(60 << 20))
    usage = run(ALLOCATE.format(path=str(path)))
    assert usage.status == 0, (tmp_path / "log.txt").read_text()
    assert 80 <= usage.peak_mb < 110


def test_output_and_status_are_kept(run, tmp_path):
    usage = run("import sys; print('said'); sys.exit('so')")
    assert usage.status == 1
    assert (tmp_path / "log.txt").read_text().split() == ["said", "so"]


def test_a_command_that_takes_too_long_ends_with_its_children(run, tmp_path):
    import psutil

    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); "
    usage = run(CHILD_BURNS.format(code=code + "time.sleep(60)"), timeout_s=2.0)
    assert usage.status is None
    assert usage.wall_s < 30
    child = int(pid.read_text())
    assert not psutil.pid_exists(child) or (
        psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    )
