"""CREPE's ready-made sequences on a server double, and what they may not."""

import pytest

from circus_io.errors import DeviceError, FormatError, SafetyError
from circus_io.meame import ControlClient
from circus_live.crepe import messages, templates
from circus_live.meame_server import MeameServer
from circus_live.speaker import MeameStimulator, Transmitter, electrode_words
from circus_live.speaker.registers import group_state
from stim import Pulse, SafetyLimits

LIMITS = SafetyLimits(max_amplitude=200_000, max_phase_us=500, min_period_us=10_000)
PULSE = Pulse.biphasic(-100_000, 200)
GROUPS = [[12, 13], [21], [33]]


@pytest.fixture
def server():
    with MeameServer(http_port=0, data_port=0, test_port=0) as server:
        yield server


@pytest.fixture
def stimulator(server):
    with MeameStimulator(LIMITS, port=server.http_port, guarded=False) as stimulator:
        yield stimulator


def periods(server):
    return [server.dsp.registers.get(group_state(group)[1]) for group in range(3)]


def test_the_complete_template_sets_up_stimulates_and_streams(server, stimulator):
    templates.template_complete(stimulator, PULSE, GROUPS)
    assert [server.dsp.is_active(group) for group in range(3)] == [True] * 3
    assert periods(server) == [5000] * 3
    # the map of electrodes that the reference electrode 15 fits has 12 at 20, 13 at 18,
    # 21 at 23, 33 at 22
    bits = [(1 << 20) | (1 << 18), 1 << 23, 1 << 22]
    assert server.dsp.groups == {g: (word, 0) for g, word in enumerate(bits)}
    assert electrode_words([20, 18])[0] == bits[0]
    # -100 mV in steps of 571 µV, 200 µs in ticks of 20 µs
    dac = server.dsp.memories[0]
    assert [word & 0xFFFF for word in dac[:2]] == [0x8000 - 175, 0x8000 + 175]
    assert [word >> 16 & 0x3FF for word in dac[:2]] == [10, 10]
    assert ControlClient(port=server.http_port).status().is_alive
    stimulator.stop()
    assert not any(server.dsp.is_active(group) for group in range(3))


@pytest.mark.parametrize("group", [0, 2])
def test_the_group_that_is_named_gets_its_period(server, stimulator, group):
    templates.template_setup(stimulator, PULSE, GROUPS)
    assert not server.dsp.is_active(group)
    templates.set_stim(stimulator, group, 1250)
    assert server.dsp.is_active(group)
    expected = [5000] * 3
    expected[group] = 1250
    assert periods(server) == expected


def test_stimulation_is_committed_and_started(server, stimulator):
    templates.define_elec_grp(stimulator, 1, [12], PULSE, period=2500)
    templates.template_stim(stimulator)
    calls = [function for function, _, _ in server.dsp.calls]
    assert calls[-4:] == [4, 6, 7, 10]  # modes, commit, start the queue, enable
    assert templates.dsp_get_status(stimulator) == {
        "is_running": 1,
        "n_shots": 0,
        "error": 0,
        "n_steps": 0,
    }


def test_a_reset_is_auto_stop_reset(server):
    templates.reset_device(Transmitter(ControlClient(port=server.http_port)))
    assert [function for function, _, _ in server.dsp.calls] == [5, 8, 2]


def test_the_square_shape_leaves_no_charge():
    pulse = templates.apply_wave_shape("Square", -100_000, 200)
    assert sum(phase.amplitude * phase.duration_us for phase in pulse.phases) == 0
    assert pulse.longest_us == 200
    with pytest.raises(FormatError, match="there is Square"):
        templates.apply_wave_shape("Sine", 1, 1)


def test_what_stimulates_without_limits_is_refused(server, stimulator):
    n_calls = len(server.dsp.calls)
    with pytest.raises(SafetyError, match="leaves a charge"):
        templates.do_remote_example(stimulator)
    with pytest.raises(SafetyError, match="amplitude of"):
        templates.template_setup(stimulator, Pulse.biphasic(900_000, 200), GROUPS)
    for route in ("replay-setup", "replay-start"):
        with pytest.raises(SafetyError, match="would stimulate without limits"):
            messages.meame_transmit(route, None, stimulator.transmitter)
    assert len(server.dsp.calls) == n_calls


def test_a_replay_may_stop(server, stimulator):
    templates.template_setup(stimulator, PULSE, GROUPS[:1])
    templates.template_stim(stimulator)
    assert server.dsp.is_active(0)
    messages.meame_transmit("replay-stop", None, stimulator.transmitter)
    assert not server.dsp.is_active(0)


def test_a_request_of_the_first_meame_is_refused():
    text = messages.stim_req([32, 33], [1.5])
    with pytest.raises(FormatError, match="every 41st"):
        messages.route_of(text)


def test_a_dry_run_has_no_acquisition():
    with MeameStimulator(LIMITS, dry_run=True) as dry:
        templates.template_setup(dry, PULSE, GROUPS)
        assert templates.dsp_get_status(dry)["is_running"] == 0
        with pytest.raises(DeviceError, match="has no server"):
            templates.template_complete(dry, PULSE, GROUPS)
