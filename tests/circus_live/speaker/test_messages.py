"""What is sent to the DSP, against the lists of numbers that are known."""

import pytest

from circus_io.errors import FormatError, SafetyError
from circus_live.speaker import Call, DspFunction, Register, Write, electrode_words
from circus_live.speaker import messages as m
from circus_live.speaker.functions import get_firmware
from circus_live.speaker.registers import (
    dac_memory,
    group_state,
    sideband_memory,
    write_pointer,
)
from circus_live.speaker.sequences import setup_replay, setup_template
from circus_live.speaker.stimulator import _mode_words

POINTERS = [37388, 37420, 37452, 37484, 37516, 37548]
MEMORIES = [40736, 40740, 40744, 40748, 40752, 40756]


def call(code, *pairs):
    return {
        "func": code,
        "argAddrs": [address for address, _ in pairs],
        "argVals": [value for _, value in pairs],
    }


def group(number, first, second):
    return call(3, (4112, number), (4120, first), (4124, second))


def test_the_template_is_the_golden_list():
    expected = [call(5), call(8), call(2)]
    for memory in range(6):
        words = [3211289, 655385] if memory % 2 else [32593, 1671343]
        expected += [
            {"addresses": [POINTERS[memory]], "values": [0]},
            {"addresses": [MEMORIES[memory]] * 2, "values": words},
            call(8),
        ]
    expected += [
        call(2),
        call(14, (4268, 311724626), (4272, 310378578)),
        call(15, (4276, 311724626), (4280, 310378578)),
        group(0, 82, 310378496),
        group(1, 310378496, 82),
        group(2, 1346048, 0),
        call(4, (4284, 13382412), (4288, 204672195), (4292, 13068), (4296, 204668928)),
        call(6),
        call(7),
        call(9, (4112, 0), (4116, 5000)),
    ]
    assert [message.as_json() for message in setup_template()] == expected


def test_the_replay_of_the_server_has_17_calls_and_12_writes():
    replay = setup_replay()
    assert sum(isinstance(message, Call) for message in replay) == 17
    assert sum(isinstance(message, Write) for message in replay) == 12
    assert replay[0].function == 13


def test_addresses_are_those_of_the_tables():
    assert [write_pointer(memory) for memory in range(6)] == POINTERS
    assert [dac_memory(group) for group in range(3)] == MEMORIES[::2]
    assert [sideband_memory(group) for group in range(3)] == MEMORIES[1::2]
    assert group_state(2) == (0x1090, 0x1094, 0x1098)
    assert (Register.ELECTRODE_ENABLE1, Register.ELECTRODE_ENABLE2) == (0x9158, 0x915C)
    assert Register.DEBUG3 == 0x10A4
    assert (Register.MODE1, Register.MODE4) == (4284, 4296)
    assert Register.BLANKING_PROTECTION1 == 4276


def test_electrodes_are_bits():
    assert electrode_words([1, 4, 6, 53, 55, 58]) == (82, 310378496)
    assert electrode_words([9, 11, 15, 18, 20]) == (1346048, 0)
    assert electrode_words([0, 29, 30, 59]) == (1 | 1 << 29, 1 | 1 << 29)
    for channel in (-1, 60):
        with pytest.raises(SafetyError, match="0 to 59"):
            electrode_words([channel])


def test_mode_and_blanking_words_are_those_of_the_template():
    """The words that the template sends are these for the electrodes of its groups."""
    driven = [1, 4, 6, 53, 55, 58, 23, 25, 28, 31, 34, 36, 9, 11, 15, 18, 20]
    assert _mode_words(driven) == [13382412, 204672195, 13068, 204668928]
    assert electrode_words(driven) == (311724626, 310378578)


def test_every_group_is_its_own():
    for number in range(3):
        assert m.enable_group(number).as_json() == call(10, (4112, number))
        assert m.disable_group(number).as_json() == call(11, (4112, number))
        assert m.set_period(number, 7).as_json() == call(9, (4112, number), (4116, 7))
    with pytest.raises(SafetyError, match="0 to 2"):
        m.enable_group(3)
    with pytest.raises(SafetyError, match="1 or more"):
        m.set_period(0, 0)


def test_a_safe_stop_disables_all_groups_and_the_queue():
    stop = [message.as_json() for message in m.safe_stop()]
    assert stop == [*(call(11, (4112, g)) for g in range(3)), call(8)]
    assert all(message.is_repeatable for message in m.safe_stop())


def test_what_counts_shots_or_appends_is_not_repeated():
    assert not Call(DspFunction.ENABLE_GROUP).is_repeatable
    assert not Call(DspFunction.START_QUEUE).is_repeatable
    assert not Write((1,), (2,)).is_repeatable


def test_firmwares_have_their_functions():
    get_firmware("meame2").check(DspFunction.SET_BLANKING)
    for name, function in (("public", 14), ("public", 15), ("shodan", 5)):
        with pytest.raises(FormatError, match=f"no function {function}"):
            get_firmware(name).check(DspFunction(function))
    with pytest.raises(FormatError, match="choose from meame2, public, shodan"):
        get_firmware("mine")
