"""The registers of the DSP, and what it does when its mailbox is written."""

import threading
import time
from collections.abc import Sequence

from circus_live.meame_server.faults import Faults
from circus_live.speaker.functions import DspError, DspFunction
from circus_live.speaker.registers import (
    N_GROUPS,
    N_MEMORIES,
    Register,
    group_state,
    write_pointer,
)

__all__ = ["Dsp"]

ACKNOWLEDGE_S = 0.1  # how long a call waits, before its one repetition and after


class Dsp:
    """A register file with a mailbox, behind the routes ``/DSP/...``.

    A call is made as MEAME2 does: read SLAVE_ID, write the arguments and the function,
    write SLAVE_ID + 1 to MASTER_ID, wait until SLAVE_ID is the same.

    Parameters
    ----------
    faults : Faults
        Whose ``dsp`` says what there is.

    Attributes
    ----------
    registers : dict of int to int
        What was written last; 0 where nothing was.
    memories : list of list of int
        Words of the waveform memories: of each group, DAC and switches.
    groups : dict of int to (int, int)
        Electrode words of the groups that were configured.
    calls : list of (int, tuple, tuple)
        Function, addresses and values of every call.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.registers: dict[int, int] = {}
        self.memories: list[list[int]] = [[] for _ in range(N_MEMORIES)]
        self.groups: dict[int, tuple[int, int]] = {}
        self.calls: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []
        self._n_reads = 0
        self._lock = threading.RLock()
        self._functions = {
            DspFunction.RESET: self._reset,
            DspFunction.CONFIGURE_GROUP: self._configure_group,
            DspFunction.COMMIT_CONFIG: self._commit,
            DspFunction.START_QUEUE: lambda: self._run_queue(1),
            DspFunction.STOP_QUEUE: lambda: self._run_queue(0),
            DspFunction.SET_PERIOD: self._set_period,
            DspFunction.ENABLE_GROUP: lambda: self._activate(1),
            DspFunction.DISABLE_GROUP: lambda: self._activate(0),
            DspFunction.COMMIT_CONFIG_DEBUG: self._commit_debug,
        }

    # --------------------------------------------------------------------------- routes

    def call(
        self, function: int, addresses: Sequence[int], values: Sequence[int]
    ) -> bool:
        """Call a function; False if the DSP did not acknowledge."""
        with self._lock:
            self.calls.append((int(function), tuple(addresses), tuple(values)))
            if self.faults.dsp == "mock":
                return True
            expected = self._get(Register.SLAVE_ID) + 1
            self.write([*addresses, Register.INSTRUCTION_TYPE], [*values, function])
            self.write([Register.MASTER_ID], [expected])
            if self._get(Register.SLAVE_ID) == expected:
                return True
        time.sleep(2 * ACKNOWLEDGE_S)
        return False

    def read(self, addresses: Sequence[int]) -> list[int]:
        """Return registers."""
        with self._lock:
            if self.faults.dsp == "mock":
                return [self._mock_value(address) for address in addresses]
            return [self._get(address) for address in addresses]

    def write(self, addresses: Sequence[int], values: Sequence[int]) -> None:
        """Write registers in their order."""
        with self._lock:
            if self.faults.dsp == "mock":
                return
            for address, value in zip(addresses, values, strict=True):
                self._write_one(int(address), int(value))

    def is_active(self, group: int) -> bool:
        """Tell whether a group stimulates."""
        running = self._get(Register.STIM_QUEUE_RUNNING)
        return bool(running and self._get(group_state(group)[0]))

    # ------------------------------------------------------------------------ registers

    def _get(self, address: int) -> int:
        return self.registers.get(int(address), 0)

    def _mock_value(self, address: int) -> int:
        if address != Register.SLAVE_ID:
            return 0
        self._n_reads += 1
        return self._n_reads

    def _write_one(self, address: int, value: int) -> None:
        self.registers[address] = value
        index, rest = divmod(address - Register.STG_WRITE, 4)
        if not rest and 0 <= index < N_MEMORIES:
            self.memories[index].append(value)
        for memory in range(N_MEMORIES):
            if address == write_pointer(memory) and value == 0:
                self.memories[memory].clear()
        if address == Register.MASTER_ID and self.faults.dsp == "live":
            action = self._functions.get(self._get(Register.INSTRUCTION_TYPE))
            if action is not None:
                action()
            self.registers[Register.SLAVE_ID] = value

    # ------------------------------------------------------------------------ functions

    def _group(self) -> int | None:
        """Return the group that a function is about, or note that there is none."""
        group = self._get(Register.GROUP)
        if group < N_GROUPS:
            return group
        self.registers[Register.ERROR_FLAG] = DspError.OUT_OF_RANGE
        return None

    def _reset(self) -> None:
        self.groups.clear()
        for group in range(N_GROUPS):
            self.registers[group_state(group)[0]] = 0

    def _run_queue(self, running: int) -> None:
        self.registers[Register.STIM_QUEUE_RUNNING] = running

    def _configure_group(self) -> None:
        group = self._group()
        if group is not None:
            self.groups[group] = self._get(Register.ELEC0), self._get(Register.ELEC1)

    def _set_period(self) -> None:
        group = self._group()
        if group is not None:
            self.registers[group_state(group)[1]] = self._get(Register.PERIOD)

    def _activate(self, active: int) -> None:
        group = self._group()
        if group is None:
            return
        address, period, _ = group_state(group)
        if active and not self._get(period):
            self.registers[Register.ERROR_FLAG] = DspError.ZERO_PERIOD_TRIGGER
            return
        self.registers[address] = active

    def _commit(self) -> None:
        for word in range(2):
            bits = 0
            for words in self.groups.values():
                bits |= words[word]
            self.registers[Register.ELECTRODE_ENABLE1 + 4 * word] = bits
        for word in range(4):
            self._copy(Register.MODE1, Register.ELECTRODE_MODE1, word)

    def _commit_debug(self) -> None:
        self._commit()
        for word in range(2):
            self._copy(Register.ELECTRODE_ENABLE1, Register.CFG_DEBUG_ELEC0, word)
        for word in range(4):
            self._copy(Register.ELECTRODE_MODE1, Register.CFG_DEBUG_MODE0, word)

    def _copy(self, source: int, target: int, word: int) -> None:
        self.registers[target + 4 * word] = self._get(source + 4 * word)
