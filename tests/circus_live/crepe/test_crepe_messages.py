"""CREPE's message builders, against its table and a server double."""

import json

import pytest

from circus_io.errors import DeviceError, FormatError, SafetyError
from circus_io.meame import ControlClient
from circus_live.crepe import messages
from circus_live.meame_server import MeameServer
from circus_live.speaker import Transmitter
from circus_live.speaker.functions import DspFunction

CALLS = {
    "dsp_dump": ((), 1, [], []),
    "dsp_reset": ((), 2, [], []),
    "dsp_conf_elec_grp": ((2, 5, 6), 3, [4112, 4120, 4124], [2, 5, 6]),
    "dsp_set_elec_grp_manual": (
        ((1, 2, 3, 4),),
        4,
        [4284, 4288, 4292, 4296],
        [1, 2, 3, 4],
    ),
    "dsp_set_elec_grp_auto": ((), 5, [], []),
    "dsp_commit_conf": ((), 6, [], []),
    "dsp_start_stim_queue": ((), 7, [], []),
    "dsp_stop_stim_queue": ((), 8, [], []),
    "dsp_set_elec_grp_period": ((1, 5000), 9, [4112, 4116], [1, 5000]),
    "dsp_enable_stim_grp": ((2,), 10, [4112], [2]),
    "dsp_disable_stim_grp": ((2,), 11, [4112], [2]),
    "dsp_commit_conf_dbg": ((), 12, [], []),
    "dsp_write_sq_dbg": ((), 13, [], []),
    "dsp_set_blanking": ((7, 8), 14, [4268, 4272], [7, 8]),
    "dsp_set_blanking_prot": ((7, 8), 15, [4276, 4280], [7, 8]),
}


@pytest.fixture
def transmitter():
    with MeameServer(http_port=0, data_port=0, test_port=0) as server:
        yield Transmitter(ControlClient("127.0.0.1", server.http_port))


@pytest.mark.parametrize("name", CALLS)
def test_each_wrapper_names_its_function_its_addresses_and_its_group(name):
    arguments, function, addresses, values = CALLS[name]
    text = getattr(messages, name)(*arguments)
    expected = {"func": function, "argAddrs": addresses, "argVals": values}
    assert json.loads(text) == expected
    assert messages.route_of(text) == "DSP-call"


def test_messages_go_where_they_belong():
    routes = {
        messages.daq_config(10_000, 100): "DAQ-connect",
        messages.reg_write_req([4112], [1]): "DSP-write",
        messages.reg_read_req([4112]): "DSP-read",
        messages.debug_msg("hello"): "log",
    }
    assert {text: messages.route_of(text) for text in routes} == routes
    with pytest.raises(FormatError, match="expected one with func"):
        messages.route_of('{"pulse": []}')


def test_what_is_written_is_read_back(transmitter):
    messages.auto_transmit(messages.reg_write_req([4112, 4116], [2, 77]), transmitter)
    reply = messages.auto_transmit(messages.reg_read_req([4112, 4116]), transmitter)
    assert json.loads(reply.body) == {"addresses": [4112, 4116], "values": [2, 77]}
    home = messages.meame_transmit("home", None, transmitter)
    assert home.body == b"hello this is MEAME."
    assert [type(sent.message).__name__ for sent in transmitter.transcript] == ["Write"]


@pytest.mark.parametrize(
    "name",
    [
        "dsp_start_stim_queue",
        "dsp_enable_stim_grp",
        "dsp_set_elec_grp_period",
        "dsp_conf_elec_grp",
        "dsp_set_elec_grp_manual",
        "dsp_commit_conf",
        "dsp_write_sq_dbg",
    ],
)
def test_no_raw_message_starts_or_changes_a_stimulation(transmitter, name):
    text = getattr(messages, name)(*CALLS[name][0])
    with pytest.raises(SafetyError, match="without limits"):
        messages.auto_transmit(text, transmitter)
    assert not transmitter.transcript


@pytest.mark.parametrize(
    "address", [0x1004, 0x1008, 0x0214, 0x9F20, 0x107C, 0x9158, 0x920C]
)
def test_no_raw_write_stimulates(transmitter, address):
    by_call = messages.dsp_func_call(DspFunction.RESET, [address], [1])
    for text in (messages.reg_write_req([0x1010, address], [0, 1]), by_call):
        with pytest.raises(SafetyError, match="without limits"):
            messages.auto_transmit(text, transmitter)
    assert not transmitter.transcript


def test_raw_messages_stop_a_stimulation(transmitter):
    for text in (
        messages.dsp_set_elec_grp_auto(),
        messages.dsp_disable_stim_grp(1),
        messages.dsp_stop_stim_queue(),
        messages.dsp_reset(),
    ):
        messages.auto_transmit(text, transmitter)
    sent = [message.message.function for message in transmitter.transcript]
    assert sent == [5, 11, 8, 2]


def test_a_server_that_is_gone_is_told():
    with pytest.raises(DeviceError, match="cannot be reached"):
        messages.auto_transmit(
            messages.dsp_reset(), Transmitter(ControlClient("127.0.0.1", 1))
        )
