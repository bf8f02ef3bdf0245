"""The stimulator, over sockets, with the registers of the server double behind it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from circus_io.errors import DeviceError, FormatError, SafetyError
from circus_io.meame import ControlClient
from circus_live.meame_server import Faults, MeameServer
from circus_live.speaker import (
    Call,
    DspError,
    DspFunction,
    MeameStimulator,
    Transmitter,
    Write,
)
from circus_live.speaker.guardian import Guardian
from circus_live.speaker.messages import set_blanking
from circus_live.speaker.sequences import setup_template
from circus_live.speaker.words import Switch, decode
from stim import Pulse, SafetyLimits

LIMITS = SafetyLimits(max_amplitude=400_100, max_phase_us=1000, min_period_us=5000)
PULSE = Pulse.biphasic(-100_000, 200)
SAFE_STOP = [(11, (4112,), (0,)), (11, (4112,), (1,)), (11, (4112,), (2,)), (8, (), ())]


@pytest.fixture
def server():
    with MeameServer(http_port=0, data_port=0, test_port=0) as server:
        yield server


def stimulator(server, **settings):
    settings = {"guarded": False, "timeout_s": 5.0, **settings}
    return MeameStimulator(LIMITS, port=server.http_port, **settings)


def test_groups_have_their_electrodes_waveforms_and_periods(server):
    with stimulator(server) as device:
        device.set_signal(0, PULSE, period_us=100_000, electrodes=[12, 21])
        device.set_signal(
            2, Pulse.biphasic(50_000, 400), period_us=20_000, electrodes=[78]
        )
        device.start()
        assert server.dsp.groups == {0: (1 << 20 | 1 << 23, 0), 2: (0, 1 << 53 - 30)}
        assert [server.dsp.is_active(group) for group in range(3)] == [
            True,
            False,
            True,
        ]
        assert [device.is_active(group) for group in range(3)] == [True, False, True]
        assert server.dsp.read([0x107C, 0x1094]) == [5000, 1000]  # of 20 µs
        device.set_period(2, 50_000)
        assert server.dsp.read([0x1094]) == [2500]
        assert device.read_error() is DspError.NONE
        memories = [[decode(word) for word in m] for m in server.dsp.memories]
    dac, switches = memories[0], memories[1]
    assert [(word.amplitude_uv, word.ticks) for word in dac] == [
        (-99_925, 10),
        (99_925, 10),
        (0, 1),
    ]
    assert switches[0].switches == Switch.PULSE
    assert switches[0].ticks > sum(word.ticks for word in dac[:2])
    assert memories[4][0].ticks == 20
    assert memories[2] == memories[3] == []
    assert not any(server.dsp.is_active(group) for group in range(3))
    assert server.dsp.calls[-4:] == SAFE_STOP


def test_a_pulse_of_unequal_phases_leaves_without_a_charge(server):
    # the nearest steps would be 175 × 10 and -88 × 20, which leave -10
    pulse = Pulse.of([(100_000, 200), (-50_000, 400)])
    with stimulator(server) as device:
        device.set_signal(0, pulse, period_us=100_000, electrodes=[12])
        sent = [decode(word) for word in server.dsp.memories[0]]
    assert sum(word.counts * word.ticks for word in sent) == 0
    assert sum(word.ticks for word in sent) == 30 + 1
    assert all(abs(word.amplitude_uv + 50_000) < 571 for word in sent[1:-1])


def test_one_group_is_switched_while_the_others_go_on(server):
    with stimulator(server) as device:
        for group, label in enumerate((12, 13)):
            device.set_signal(group, PULSE, period_us=10_000, electrodes=[label])
        device.start()
        device.disable(1)
        assert (server.dsp.is_active(0), server.dsp.is_active(1)) == (True, False)
        device.enable(1)
        assert server.dsp.is_active(1)


def test_signals_are_replaced_and_not_appended(server):
    with stimulator(server) as device:
        for _ in range(2):
            device.set_signal(1, PULSE, period_us=10_000, electrodes=[12])
        assert len(server.dsp.memories[2]) == 3


def test_every_message_of_crepe_is_acknowledged_and_found_in_the_registers(server):
    control = ControlClient(port=server.http_port)
    transmitter = Transmitter(control)
    for message in setup_template():
        assert transmitter.send(message).acknowledged_ns
    calls = [m for m in setup_template() if isinstance(m, Call)]
    assert server.dsp.calls == [(c.function, c.addresses, c.values) for c in calls]
    assert server.dsp.memories == [[32593, 1671343], [3211289, 655385]] * 3
    assert control.read([0x1000]) == [len(calls)]
    # blanking and its protection, modes, what is driven, and the period of group 0
    assert control.read(range(4268, 4284, 4)) == [311724626, 310378578] * 2
    modes = [13382412, 204672195, 13068, 204668928]
    assert control.read(range(4284, 4300, 4)) == modes
    assert control.read(range(0x9120, 0x9130, 4)) == modes
    assert control.read([0x9158, 0x915C, 0x107C]) == [311724626, 310378578, 5000]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"electrodes": []}, "needs electrodes"),
        ({"period_us": 10_010}, "choose a multiple"),
        ({"output": 3}, "has 0 to 2"),
        ({"electrodes": [33]}, "driven by group 0 already"),
        ({"pulse": Pulse.of([(100_000, 200), (-50_000, 420)])}, "leaves a charge"),
        # 400.1 mV are 701 steps of 571 µV, which are 400.271 mV
        ({"pulse": Pulse.biphasic(400_100, 200)}, "amplitude of 400271 uV, in steps"),
        ({"pulse": Pulse.of([(100_000, 210), (-100_000, 210)])}, "in 20 µs"),
    ],
)
def test_what_is_wrong_is_not_sent(server, settings, words):
    given = {"output": 1, "pulse": PULSE, "period_us": 10_000, "electrodes": [12]}
    given |= settings
    with stimulator(server) as device:
        device.set_signal(0, PULSE, period_us=10_000, electrodes=[33])
        n_calls, memories = len(server.dsp.calls), [*map(list, server.dsp.memories)]
        with pytest.raises(SafetyError, match=words):
            device.set_signal(given.pop("output"), given.pop("pulse"), **given)
        assert len(server.dsp.calls) == n_calls
        assert server.dsp.memories == memories


def test_what_makes_no_sense_yet(server):
    with stimulator(server) as device:
        with pytest.raises(SafetyError, match="no group has a signal"):
            device.start()
        with pytest.raises(SafetyError, match="call set_signal first"):
            device.set_period(1, 10_000)
        device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
        device.start()
        with pytest.raises(SafetyError, match="stop before a signal is changed"):
            device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
        with pytest.raises(SafetyError, match="below the limit"):
            device.set_period(0, 4000)


def test_a_firmware_without_blanking_is_not_asked_for_it(server):
    with stimulator(server, firmware="public") as device:
        device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
        device.start()
        with pytest.raises(FormatError, match="no function 14"):
            device._send(set_blanking((1, 0)))
    assert not {14, 15} & {function for function, _, _ in server.dsp.calls}


def test_a_server_that_only_says_yes_is_found_out(server):
    server.faults.dsp = "mock"
    with pytest.raises(DeviceError, match="runs without a DSP"):
        stimulator(server).connect()


def test_a_dsp_that_does_not_acknowledge(server, monkeypatch):
    monkeypatch.setattr("circus_live.meame_server.dsp.ACKNOWLEDGE_S", 0.01)
    server.faults.dsp = "deaf"
    with pytest.raises(DeviceError, match="switch it off by hand"):
        stimulator(server).connect()
    assert server.dsp.calls == [call for call in SAFE_STOP for _ in range(3)]


def test_a_dsp_that_turns_deaf_while_it_stimulates(server, monkeypatch):
    monkeypatch.setattr("circus_live.meame_server.dsp.ACKNOWLEDGE_S", 0.01)
    device = stimulator(server).connect()
    device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
    device.start()
    server.faults.dsp = "deaf"
    with pytest.raises(DeviceError, match=r"DISABLE_GROUP.*answered 500"):
        device.disconnect()
    assert not device.is_connected
    # it is not taken for stopped, and tried again by whatever comes next
    assert device.is_running
    server.faults.dsp = "live"
    assert server.dsp.is_active(0)
    device.disconnect()
    assert not device.is_running
    assert not server.dsp.is_active(0)


def test_after_a_stop_that_failed_the_end_of_the_program_tries_again(
    server, monkeypatch
):
    monkeypatch.setattr("circus_live.meame_server.dsp.ACKNOWLEDGE_S", 0.01)
    device = stimulator(server, guarded=True).connect()
    device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
    device.start()
    server.faults.dsp = "deaf"
    with pytest.raises(DeviceError, match="switch it off by hand"):
        device.disconnect()
    assert device._guardian._process.poll() is None
    server.faults.dsp = "live"
    device._at_exit()
    assert not server.dsp.is_active(0)
    device.disconnect()


def test_a_signal_handler_may_stop_in_the_middle_of_a_start(server):
    with stimulator(server) as device:
        device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
        request = device._control.request

        def interrupted(path, message, **settings):
            if message.get("func") == DspFunction.START_QUEUE:
                signal.raise_signal(signal.SIGUSR1)  # while the transmitter sends
            return request(path, message, **settings)

        device._control.request = interrupted
        before = signal.signal(signal.SIGUSR1, lambda *_: device.stop())
        try:
            device.start()
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert not device.is_running
        assert not server.dsp.is_active(0)
        assert server.dsp.calls[-4:] == SAFE_STOP


def test_half_of_a_signal_is_not_started_as_the_one_before(server):
    with stimulator(server) as device:
        device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
        server.faults.dsp = "deaf"
        with pytest.raises(DeviceError):
            device.set_signal(
                0, Pulse.biphasic(300_000, 400), period_us=20_000, electrodes=[12]
            )
        server.faults.dsp = "live"
        with pytest.raises(SafetyError, match="no group has a signal"):
            device.start()


def test_switches_of_a_pulse_are_off_before_the_next_pulse():
    limits = SafetyLimits(max_amplitude=400_000, max_phase_us=1000, min_period_us=20)
    with MeameStimulator(limits, dry_run=True) as device:
        with pytest.raises(SafetyError, match="takes 620"):
            device.set_signal(0, PULSE, period_us=600, electrodes=[12])
        device.set_signal(0, PULSE, period_us=620, electrodes=[12])
        with pytest.raises(SafetyError, match="takes 620"):
            device.set_period(0, 600)


def test_a_guardian_that_does_not_start_is_noticed(server, monkeypatch):
    monkeypatch.setattr("circus_live.speaker.guardian.PROGRAM", "circus_live.nowhere")
    with pytest.raises(DeviceError, match="guarded=False"):
        stimulator(server, guarded=True).connect()


def test_a_guardian_that_does_not_reach_the_server_says_so(capfd):
    with MeameServer(http_port=0, data_port=0, test_port=0) as server:
        port = server.http_port
    with pytest.raises(DeviceError, match="does not start"):
        Guardian("127.0.0.1", port)
    assert "no guard: the MEAME server at 127.0.0.1:" in capfd.readouterr().err


def test_a_guardian_tries_again(server, monkeypatch):
    monkeypatch.setattr("circus_live.meame_server.dsp.ACKNOWLEDGE_S", 0.01)
    guardian = Guardian("127.0.0.1", server.http_port)
    server.faults.dsp = "deaf"
    guardian._process.stdin.close()
    deadline_s = time.monotonic() + 30
    while len(server.dsp.calls) < 20:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    server.faults.dsp = "live"
    assert guardian._process.wait(30) == 0
    guardian._process.stdout.close()
    assert server.dsp.calls[-4:] == SAFE_STOP


def test_no_server_is_said_so():
    with MeameServer(http_port=0, data_port=0, test_port=0) as server:
        port = server.http_port
    with pytest.raises(DeviceError, match="cannot be reached"):
        MeameStimulator(LIMITS, port=port).connect()


def test_commands_are_stamped(server):
    before_ns = time.monotonic_ns()
    with stimulator(server) as device:
        device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
        device.start()
        sent = device.enable(0)
    assert before_ns < sent.sent_ns < sent.acknowledged_ns < time.monotonic_ns()
    assert sent.message.function is DspFunction.ENABLE_GROUP
    assert all(item.acknowledged_ns for item in device.transcript)


def test_a_dry_run_sends_nothing_and_notes_everything(server):
    with MeameStimulator(LIMITS, port=server.http_port, dry_run=True) as dry:
        dry.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
        dry.start()
        assert not dry.is_active(0)
    assert server.dsp.calls == []
    with stimulator(server) as device:
        device.set_signal(0, PULSE, period_us=10_000, electrodes=[12])
        device.start()
    assert [s.message for s in dry.transcript] == [s.message for s in device.transcript]
    assert any(isinstance(s.message, Write) for s in dry.transcript)


PROGRAM = """
import sys, time
from circus_live.speaker import MeameStimulator
from stim import Pulse, SafetyLimits
limits = SafetyLimits(400_000, 1000, 5000)
device = MeameStimulator(limits, port=int(sys.argv[1])).connect()
device.set_signal(0, Pulse.biphasic(100_000, 200), period_us=10_000, electrodes=[12])
device.start()
print("started", flush=True)
{end}
"""


@pytest.mark.parametrize(
    ("end", "number"),
    [
        ("time.sleep(60)", signal.SIGKILL),
        ("time.sleep(60)", signal.SIGTERM),
        ("time.sleep(60)", signal.SIGINT),
        ("raise SystemExit(0)", None),
        ("import os; os._exit(1)", None),
    ],
)
def test_however_the_program_ends_the_stimulator_is_stopped(server, end, number):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(end=end), str(server.http_port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with program:
        assert program.stdout.readline() == b"started\n"
        if number is not None:
            assert server.dsp.is_active(0)
            os.kill(program.pid, number)
        deadline_s = time.monotonic() + 30
        while server.dsp.calls[-4:] != SAFE_STOP or server.dsp.is_active(0):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)


def test_a_guardian_says_nothing_of_its_own(server):
    code = PROGRAM.format(end="device.disconnect()")
    done = subprocess.run(
        [sys.executable, "-c", code, str(server.http_port)], capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_guardian_that_is_dismissed_says_nothing(server):
    device = stimulator(server, guarded=True).connect()
    guardian = device._guardian
    device.disconnect()
    assert guardian._process.returncode == 0
    assert server.dsp.calls[-4:] == SAFE_STOP
    assert len([c for c in server.dsp.calls if c == (8, (), ())]) == 2


def test_faults_of_another_kind_are_refused():
    with pytest.raises(FormatError, match="choose from live, mock, deaf, absent"):
        Faults(dsp="none")
