"""What one rank of a sort spends in each step, and on what.

Three kinds of CPU time are told apart. Items (chunks, channels, parts) are shared out
to whoever is free, by `sorting.chunk_map`. In calls of the communicator a rank mostly
waits, which MPI libraries do by spinning. The rest is done by every rank alike, or by
rank 0 alone.
"""

import pickle
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import sorting.chunk_map
from sorting.pipeline import Run

__all__ = ["STARTING", "RankMeter", "StepUse", "payload_bytes"]

STARTING = "starting"  # all that is before, between and after the steps
CALLS = ("bcast", "Bcast", "allgather", "gather", "Allreduce", "barrier", "Barrier")
CALLS += ("Send", "Recv", "alltoall", "scatter", "reduce", "allreduce")


@dataclass
class StepUse:
    """What a rank spent in a step.

    Attributes
    ----------
    cpu_s : float
        In all.
    items_s, longest_s : float
        On its share of the items; on the one that took longest.
    calls_s : float
        In the communicator, waiting included.
    n_items, n_loops : int
        Items of this rank, in how many loops of more items than ranks: the next one
        begins when one has ended.
    n_bytes : int
        Payload of what it sent or received.
    """

    cpu_s: float = 0.0
    items_s: float = 0.0
    longest_s: float = 0.0
    calls_s: float = 0.0
    n_items: int = 0
    n_loops: int = 0
    n_bytes: int = 0

    @property
    def own_s(self) -> float:
        """CPU time that is neither an item's nor the communicator's."""
        return max(0.0, self.cpu_s - self.items_s - self.calls_s)


class RankMeter:
    """Meters this process from `install` on, until `report`."""

    def __init__(self) -> None:
        self.steps: dict[str, StepUse] = defaultdict(StepUse)
        self.step = STARTING

    def install(self, comm: Any) -> Any:
        """Put the meter in the way of steps and items; return a metered communicator.

        There is no undoing it: a metered sort is a process of its own.
        """
        self._meter_steps()
        self._meter_items()
        return comm if comm.size == 1 else self._metered(comm)

    def report(self) -> dict[str, dict[str, float]]:
        """Return what each step used, in the order of the steps, for JSON."""
        inside = sum(use.cpu_s for name, use in self.steps.items() if name != STARTING)
        self.steps[STARTING].cpu_s = time.process_time() - inside
        return {name: asdict(use) for name, use in self.steps.items()}

    def _meter_steps(self) -> None:
        run_step = Run._run_step

        def metered(run: Run, name: str) -> None:
            self.step, start = name, time.process_time()
            run_step(run, name)
            self.steps[name].cpu_s += time.process_time() - start
            self.step = STARTING

        Run._run_step = metered

    def _meter_items(self) -> None:
        own_items = sorting.chunk_map.own_items

        def metered(items: Sequence[int], comm: Any, *others: Any, **keywords: Any):
            mine = own_items(items, comm, *others, **keywords)
            # one item for each rank is a round of a longer loop
            self.steps[self.step].n_loops += len(items) > comm.size
            while True:
                with self._call():  # asking for an item may mean waiting
                    item = next(mine, None)
                if item is None:
                    return
                start = time.process_time()
                yield item
                self._add_item(time.process_time() - start)

        for module in list(sys.modules.values()):  # steps hold the name themselves
            if getattr(module, "own_items", None) is own_items:
                module.own_items = metered

    def _add_item(self, seconds: float) -> None:
        use = self.steps[self.step]
        use.items_s += seconds
        use.longest_s = max(use.longest_s, seconds)
        use.n_items += 1

    @contextmanager
    def _call(self) -> Iterator[None]:
        start = time.process_time()
        yield
        self.steps[self.step].calls_s += time.process_time() - start

    def _metered(self, comm: Any) -> Any:
        kind = type(comm)
        methods = {name: self._method(getattr(kind, name)) for name in CALLS}
        return type("MeteredComm", (kind,), methods)(comm)

    def _method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def metered(comm: Any, *arguments: Any, **keywords: Any) -> Any:
            with self._call():
                result = method(comm, *arguments, **keywords)
                moved = arguments[-1:] if result is None else result
                self.steps[self.step].n_bytes += payload_bytes(moved)
            return result

        return metered


def payload_bytes(moved: Any) -> int:
    """Return the size of what a call moved: a buffer, or an object that is pickled."""
    if isinstance(moved, np.ndarray):
        return moved.nbytes
    if isinstance(moved, tuple) and all(isinstance(m, np.ndarray) for m in moved):
        return sum(array.nbytes for array in moved)
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(moved, protocol=5, buffer_callback=buffers.append)
    return len(head) + sum(buffer.raw().nbytes for buffer in buffers)
