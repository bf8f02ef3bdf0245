"""`CREPE`: an experiment, from its segments through a chain of services."""

import itertools
import os
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from circus_io.errors import CircusError, FormatError, LiveError
from circus_live.crepe.meame_speaker import MeameSpeaker
from circus_live.crepe.modus import CrepeModus
from circus_live.crepe.offline import OfflineServer
from circus_live.crepe.poison_pill import is_poison_pill
from circus_live.crepe.random_source import RandomSource
from circus_live.crepe.ring_queue import RingQueue
from circus_live.crepe.settings import SEGMENT_FRAMES
from circus_live.crepe.start_queue_service import Looped
from circus_live.crepe.visualiser import Visualiser
from circus_live.flow import SOURCE, Flow
from circus_live.opening import open_source
from circus_live.output import Output
from circus_live.policies import Policy
from circus_live.recorder import Recorder
from circus_live.service import Service
from circus_live.source import Source
from circus_live.sources.file import FileSource
from circus_live.sources.meame import MeameSource
from circus_live.statistics import FlowStatistics

__all__ = ["CREPE", "free_recording_path", "get_queue"]

LIVE_URL = "meame://127.0.0.1:8888?sampling_rate=10000&segment_frames=100"
LISTENER, READER = "MEAMELISTENER", "HDF5READER"
FIRST_DATA_S = 20.0  # for processes to start, and for the source to give something
FAILURE_WAIT_S = 10.0
LOOK_S = 0.01


class CREPE:
    """Chains services behind a source, each in a process of its own.

    Nothing is started by the constructor. `start` does, and so do `wait` and the first
    `get` from one of its queues.

    Parameters
    ----------
    modus : CrepeModus
    file_path : path, optional
        FILE: the recording, in any format. OFFLINE: what the server double sends.
        LIVE_RECORD: the file to write; by default ``recordings/recording0.h5``, or the
        next number that is free.
    queue_services : list of [class, dict], optional
        Services in their order, with their keywords. A `circus_live.Service` may be
        among them. A `Visualiser` without a ``view`` of its own shows the segments of
        the source in a browser; its keywords are those of `circus_live.view.View`.
    meame_speaker_periods : dict of str to int, optional
        LIVE, LIVE_RECORD and OFFLINE: a `MeameSpeaker` with these periods comes last.
    meame_speaker : dict, optional
        What else it needs: ``limits``, ``electrodes``, ``pulse``.
    source : Source or str, optional
        In place of that of the mode: ``meame://host:8888?sampling_rate=10000``.
    start_method : {'fork', 'spawn', 'forkserver'}, optional

    Attributes
    ----------
    view : View or None
        What a `Visualiser` among the services has made; its `url` is for a browser.

    Raises
    ------
    CircusError
        As `Flow`, of what the mode needs.
    """

    def __init__(
        self,
        modus: CrepeModus = CrepeModus.LIVE,
        file_path: str | os.PathLike[str] | None = None,
        queue_services: Sequence[Sequence[Any]] | None = None,
        *,
        meame_speaker_periods: dict[str, int] | None = None,
        meame_speaker: dict[str, Any] | None = None,
        source: Source | str | None = None,
        start_method: str | None = None,
    ) -> None:
        self.modus = CrepeModus(modus)
        self.view: Any = None
        self._offline: OfflineServer | None = None
        if self.modus is CrepeModus.OFFLINE and source is None:
            self._offline = OfflineServer(file_path)
            source = self._offline.url + "&sampling_rate=10000&segment_frames=100"
        try:
            self._source = _source_of(self.modus, file_path, source)
            self._flow = Flow(self._source, start_method=start_method)
            is_file = self.modus in (CrepeModus.FILE, CrepeModus.TEST)
            self._names = [READER if is_file else LISTENER]
            self._members = [SOURCE]
            for kind, keywords in queue_services or ():
                self._add(kind, keywords)
            if meame_speaker_periods is not None:
                self._add_speaker(meame_speaker_periods, meame_speaker or {})
            if self.modus is CrepeModus.LIVE_RECORD:
                self._add_recorder(file_path, meame_speaker_periods is not None)
        except BaseException:
            _close(self._offline)
            raise
        self._queues: dict[str, _FlowQueue] = {}
        outputs: list[Output] = []
        self._outputs = outputs
        self._has_raised = False
        self._has_started = False
        # before multiprocessing ends all processes, which then wait for nobody here
        self._finalizer = weakref.finalize(
            self, _end, self._flow, outputs, self._offline
        )

    def _add(self, kind: type, keywords: dict[str, Any]) -> None:
        is_class = isinstance(kind, type)
        if is_class and issubclass(kind, Visualiser) and "view" not in keywords:
            self._add_view(keywords)
            return
        is_service = is_class and issubclass(kind, Service)
        service = kind(**keywords) if is_service else Looped(kind, keywords)
        policy = Policy.BLOCK
        if self.modus is CrepeModus.LIVE_RECORD and len(self._members) == 1:
            policy = Policy.DROP_OLDEST  # the recording waits for no service
        name = self._flow.add(service, after=self._members[-1], policy=policy)
        self._members.append(name)
        self._names.append(name)

    def _add_view(self, keywords: dict[str, Any]) -> None:
        """Show the source beside the chain, which goes on as if it were not there."""
        from circus_live.view import View

        self.view = View(**keywords)
        self._flow.add(self.view, name="VISUALISER", after=SOURCE)

    def _add_speaker(self, periods: dict[str, int], settings: dict[str, Any]) -> None:
        if not isinstance(self._source, MeameSource):
            raise FormatError(
                f"{self.modus.name} has no stimulator for meame_speaker_periods; "
                "choose LIVE, LIVE_RECORD or OFFLINE"
            )
        server = self._source.settings
        where = {"host": server.host, "port": server.http_port}
        keywords = {"periods": periods, **where, **settings}
        MeameSpeaker.check(**keywords)
        self._add(MeameSpeaker, keywords)

    def _add_recorder(
        self, path: str | os.PathLike[str] | None, stimulates: bool
    ) -> None:
        """Record the source, and what the speaker has sent."""
        path = free_recording_path() if path is None else path
        after = [SOURCE, self._members[-1]] if stimulates else SOURCE
        self._flow.add(Recorder(path), name="recorder", after=after)

    # --------------------------------------------------------------------------- queues

    def get_first_queue(self) -> RingQueue:
        """Return the queue of the source; services get all of it nevertheless."""
        return self._queue(0)

    def get_last_queue(self) -> RingQueue:
        """Return the queue of the last service, or of the source if there is none."""
        return self._queue(len(self._members) - 1)

    def get_queue(self, name: str) -> RingQueue:
        """Return the queue of a service by its name; ``END`` is the last one.

        Raises
        ------
        ValueError
            There is no such service.
        """
        if name == "END":
            return self.get_last_queue()
        if name not in self._names:
            known = ", ".join([*self._names, "END"])
            raise FormatError(f"there is no queue {name}; choose from {known}")
        return self._queue(self._names.index(name))

    def _queue(self, number: int) -> "_FlowQueue":
        member = self._members[number]
        if member not in self._queues:
            if self._has_started:
                raise LiveError(
                    f"{self._names[number]} has been started without a reader; ask for "
                    "all queues before the first get"
                )
            records = self.modus is CrepeModus.LIVE_RECORD and number == 0
            policy = Policy.DROP_OLDEST if records else Policy.BLOCK
            output = self._flow.output(after=member, policy=policy)
            self._outputs.append(output)
            self._queues[member] = _FlowQueue(self, output)
        return self._queues[member]

    # -------------------------------------------------------------------------- running

    def start(self) -> None:
        """Start all processes, and wait for the first segment; once."""
        if self._has_started:
            return
        self._has_started = True
        self._flow.start()
        until = time.monotonic() + FIRST_DATA_S
        while self._flow.is_running and time.monotonic() < until:
            links = self._flow_links()
            if not links or any(link.counts.received_blocks for link in links):
                return
            time.sleep(LOOK_S)

    def _flow_links(self) -> Sequence[Any]:
        return [one for one in self.statistics().links if one.sender == SOURCE]

    def statistics(self) -> FlowStatistics:
        """Return how much each link has carried and lost."""
        return self._flow.statistics()

    @property
    def pids(self) -> dict[str, int]:
        """Process of each service, by its name."""
        names = dict(zip(self._members, self._names, strict=True))
        return {names.get(name, name): pid for name, pid in self._flow.pids.items()}

    def wait(self, data_func: Callable[[Any], Any] | None = None) -> None:
        """Take all that leaves the chain until its end.

        SIGINT and SIGTERM stop the source; what is under way is still done. A queue
        that was handed out and never read is waited for no longer.

        Parameters
        ----------
        data_func : callable, optional
            Called with each item.

        Raises
        ------
        CircusError
            The first failure; its cause has the traceback.
        """
        last = None
        if not self._has_started or self._members[-1] in self._queues:
            last = self.get_last_queue()
        elif data_func is not None:
            last = self.get_last_queue()  # raises, and says why
        try:
            with self._flow.stopped_by_signals():
                self.start()
                for queue in self._queues.values():
                    if queue is not last and not queue.was_read:
                        queue.close()
                if last is not None:
                    self._drain(last, data_func)
                self._join()
        finally:
            self.shutdown()

    def _drain(self, last: RingQueue, data_func: Callable[[Any], Any] | None) -> None:
        while not is_poison_pill(data := last.get()):
            if data_func is not None:
                data_func(data)

    def _join(self) -> None:
        try:
            self._flow.wait()
        except CircusError:
            self._has_raised = True
            raise

    def shutdown(self) -> None:
        """Stop the source, let the services finish, and wait for them; harmless twice.

        Raises
        ------
        CircusError
            The first failure, unless it has been raised before.
        """
        if self._has_started:
            self._flow.stop()
            for queue in self._queues.values():
                queue.close()
            try:
                self._flow.wait()
            except CircusError:
                if not self._has_raised:
                    self._has_raised = True
                    raise
            finally:
                _close(self._offline)
        _close(self._offline)

    _shutdown = shutdown

    def failure(self) -> CircusError | None:
        """Wait a while for the failure that a queue has seen, and return it."""
        until = time.monotonic() + FAILURE_WAIT_S
        while self._flow.failure is None and self._flow.is_running:
            if time.monotonic() > until:
                break
            time.sleep(LOOK_S)
        self._has_raised = self._flow.failure is not None
        return self._flow.failure


class _FlowQueue(RingQueue):
    """A queue of a `CREPE`, read in its process; the first `get` starts the flow."""

    def __init__(self, experiment: CREPE, output: Output) -> None:
        self._experiment, self._output = experiment, output
        self.was_read = False
        self.failure = experiment.failure
        self._reset()

    def __getstate__(self) -> dict[str, Any]:
        raise LiveError(
            "the queue of a CREPE is read in the process that made it; add the service "
            "to its queue_services instead"
        )

    @property
    def ring(self) -> Any:
        """The ring, once the flow is started."""
        return self._output.reader.ring

    @property
    def number(self) -> int:
        """Which reader of the ring it is."""
        return self._output.reader.number

    def _as_reader(self) -> Any:
        self._experiment.start()
        self.was_read = True
        self._reader = self._output.reader
        return self._reader

    def close(self) -> None:
        """Take no more, so that the chain does not wait for this process."""
        self._output.close()


def get_queue(crep: CREPE, name: str) -> RingQueue:
    """Return the queue of a service by its name; raises ValueError if there is none."""
    return crep.get_queue(name)


def free_recording_path(folder: str | os.PathLike[str] = "recordings") -> Path:
    """Make the folder, and return the first ``recording{i}.h5`` that is not there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = (folder / f"recording{number}.h5" for number in itertools.count())
    return next(path for path in paths if not path.exists())


def _source_of(modus: CrepeModus, file_path: Any, given: Source | str | None) -> Source:
    if given is not None:
        if str(given).startswith("meame://") and "last_sample=" not in given:
            given += ("&" if "?" in given else "?") + "last_sample=hold"
        return open_source(given)
    if modus is CrepeModus.TEST:
        return RandomSource()
    if modus is not CrepeModus.FILE:
        return open_source(LIVE_URL + "&last_sample=hold")
    if file_path is None:
        raise FormatError("CrepeModus.FILE needs file_path, a recording")
    if str(file_path).startswith("file:"):
        return open_source(file_path)
    return FileSource(file_path, SEGMENT_FRAMES, "fast")


def _close(server: OfflineServer | None) -> None:
    if server is not None:
        server.close()


def _end(flow: Flow, outputs: list[Output], server: OfflineServer | None) -> None:
    """End what a program leaves behind that forgets to."""
    flow.stop()
    for output in outputs:
        output.close()
    _close(server)
