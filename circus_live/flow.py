"""`Flow`: a source and services in processes of their own, wired with rings.

::

    flow = Flow("synthetic?n_channels=60&duration_s=10")
    flow.add(MovingAverage, n_frames=100)               # after the source
    flow.add(Readout)                                   # after the moving average
    flow.add(Recorder("rec.h5"), after="source")        # beside them
    statistics = flow.run()
"""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, Self

from circus_io.errors import CircusError, LiveError
from circus_live.board import Board
from circus_live.member import SIGNALS, Input, Member
from circus_live.opening import open_source
from circus_live.output import Output
from circus_live.policies import Policy
from circus_live.priority import check_realtime
from circus_live.ring import Ring
from circus_live.service import as_service
from circus_live.source import SourceInfo
from circus_live.statistics import FlowStatistics
from circus_live.supervisor import Supervisor
from circus_live.wiring import Wiring

__all__ = ["SOURCE", "Flow"]

SOURCE = "source"


class Flow:
    """Build it with `add` and `output`, then `run` it, or use it in a ``with`` block.

    Parameters
    ----------
    source : Source, str or path
        As `open_source` takes it.
    buffer_s : float
        How long each reader may lag behind before its policy is asked, s.
    drain_timeout_s : float
        How long members may take to end after the flow was stopped, s; then they are
        killed.
    start_method : {'fork', 'spawn', 'forkserver'}, optional
        Of the processes; by default that of `multiprocessing`.
    realtime : bool
        Source and services run before everything else on the machine, as they are
        woken: for closed loops. What the flow can do without, such as a view, does not.

    Raises
    ------
    LiveError
        Real-time priority is not permitted here.
    FormatError, RecordingNotFoundError
        As `open_source`.

    Notes
    -----
    The first failure of a member stops the flow: the source ends, what is in the rings
    is still done, all processes end, and `run` or `wait` raises the failure. A member
    that is killed is such a failure; one that is dispensable, as a view, is only
    missed in the log. If the process of the flow itself is killed, its
    members end in the same order.
    """

    def __init__(
        self,
        source: Any,
        *,
        buffer_s: float = 2.0,
        drain_timeout_s: float = 10.0,
        start_method: str | None = None,
        realtime: bool = False,
    ) -> None:
        if realtime:
            check_realtime()
        self.realtime = realtime
        self.source = open_source(source)
        self.drain_timeout_s = drain_timeout_s
        self._context = multiprocessing.get_context(start_method)
        self._wiring = Wiring(SOURCE, self.source.info, buffer_s)
        self._supervisor: Supervisor | None = None
        self._board: Board | None = None
        self._outputs: list[Output] = []

    @property
    def info(self) -> SourceInfo:
        """What is known of the stream of the source."""
        return self._wiring.infos[SOURCE]

    # ------------------------------------------------------------------------ building

    def add(
        self,
        service: Any,
        *,
        name: str | None = None,
        after: str | Sequence[str] | None = None,
        policy: Policy | str | None = None,
        **keywords: Any,
    ) -> str:
        """Add a service.

        Parameters
        ----------
        service : Service, class, function or str
            As `as_service` takes it.
        name : str, optional
            By default that of the service, with a number if it is taken.
        after : str or sequence of str, optional
            Members whose blocks it gets; by default the one that was added last.
        policy : {'block', 'drop_oldest', 'drop_newest', 'error'}, optional
            What happens when it is slower than they are; by default what the service
            says, which is ``block`` if it says nothing.
        **keywords
            For the class or function.

        Returns
        -------
        str
            Its name.

        Raises
        ------
        FormatError
            No such member or policy, or no service.
        LiveError
            The flow has been started.
        """
        self._check_not_started()
        return self._wiring.add(as_service(service, **keywords), name, after, policy)

    def output(
        self,
        after: str | None = None,
        policy: Policy | str = Policy.BLOCK,
        copy: bool = True,
    ) -> Output:
        """Read the blocks of a member here, in this process.

        Parameters
        ----------
        after : str, optional
            The member; by default the one that was added last.
        policy, copy
            As of `add` and `Reader`. With ``block``, the flow waits for this reader.

        Returns
        -------
        Output
            Iterate over it once the flow has been started.
        """
        self._check_not_started()
        output = Output(*self._wiring.tap(after, policy), copy)
        self._outputs.append(output)
        return output

    def _check_not_started(self) -> None:
        if self._supervisor is not None:
            raise LiveError("the flow has been started; make another one")

    # ------------------------------------------------------------------------- running

    def run(
        self,
        watch: Callable[[FlowStatistics], None] | None = None,
        every_s: float = 0.5,
    ) -> FlowStatistics:
        """Start, wait for the end of the stream, and return the last counts.

        SIGINT and SIGTERM stop the source and let all that is in the rings be done; a
        second one kills.

        Parameters
        ----------
        watch : callable, optional
            Called with the counts of the moment, here, every `every_s` seconds.
        every_s : float

        Raises
        ------
        CircusError
            The first failure; the traceback in its process is the cause.
        """
        with self.stopped_by_signals(), self:
            while not self.wait(None if watch is None else every_s):
                watch(self.statistics())
        return self.statistics()

    def start(self) -> None:
        """Start all processes; `wait` for them, or use the flow in a ``with`` block."""
        self._check_not_started()
        rings = self._wiring.make_rings()
        names = [SOURCE, *self._wiring.services]
        self._board = Board(names, self.drain_timeout_s)
        members, ends = [], []
        for name in names:
            end, reports = self._context.Pipe(duplex=False)
            members.append(self._member(name, rings, reports))
            ends.append(end)
        for output in self._outputs:
            output.attach(rings[output.sender])
        processes = [self._process(member) for member in members]
        self._supervisor = Supervisor(members, processes, ends, self._board)
        try:
            self._start_all(processes, members)
        except BaseException:
            for process in processes:
                if process.pid:
                    process.kill()
            self._supervisor = None
            raise
        self._supervisor.start()

    def _start_all(self, processes: list[Any], members: list[Member]) -> None:
        if self._context.get_start_method() != "fork":
            resource_tracker.ensure_running()  # or it would let the signals go
        with _signals_held():
            for process, member in zip(processes, members, strict=True):
                try:
                    process.start()
                except (pickle.PicklingError, AttributeError, TypeError) as error:
                    raise LiveError(
                        f"{member.name} cannot be handed to a process that is spawned: "
                        f"{error}; define it at the top of a module, make what does "
                        'not pickle in open(), or use start_method="fork"'
                    ) from error
                member.reports.close()

    def stop(self) -> None:
        """Ask the source to end; from any thread or signal handler."""
        if self._board is not None:
            self._board.stop()

    def kill(self) -> None:
        """End all processes at once; what is in the rings is lost."""
        if self._supervisor is not None:
            self._board.stop()
            self._supervisor.kill()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all processes have ended; False if they had not by then.

        Raises
        ------
        CircusError
            The first failure.
        """
        if self._supervisor is None:
            raise LiveError("the flow has not been started")
        has_ended = self._supervisor.has_ended.wait(timeout_s)
        if has_ended and self._supervisor.failure is not None:
            raise self._supervisor.failure
        return has_ended

    @property
    def failure(self) -> CircusError | None:
        """The first failure so far, which `wait` will raise."""
        return None if self._supervisor is None else self._supervisor.failure

    @property
    def is_running(self) -> bool:
        """Whether any of its processes still runs."""
        return self._supervisor is not None and not self._supervisor.has_ended.is_set()

    @property
    def pids(self) -> dict[str, int]:
        """Process of each member."""
        supervisor = self._supervisor
        if supervisor is None:
            return {}
        pairs = zip(supervisor._members, supervisor._processes, strict=True)
        return {member.name: process.pid for member, process in pairs}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the end; after an error, also one of waiting, stop first."""
        if error is not None:
            self._end_early()
            return
        try:
            self.wait()
        except BaseException:
            self._end_early()
            raise

    def _end_early(self) -> None:
        self.stop()
        for output in self._outputs:
            output.close()
        self._supervisor.has_ended.wait()

    def statistics(self) -> FlowStatistics:
        """Return the counts of this moment; from any thread."""
        supervisor = self._supervisor
        if supervisor is None:
            raise LiveError("the flow has not been started")
        n_frames, gap_frames = self._wiring.links.source_frames()
        return FlowStatistics(
            host_time_ns=time.monotonic_ns(),
            n_frames=n_frames,
            gap_frames=gap_frames,
            source_state=supervisor.source_state,
            verdicts=supervisor.verdicts,
            links=self._wiring.links.statistics(),
            clock=supervisor.clock,
        )

    # ------------------------------------------------------------------------ its parts

    def _member(self, name: str, rings: dict[str, Ring], reports: Any) -> Member:
        is_source = name == SOURCE
        taps = [] if is_source else self._wiring.taps_of(name)
        return Member(
            name=name,
            work=self.source if is_source else self._wiring.services[name],
            inputs=[Input(rings[sender], number) for sender, number in taps],
            output=rings.get(name),
            info=self.info if is_source else self._wiring.infos[taps[0][0]],
            board=self._board,
            parent_pid=os.getpid(),
            reports=reports,
            realtime=self.realtime,
        )

    def _process(self, member: Member) -> Any:
        # daemonic: a program that forgets its flow ends it
        return self._context.Process(
            target=member.run, name=f"circus_live {member.name}", daemon=True
        )

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM stop the source meanwhile; a second one kills."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        seen: list[int] = []

        def handle(number: int, _: Any) -> None:
            seen.append(number)
            self.stop() if len(seen) == 1 else self.kill()

        before = {one: signal.signal(one, handle) for one in SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait; in new processes, until they have said what they do."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
