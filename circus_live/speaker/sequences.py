"""The sequences that MEAME2 and CREPE send, as they send them.

They are here to be replayed and compared. Their pulse is not balanced, so it is no
default of anything: `MeameStimulator` makes its own.
"""

from circus_live.speaker.functions import DspFunction
from circus_live.speaker.messages import (
    Call,
    Message,
    Write,
    configure_group,
    disable_group,
    enable_group,
    set_blanking,
    set_blanking_protection,
    set_modes,
    set_period,
)
from circus_live.speaker.registers import (
    N_GROUPS,
    dac_memory,
    sideband_memory,
    write_pointer,
)

__all__ = ["setup_replay", "setup_template", "start_replay", "stop_replay"]

SQUARE = (32593, 1671343)  # about -100 mV, then +100 mV for 500 µs
SQUARE_SWITCHES = (3211289, 655385)
BLANKED = (311724626, 310378578)
GROUPS = ((82, 310378496), (310378496, 82), (1346048, 0))
MODES = (13382412, 204672195, 13068, 204668928)
PERIOD_TICKS = 5000  # 100 ms


def setup_template() -> list[Message]:
    """Return what CREPE sends to set up; its slips of the pen are set right.

    CREPE has 32211289 for a word of the switches of group 0, and sends the blanking
    protection to the addresses of blanking.
    """
    messages: list[Message] = [
        Call(DspFunction.MODE_AUTO),
        Call(DspFunction.STOP_QUEUE),
        Call(DspFunction.RESET),
    ]
    for memory in range(2 * N_GROUPS):
        messages += [*_square(memory), Call(DspFunction.STOP_QUEUE)]
    return [*messages, *_configuration()]


def setup_replay() -> list[Message]:
    """Return what a MEAME server replays to set up: 17 calls and 12 writes.

    The order of its stops within the sequence is inferred from their number.
    """
    messages: list[Message] = [
        Call(DspFunction.WRITE_QUEUE_DEBUG),
        Call(DspFunction.MODE_AUTO),
        Call(DspFunction.STOP_QUEUE),
        Call(DspFunction.RESET),
    ]
    for group in range(N_GROUPS):
        messages += [*_square(2 * group), *_square(2 * group + 1)]
        messages.append(Call(DspFunction.STOP_QUEUE))
    return [*messages, *_configuration()]


def start_replay() -> list[Message]:
    """Return what a MEAME server replays to start."""
    return [enable_group(0)]


def stop_replay() -> list[Message]:
    """Return what a MEAME server replays to stop."""
    return [disable_group(0)]


def _square(memory: int) -> list[Message]:
    group, is_sideband = divmod(memory, 2)
    address = sideband_memory(group) if is_sideband else dac_memory(group)
    words = SQUARE_SWITCHES if is_sideband else SQUARE
    return [
        Write((write_pointer(memory),), (0,)),
        Write((address, address), words),
    ]


def _configuration() -> list[Message]:
    return [
        Call(DspFunction.RESET),
        set_blanking(BLANKED),
        set_blanking_protection(BLANKED),
        *(configure_group(group, words) for group, words in enumerate(GROUPS)),
        set_modes(MODES),
        Call(DspFunction.COMMIT_CONFIG),
        Call(DspFunction.START_QUEUE),
        set_period(0, PERIOD_TICKS),
    ]
