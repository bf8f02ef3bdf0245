"""Ranks started by Slurm: a cluster of one node, on this machine, for these tests."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

SETTINGS = """
ClusterName=circus
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
RANKS = (
    "from circus_io.parallel import get_comm; comm = get_comm(); "
    "lines = comm.gather(f'rank {comm.rank} of {comm.size}'); "
    "print(*lines, sep=', ') if comm.rank == 0 else None"
)


@pytest.fixture(scope="module")
def slurm(require):
    """Start the daemons; give the environment in which srun and sbatch find them."""
    require("mpi4py", extra="mpi")
    srun = require("srun", package="slurm-wlm")
    programs = {
        name: require(name, package=package)
        for name, package in [
            ("munged", "munge"),
            ("slurmctld", "slurm-wlm"),
            ("slurmd", "slurm-wlm"),
        ]
    }
    # a short path: that of a socket may have 107 characters
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    folder.chmod(0o755)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    daemons = []
    try:
        _write_settings(folder)
        daemons = _start(programs, folder, environment)
        _wait_until_idle(srun.with_name("sinfo"), environment, folder)
        yield environment
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _write_settings(folder):
    import pwd  # not on Windows

    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    settings = SETTINGS.format(
        folder=folder,
        user=pwd.getpwuid(os.geteuid()).pw_name,
        host=_short_host_name(),
        controller_port=_free_port(),
        node_port=_free_port(),
    )
    (folder / "slurm.conf").write_text(settings)


def _short_host_name():
    return socket.gethostname().split(".")[0]


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(programs, folder, environment):
    """Start each daemon in the foreground of a process of ours."""
    munged = [programs["munged"], "--foreground", "--force", "--num-threads=2"]
    munged += [f"--socket={folder}/munge.socket", f"--key-file={folder}/munge.key"]
    munged += [f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/munge.seed"]
    commands = [
        munged,
        [programs["slurmctld"], "-D", "-c"],
        [programs["slurmd"], "-D", "-N", _short_host_name()],
    ]
    daemons = []
    for command in commands:
        daemons.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        if command is munged:
            _wait_for((folder / "munge.socket").exists, "munged", folder)
    return daemons


def _wait_until_idle(sinfo, environment, folder):
    def is_idle():
        states = subprocess.run(
            [sinfo, "-h", "-o", "%t"], env=environment, capture_output=True, text=True
        )
        return states.stdout.strip() == "idle"

    _wait_for(is_idle, "the node", folder)


def _wait_for(is_ready, what, folder, timeout_s=60):
    deadline_s = time.monotonic() + timeout_s
    while not is_ready():
        if time.monotonic() > deadline_s:
            logs = "\n".join(log.read_text()[-2000:] for log in folder.glob("*.log"))
            pytest.fail(f"{what} of Slurm did not start in {timeout_s} s:\n{logs}")
        time.sleep(0.2)


def run(environment, *command):
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=90
    )


def test_srun_with_pmi2_starts_ranks(slurm):
    done = run(slurm, "srun", "--mpi=pmi2", "-n", "2", sys.executable, "-c", RANKS)
    assert done.stdout == "rank 0 of 2, rank 1 of 2\n", done.stderr


def test_srun_without_mpi_is_one_loud_error(slurm):
    done = run(slurm, "srun", "-n", "2", sys.executable, "-m", "circus_cli", "rec.dat")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "each is alone" in line
    assert "--mpi=pmi2" in line


def test_batch_script_is_one_process_until_circus_starts_ranks(slurm, tmp_path):
    code = "from circus_cli.launch import *; import sys; " + (
        f"sys.exit(run_child([*rank_command(2), sys.executable, '-c', {RANKS!r}]))"
    )
    script, output = tmp_path / "job.sh", tmp_path / "out"
    program = tmp_path / "start.py"
    program.write_text(code)
    script.write_text(
        f'#!/bin/sh\n{sys.executable} -c "{RANKS}"\n{sys.executable} {program}\n'
    )
    tmp_path.chmod(0o755)
    done = run(slurm, "sbatch", "--wait", "-n", "2", "-o", output, script)
    assert done.returncode == 0, done.stderr
    assert output.read_text() == "rank 0 of 1\nrank 0 of 2, rank 1 of 2\n"


def test_ranks_start_inside_of_an_interactive_task(slurm, tmp_path):
    code = (
        "from circus_cli.launch import *; import sys; "
        "command = [*rank_command(2), sys.executable, '-c', sys.argv[1]]; "
        "sys.exit(run_child(command, rank_environment()))"
    )
    done = run(slurm, "srun", "-n", "1", sys.executable, "-c", code, RANKS)
    assert done.stdout == "rank 0 of 2, rank 1 of 2\n", done.stderr
