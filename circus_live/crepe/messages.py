"""CREPE's message builders: JSON text for a MEAME server, and where it goes.

They build and send; they do not stimulate. What starts or changes a stimulation is
refused by `auto_transmit`: `MeameSpeaker` and `MeameStimulator` do that, within limits.
"""

import json
from collections.abc import Sequence
from typing import Any

from circus_io.errors import FormatError, SafetyError
from circus_live.speaker import messages
from circus_live.speaker.functions import DspFunction
from circus_live.speaker.messages import Call, Write
from circus_live.speaker.transmitter import Transmitter

__all__ = [
    "ROUTES",
    "auto_transmit",
    "daq_config",
    "debug_msg",
    "dsp_commit_conf",
    "dsp_commit_conf_dbg",
    "dsp_conf_elec_grp",
    "dsp_disable_stim_grp",
    "dsp_dump",
    "dsp_enable_stim_grp",
    "dsp_func_call",
    "dsp_reset",
    "dsp_set_blanking",
    "dsp_set_blanking_prot",
    "dsp_set_elec_grp_auto",
    "dsp_set_elec_grp_manual",
    "dsp_set_elec_grp_period",
    "dsp_start_stim_queue",
    "dsp_stop_stim_queue",
    "dsp_write_sq_dbg",
    "meame_transmit",
    "reg_read_req",
    "reg_write_req",
    "route_of",
    "stim_req",
]

ROUTES = {
    "home": "/",
    "DAQ-connect": "/DAQ/connect",
    "DAQ-start": "/DAQ/start",
    "DAQ-stop": "/DAQ/stop",
    "status": "/status",
    "DSP-flash": "/DSP/flash",
    "DSP-call": "/DSP/call",
    "DSP-read": "/DSP/read",
    "DSP-write": "/DSP/write",
    "log": "/aux/logmsg",
    "replay-setup": "/DSP/stim/setup",
    "replay-start": "/DSP/stim/start",
    "replay-stop": "/DSP/stim/stop",
}
REPLAYED = ("replay-setup", "replay-start")  # with the server's own pulse
# what can only end a stimulation, or change nothing of it
SENT = (
    DspFunction.DUMP,
    DspFunction.RESET,
    DspFunction.MODE_AUTO,
    DspFunction.STOP_QUEUE,
    DspFunction.DISABLE_GROUP,
)
# where arguments of calls are put: all other registers act by themselves
ARGUMENTS = (*range(0x1010, 0x1020, 4), *range(0x10AC, 0x10CC, 4))
BEYOND_LIMITS = (
    "without limits, or change a stimulation that runs within its limits; use "
    "MeameSpeaker or circus_live.speaker.MeameStimulator"
)


def daq_config(samplerate: int, segment_length: int) -> str:
    """Return what asks for a rate (Hz) and a segment length."""
    return json.dumps({"samplerate": samplerate, "segmentLength": segment_length})


def dsp_func_call(
    func: int, arg_addrs: Sequence[int] = (), arg_vals: Sequence[int] = ()
) -> str:
    """Return a call of a function of the DSP."""
    return _text(Call(DspFunction(func), tuple(arg_addrs), tuple(arg_vals)))


def stim_req(electrodes: Sequence[int], stim_freqs: Sequence[float]) -> str:
    """Return a request of MEAME's first version, which `auto_transmit` refuses."""
    return json.dumps({"electrodes": list(electrodes), "stimFreqs": list(stim_freqs)})


def reg_read_req(addresses: Sequence[int]) -> str:
    """Return what reads registers."""
    return json.dumps({"addresses": list(addresses)})


def reg_write_req(addresses: Sequence[int], values: Sequence[int]) -> str:
    """Return what writes registers, in their order."""
    return _text(Write(tuple(addresses), tuple(values)))


def debug_msg(message: str) -> str:
    """Return what the server prints on its console."""
    return json.dumps({"message": message})


def dsp_dump() -> str:
    """Return function 1."""
    return dsp_func_call(DspFunction.DUMP)


def dsp_reset() -> str:
    """Return function 2, which clears the configuration of electrodes."""
    return dsp_func_call(DspFunction.RESET)


def dsp_conf_elec_grp(group: int, elec0: int, elec1: int) -> str:
    """Return function 3: the electrodes of a group, as bits of two words."""
    return _text(messages.configure_group(group, (elec0, elec1)))


def dsp_set_elec_grp_manual(words: Sequence[int]) -> str:
    """Return function 4: modes of electrodes, as four words."""
    return _text(messages.set_modes(words))


def dsp_set_elec_grp_auto() -> str:
    """Return function 5."""
    return dsp_func_call(DspFunction.MODE_AUTO)


def dsp_commit_conf() -> str:
    """Return function 6."""
    return dsp_func_call(DspFunction.COMMIT_CONFIG)


def dsp_start_stim_queue() -> str:
    """Return function 7, which `auto_transmit` does not send."""
    return dsp_func_call(DspFunction.START_QUEUE)


def dsp_stop_stim_queue() -> str:
    """Return function 8."""
    return dsp_func_call(DspFunction.STOP_QUEUE)


def dsp_set_elec_grp_period(group: int, period: int) -> str:
    """Return function 9: the period of a group, in ticks of 20 µs."""
    return _text(messages.set_period(group, period))


def dsp_enable_stim_grp(group: int) -> str:
    """Return function 10, which `auto_transmit` does not send."""
    return _text(messages.enable_group(group))


def dsp_disable_stim_grp(group: int) -> str:
    """Return function 11."""
    return _text(messages.disable_group(group))


def dsp_commit_conf_dbg() -> str:
    """Return function 12."""
    return dsp_func_call(DspFunction.COMMIT_CONFIG_DEBUG)


def dsp_write_sq_dbg() -> str:
    """Return function 13."""
    return dsp_func_call(DspFunction.WRITE_QUEUE_DEBUG)


def dsp_set_blanking(word1: int, word2: int) -> str:
    """Return function 14."""
    return _text(messages.set_blanking((word1, word2)))


def dsp_set_blanking_prot(word1: int, word2: int) -> str:
    """Return function 15."""
    return _text(messages.set_blanking_protection((word1, word2)))


def route_of(message: str) -> str:
    """Return the key of `ROUTES` for a message, by what it holds.

    Raises
    ------
    FormatError
        It is of no kind that a server takes.
    """
    held = json.loads(message)
    kinds = {
        "func": "DSP-call",
        "samplerate": "DAQ-connect",
        "values": "DSP-write",
        "addresses": "DSP-read",
        "message": "log",
    }
    if "electrodes" in held:
        raise FormatError(
            f"{message} is a request of the first MEAME, which acted on every 41st of "
            "them, on electrodes of its own choice; MEAME2 knows no such message: use "
            "MeameSpeaker or circus_live.speaker.MeameStimulator"
        )
    for name, route in kinds.items():
        if name in held:
            return route
    raise FormatError(f"{message}: expected one with {', '.join(kinds)}")


def auto_transmit(message: str, transmitter: Transmitter) -> Any:
    """Send a message to where it belongs.

    Raises
    ------
    DeviceError
        The server did not acknowledge it.
    SafetyError
        It may start or change a stimulation.
    """
    return meame_transmit(route_of(message), message, transmitter)


def meame_transmit(dest: str, message: str | None, transmitter: Transmitter) -> Any:
    """Send a message: GET without one, POST with one; returns the answer.

    Raises
    ------
    FormatError
        No such destination.
    DeviceError, SafetyError
        As `auto_transmit`.
    """
    if dest not in ROUTES:
        raise FormatError(f"{dest}: choose from {', '.join(ROUTES)}")
    if dest in ("DSP-call", "DSP-write"):
        return transmitter.send(_parsed(dest, message))
    if dest in REPLAYED:
        raise SafetyError(f"{dest}: the server would stimulate {BEYOND_LIMITS}")
    if transmitter.control is None:
        return None
    return transmitter.control.request(ROUTES[dest], message)


def _parsed(dest: str, message: str | None) -> Call | Write:
    held = json.loads(message or "{}")
    if dest == "DSP-write":
        _check_addresses(held["addresses"])
        return Write(tuple(held["addresses"]), tuple(held["values"]))
    function = DspFunction(held["func"])
    if function not in SENT:
        raise SafetyError(f"{function.name} may stimulate {BEYOND_LIMITS}")
    _check_addresses(held["argAddrs"])
    return Call(function, tuple(held["argAddrs"]), tuple(held["argVals"]))


def _check_addresses(addresses: Sequence[int]) -> None:
    for address in addresses:
        if address not in ARGUMENTS:
            raise SafetyError(
                f"a write to 0x{address:04X} may stimulate {BEYOND_LIMITS}"
            )


def _text(message: Call | Write) -> str:
    return json.dumps(message.as_json())
