"""The ports on each generation of the API and each runtime, in a process each.

A process can have one runtime of .NET, and one assembly.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

RUNTIMES = ("mono", "coreclr")


@pytest.fixture(params=RUNTIMES)
def runtime(request, require):
    require("pythonnet", extra="stg")
    require("mcs", package="mono-mcs")
    if request.param == "mono":
        require("mono-sgen", package="mono-devel")
    else:
        require("dotnetcore2", extra="test")
    return request.param


def run(runtime, *arguments, timeout=240, **environment):
    environment = os.environ | {"CIRCUS_DOTNET": runtime} | environment
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
    )


def run_suites(names, runtime, generation, folder, chosen=""):
    """Run tests in a process, or chosen ones; return how many have passed."""
    # captured by pytest, the last words of a process that dies would be lost
    options = ["-q", "--capture=sys", "-p", "no:cacheprovider"]
    options += ["--basetemp", folder, "-k", chosen]
    suites = [Path(__file__).parent / name for name in names]
    environment = {"MCS_GENERATION": str(generation)}
    done = run(runtime, "-m", "pytest", *options, *suites, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
    assert done.stderr == ""  # nothing was called after the end of .NET
    return int(re.search(r"(\d+) passed", done.stdout).group(1))


# each pair has all of the ports; of the contract, two have what differs between
# generations or runtimes: facts, both modes, a change, and stops
CHOSEN = (
    "says_what_it_is or as_often_as_asked or voltages or at_the_sample or stop_may_come"
    " or what_a_callback_raises"
)


@pytest.mark.parametrize("generation", [3, 5])
def test_the_simulator_serves_the_ports_and_the_contract_of_devices(
    runtime, generation, tmp_path
):
    """Side by side: both wait for the wall clock of a device half of their time."""
    is_whole = (runtime, generation) in {("mono", 5), ("coreclr", 3)}
    chosen, least = ("", 25) if is_whole else (CHOSEN, 7)
    suites = {
        "ports": (["port_suite.py", "streaming_suite.py"], ""),
        "contract": (["contract_suite.py"], chosen),
    }
    with ThreadPoolExecutor() as pool:
        ports, contract = (
            pool.submit(run_suites, files, runtime, generation, tmp_path / name, some)
            for name, (files, some) in suites.items()
        )
    failures = [suite.exception() for suite in (ports, contract) if suite.exception()]
    assert failures == []
    assert ports.result() > 50
    assert contract.result() >= least


LEAVE = """
import os, sys, time
import numpy as np
from stim.mcs import simulated_bus
bus = simulated_bus(lock_folder=sys.argv[1])
calls = []
port = bus.open_streaming(500, on_data=calls.append)
port.set_continuous(True)
port.set_capacity([1000] * 8)
port.setup_trigger([1], [0], [0], [0], [50])
port.enqueue(0, np.zeros(500, np.int16))
port.start_loop()
port.send_start(1)
while not calls:
    time.sleep(0.01)
print("left", flush=True)
"""


def test_a_program_may_end_while_a_device_streams(runtime, tmp_path):
    done = run(runtime, "-c", LEAVE, tmp_path, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")


def test_what_the_driver_calls_is_there_in_both_generations(runtime):
    done = run(runtime, "-m", "stim.mcs.api.check", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("version 3.2.45.0") == 1
    assert done.stdout.count("version 5.3.15.0") == 1
    assert re.findall(r": (\d+)\n", done.stdout) == ["0"] * 8


ONCE = """
import sys
from circus_io.errors import DeviceError
from stim.mcs import simulated_bus
from stim.mcs.runtime import available_runtimes, loaded_runtime
simulated_bus()
assert loaded_runtime() in available_runtimes()
other = {"mono": "coreclr", "coreclr": "mono"}[loaded_runtime()]
for options in ({"generation": 3}, {"runtime": other}, {"runtime": "jvm"}):
    try:
        simulated_bus(**options)
    except DeviceError as error:
        print(error)
"""


def test_a_process_has_one_runtime_and_one_assembly(runtime):
    done = run(runtime, "-c", ONCE, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert "a process has one assembly" in first
    assert "a process has one .NET runtime" in second
    assert third == ".NET runtime jvm: choose from mono, coreclr, netfx"
