"""What a command costs, with all the processes that it starts. For Linux."""

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Usage", "run"]

POLL_S = 0.1


@dataclass(frozen=True)
class Usage:
    """Of a command that has ended.

    Attributes
    ----------
    status : int or None
        Its exit status; None if it was ended for taking too long.
    wall_s, cpu_s : float
        CPU seconds are those of the whole tree, in user and kernel mode.
    peak_mb : float
        Memory of the whole tree at its largest: pages that no file is behind, shared
        ones counted once. Mapped files, the recording among them, are not in it: the
        system takes those pages back as it likes.
    """

    status: int | None
    wall_s: float
    cpu_s: float
    peak_mb: float


def run(
    command: list[str],
    folder: Path,
    log: Path,
    timeout_s: float,
    environment: dict[str, str] | None = None,
) -> Usage:
    """Run a command in a folder, its output into a file, and meter it.

    Processes are looked at every 0.1 s. CPU time is what the system accounted to the
    command and to the children that were waited for, or what was last seen of all of
    them, if that is more: nobody waits for a process whose parent has gone.
    """
    start = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watch = _Watch(process.pid)
        status = _wait(process, watch, start + timeout_s)
    accounted = watch.accounted_cpu_s
    return Usage(
        None if status is None else os.waitstatus_to_exitcode(status),
        time.perf_counter() - start,
        max(accounted, sum(watch.seen_cpu_s.values())),
        watch.peak_mb,
    )


def _wait(process: subprocess.Popen, watch: "_Watch", deadline: float) -> int | None:
    """Look until the command ends or is ended; return its raw status, None if ended."""
    ended = False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            watch.accounted_cpu_s = usage.ru_utime + usage.ru_stime
            watch.kill()  # what it left behind
            return None if ended else status
        watch.look()
        if time.perf_counter() > deadline:
            ended = True
            watch.kill()
        time.sleep(POLL_S)


class _Watch:
    """The processes below one, and the most that they were seen to use."""

    def __init__(self, pid: int):
        self._first = psutil.Process(pid)
        self.processes = {pid: self._first}
        self.seen_cpu_s: dict[int, float] = {}
        self.accounted_cpu_s = 0.0
        self.peak_mb = 0.0

    def look(self) -> None:
        """Note what each process has used so far, those whose parent has gone too."""
        with suppress(psutil.Error):
            below = self._first.children(recursive=True)
            self.processes |= {process.pid: process for process in below}
        memory_mb = 0.0
        for pid, process in self.processes.items():
            with suppress(psutil.Error):
                times = process.cpu_times()
                self.seen_cpu_s[pid] = times.user + times.system
                memory_mb += _own_mb(pid)
        self.peak_mb = max(self.peak_mb, memory_mb)

    def kill(self) -> None:
        """End every process that was seen; psutil knows if a number is of another."""
        for process in self.processes.values():
            with suppress(psutil.Error):
                process.kill()


def _own_mb(pid: int) -> float:
    """Return anonymous and shared memory of a process, its share of each page; MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return 0.0
    kb = {name: int(value.split()[0]) for name, value in (s.split(":") for s in lines)}
    return sum(kb.get(n, 0) for n in ("Pss_Anon", "Pss_Shmem", "SwapPss")) / 1024
