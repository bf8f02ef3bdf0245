"""Registers of the DSP behind a MEAME server, by name.

Addresses are those of the DSP's firmware (MEAME-DSP); where CREPE's table differs
(ELECTRODE_ENABLE, DEBUG3), the firmware is followed.
"""

from enum import IntEnum

__all__ = [
    "N_GROUPS",
    "N_MEMORIES",
    "Register",
    "dac_memory",
    "group_state",
    "sideband_memory",
    "write_pointer",
]

N_GROUPS = 3
N_MEMORIES = 2 * N_GROUPS  # of each group, one for the DAC and one for its switches


class Register(IntEnum):
    """Addresses; those of memories and groups come from the functions here."""

    SLAVE_ID = 0x1000
    MASTER_ID = 0x1004
    INSTRUCTION_TYPE = 0x1008
    STIM_QUEUE_RUNNING = 0x100C
    GROUP = 0x1010
    PERIOD = 0x1014
    ELEC0 = 0x1018
    ELEC1 = 0x101C
    CFG_DEBUG_ELEC0 = 0x1020
    CFG_DEBUG_ELEC1 = 0x1024
    CFG_DEBUG_MODE0 = 0x1028
    CFG_DEBUG_MODE1 = 0x102C
    CFG_DEBUG_MODE2 = 0x1030
    CFG_DEBUG_MODE3 = 0x1034
    CFG_DEBUG_DAC0 = 0x1038
    CFG_DEBUG_DAC1 = 0x103C
    CFG_DEBUG_DAC2 = 0x1040
    CFG_DEBUG_DAC3 = 0x1044
    SHOTS_FIRED = 0x1048
    ERROR_FLAG = 0x104C
    ERROR_START = 0x1050
    ERROR_END = 0x106C
    ERROR_ENTRIES = 0x1070
    STEP_COUNTER = 0x1074
    STIM_REQ = 0x1078
    DEBUG1 = 0x109C
    DEBUG2 = 0x10A0
    DEBUG3 = 0x10A4
    DEBUG4 = 0x10A8
    BLANKING1 = 0x10AC
    BLANKING2 = 0x10B0
    BLANKING_PROTECTION1 = 0x10B4
    BLANKING_PROTECTION2 = 0x10B8
    MODE1 = 0x10BC
    MODE2 = 0x10C0
    MODE3 = 0x10C4
    MODE4 = 0x10C8
    LOG_START = 0x1100
    LOG_END = 0x1F00
    LOG_ENTRIES = 0x1FF0
    MAILBOX_END = 0x1FFC
    TRIGGER_CTRL = 0x0200
    MANUAL_TRIGGER = 0x0214
    HEADSTAGE_BLANKING_PROTECTION1 = 0x8140
    HEADSTAGE_BLANKING_PROTECTION2 = 0x8144
    HEADSTAGE_BLANKING1 = 0x8150
    HEADSTAGE_BLANKING2 = 0x8154
    ELECTRODE_MODE1 = 0x9120
    ELECTRODE_MODE2 = 0x9124
    ELECTRODE_MODE3 = 0x9128
    ELECTRODE_MODE4 = 0x912C
    ELECTRODE_ENABLE1 = 0x9158
    ELECTRODE_ENABLE2 = 0x915C
    ELECTRODE_DAC_SEL1 = 0x9160
    ELECTRODE_DAC_SEL2 = 0x9164
    ELECTRODE_DAC_SEL3 = 0x9168
    ELECTRODE_DAC_SEL4 = 0x916C
    TRIGGER_REPEAT1 = 0x9190
    TRIGGER_REPEAT2 = 0x9194
    TRIGGER_REPEAT3 = 0x9198
    WRITE_POINTER = 0x920C
    STG_WRITE = 0x9F20
    STG_CLEAR_AND_WRITE = 0x9F40


def dac_memory(group: int) -> int:
    """Return the address that appends to the waveform of a group."""
    return Register.STG_WRITE + 8 * group


def sideband_memory(group: int) -> int:
    """Return the address that appends to the switches of a group."""
    return Register.STG_WRITE + 8 * group + 4


def write_pointer(memory: int) -> int:
    """Return the address at which a 0 empties a memory: 2 · group, + 1 for switches."""
    return Register.WRITE_POINTER + 0x20 * memory


def group_state(group: int) -> tuple[int, int, int]:
    """Return the addresses of what a group does: active, period, next firing step."""
    first = Register.STIM_REQ + 12 * group
    return first, first + 4, first + 8
