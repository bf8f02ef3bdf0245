"""`MeameSource`: the live stream of a MEAME server."""

import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import numpy as np

from circus_io.errors import (
    ConnectIgnoredError,
    DeviceError,
    FormatError,
    RateRefusedError,
    SegmentLengthError,
    SourceError,
    StreamStalledError,
)
from circus_io.fields import to_bool
from circus_io.meame import (
    ControlClient,
    LastSampleRepair,
    RateMeter,
    StreamSettings,
    find_segment_frames,
    get_channel_map,
)
from circus_io.meame.connection import connect_samples, start_acquisition
from circus_live.block import Block, BlockFlag
from circus_live.source import Source, SourceInfo, SourceState
from circus_live.sources.intake import Arrival, Intake

__all__ = ["MeameSource"]

logger = logging.getLogger(__name__)

LOOK_S = 0.05
REPORT_EVERY_S = 10.0  # of what is lost again and again
RATE_TOLERANCE = 0.1  # rates in use are further apart, jitter of a window is less
LONGEST_LENGTH = 5000  # frames of a foreign segment that are looked for
N_BORDERS = 30
FIRST_BACK_OFF_S = 0.1
LONGEST_BACK_OFF_S = 2.0
MOST_RANGES = 50  # that are said; losses without end make ranges without end


class MeameSource(Source):
    """Configures a MEAME server, starts it, and gives its segments as blocks.

    Parameters
    ----------
    settings : StreamSettings, optional
    signal : {'device', 'test'}
        Which port to listen to.
    last_sample : {'interpolate', 'hold', 'mask', 'keep'}
        What is done about the zeroed last sample; see `LastSampleRepair`.
    channel_map : {'shodan', 'sinri'}
    strict : bool
        A rate or a segment length that is not as asked ends the stream with an error;
        otherwise it is only reported.
    patience_s : float
        Silence after which the stream is given up, s. It is reported as stalled after
        ``settings.read_timeout_s``.
    reconnect_s : float
        How long a lost connection is tried again, s; 0 gives up at once.
    most_held_s : float
        What may wait for a reader that is slow, s; more is dropped, and counted.

    Notes
    -----
    A reply of 200 proves nothing, so the stream itself is examined. The verdicts:

    ``connection``
        Connected, lost, and connected again, with the frames that are missing.
    ``rate``
        The real rate, measured over two seconds, and if it is wrong, over two more.
    ``segment_length``
        Whether the channels end where they should, as far as the samples tell.
    ``last_sample``
        Whether the server has the defect, and how many frames were made up.
    ``stall``
        Silence on an open connection, and its end.
    ``intake``
        Segments that were dropped because nobody took them in time.
    """

    is_live = True

    def __init__(
        self,
        settings: StreamSettings | None = None,
        *,
        signal: str = "device",
        last_sample: str = "interpolate",
        channel_map: str = "shodan",
        strict: bool = True,
        patience_s: float = 10.0,
        reconnect_s: float = 30.0,
        most_held_s: float = 4.0,
    ) -> None:
        self.settings = StreamSettings() if settings is None else settings
        if signal not in ("device", "test"):
            raise FormatError(f"signal = {signal}: choose from device, test")
        self.signal, self.strict = signal, strict
        self.channel_map = get_channel_map(channel_map)
        self.patience_s, self.reconnect_s = patience_s, reconnect_s
        self.most_held_s = most_held_s
        self.repair = LastSampleRepair(last_sample)
        self.n_frames_lost = self._n_untold = self._told_ns = 0
        self._meter = RateMeter()
        self._intake: Intake | None = None
        self._was_running = False
        self._checks: dict[str, Any] = {}

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make a source of ``meame://host:port?name=value``.

        Names are those of `StreamSettings` and of the parameters here.
        """
        parts = urlsplit(url)
        own = {
            "signal": str,
            "last_sample": str,
            "channel_map": str,
            "strict": to_bool,
            "patience_s": float,
            "reconnect_s": float,
            "most_held_s": float,
        }
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        mine = {name: given.pop(name) for name in list(given) if name in own}
        unknown = sorted(
            given.keys() - {field.name for field in fields(StreamSettings)}
        )
        if unknown:
            known = ", ".join([f.name for f in fields(StreamSettings)] + list(own))
            raise FormatError(f"{url} has no setting {unknown[0]}; choose from {known}")
        where = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        settings = StreamSettings.from_url(where).with_values(given)
        try:
            return cls(settings, **{name: own[name](v) for name, v in mine.items()})
        except FormatError:
            raise
        except ValueError as error:
            raise FormatError(f"{url}: {error}") from None

    @property
    def info(self) -> SourceInfo:
        """What the stream will be, if the server does as it is asked."""
        settings = self.settings
        is_array = len(self.channel_map.labels) == settings.n_channels
        labels = map(str, self.channel_map.labels) if is_array else ()
        return SourceInfo(
            name=f"meame://{settings.host}:{settings.http_port}",
            sampling_rate=float(settings.sampling_rate),
            n_channels=settings.n_channels,
            dtype=settings.dtype,
            # a frame that waits for the next segment comes with it
            block_frames=settings.segment_frames + 1,
            gain=settings.gain,
            channel_labels=tuple(labels),
            channel_positions=self.channel_map.positions() if is_array else None,
            metadata={"signal": self.signal, "last_sample": self.repair.policy},
        )

    # ----------------------------------------------------------------- opening, closing

    def open(self) -> None:
        """Configure and start the server, and connect to its samples."""
        try:
            is_connected = self._connect(patience_s=self.patience_s)
        except DeviceError as error:
            self.report("connection", False, str(error))
            raise SourceError(str(error)) from error
        if is_connected:
            self.report("connection", True, f"connected to {self.info.name}")

    def close(self) -> None:
        """Leave the server, which streams on: it cannot be stopped by a client."""
        self._leave()
        if self.repair.n_zeroed:
            ranges = self.repair.frames.ranges
            said = [f"{one[0]} to {one[-1]} by {one.step}" for one in ranges]
            if len(said) > MOST_RANGES:
                said[MOST_RANGES:] = [f"and {len(said) - MOST_RANGES} ranges more"]
            text = (
                f"{self.repair.n_zeroed} frames came as 0; made up: "
                f"{', '.join(said) or 'none'}"
            )
            self.report("last_sample", False, text)

    def _leave(self) -> None:
        if self._intake is not None:
            self._intake.close()
            self._intake = None

    def _connect(self, patience_s: float) -> bool:
        """Configure, start and connect; False if asked to stop meanwhile."""
        settings = self.settings
        control = ControlClient(settings.host, settings.http_port)
        started = self.unless_stopped(lambda: start_acquisition(control, settings))
        if started is None:
            return False
        self._was_running = started.was_running
        self.move_to(SourceState.STARTED)
        port = settings.data_port if self.signal == "device" else settings.test_port
        connection = self.unless_stopped(
            lambda: connect_samples(settings, port, patience_s), socket.socket.close
        )
        if connection is None:
            return False
        most = max(int(self.most_held_s / settings.segment_s), 2)
        self._intake = Intake(connection, settings, most)
        self._meter.reset()
        self._checks.update(rate=0, wire=[])  # the last sample is that of the server
        return True

    # ------------------------------------------------------------------------ streaming

    def blocks(self) -> Iterator[Block]:
        """Give the segments, each as soon as it is complete."""
        t_next, gap_frames, flags = 0, 0, BlockFlag.NONE
        last_ns = heard_ns = time.monotonic_ns()
        while not self.is_stopping:
            try:
                arrival = self._intake.take(LOOK_S)
            except SourceError as error:
                yield from self._release(t_next, last_ns)
                if not self._reconnect(error, t_next):
                    return
                flags |= BlockFlag.RECONNECTED
                heard_ns = (
                    time.monotonic_ns()
                )  # the new connection has its own patience
                continue
            if arrival is None:
                self._look_at_silence(heard_ns, t_next)
                continue
            if flags & BlockFlag.RECONNECTED:
                gap_frames += self._gap_since(last_ns, arrival)
            elif arrival.n_lost_before:
                yield from self._release(t_next, last_ns)
                gap_frames += arrival.n_lost_before * self.settings.segment_frames
                self._report_loss(gap_frames, t_next, arrival.host_time_ns)
            self.n_frames_lost += gap_frames
            t_next += gap_frames
            last_ns = heard_ns = arrival.host_time_ns
            self._examine(arrival, t_next)
            yield from self._repaired(arrival, t_next, gap_frames, flags)
            t_next += self.settings.segment_frames
            gap_frames, flags = 0, BlockFlag.NONE
        yield from self._release(t_next, last_ns)
        self._say_lost(t_next)

    def _repaired(
        self, arrival: Arrival, t_start: int, gap_frames: int, flags: BlockFlag
    ) -> Iterator[Block]:
        traces, first, made_up = self.repair.take(arrival.traces, t_start)
        if len(made_up):
            flags |= BlockFlag.REPAIRED
        if len(traces):
            yield Block(first, traces, arrival.host_time_ns, gap_frames, flags)

    def _release(self, t_next: int, host_time_ns: int) -> Iterator[Block]:
        """Give the frame that still waits, before a gap and at the end."""
        held = self.repair.flush(t_next)
        if held is not None:
            traces, first, _ = held
            yield Block(first, traces, host_time_ns, 0, BlockFlag.REPAIRED)

    def _report_loss(self, gap_frames: int, t_next: int, now_ns: int) -> None:
        """Report losses together: a reader that is always slow has many a second."""
        self._n_untold += gap_frames
        if now_ns - self._told_ns > REPORT_EVERY_S * 1e9:
            self._told_ns = now_ns
            self._say_lost(t_next)

    def _say_lost(self, t_next: int) -> None:
        if not self._n_untold:
            return
        text = (
            f"{self._n_untold} frames were dropped, because nobody took them within "
            f"{self.most_held_s:g} s"
        )
        self._n_untold = 0
        self.report("intake", False, text, t_next)

    # ---------------------------------------------------------------- silence, and loss

    def _look_at_silence(self, last_ns: int, t_next: int) -> None:
        silent_s = (time.monotonic_ns() - last_ns) * 1e-9
        text = (
            f"no sample for {silent_s:.1f} s on an open connection: the queue of the "
            "device has overflowed, or another client does not read. MEAME still calls "
            "itself alive; close the other clients, and if that does not help, restart "
            "MEAME"
        )
        if silent_s >= self.patience_s:
            raise StreamStalledError(text)
        is_news = self.state is not SourceState.STALLED
        if silent_s >= self.settings.read_timeout_s and is_news:
            self.move_to(SourceState.STALLED)
            self.report("stall", False, text, t_next)

    def _reconnect(self, error: SourceError, t_next: int) -> bool:
        """Try to connect again, ever more slowly; False if asked to stop meanwhile.

        Raises
        ------
        SourceError
            It did not come back in time.
        """
        self.report("connection", False, str(error), t_next)
        self.move_to(SourceState.STALLED)
        self._leave()
        deadline_s = time.monotonic() + self.reconnect_s
        wait_s = FIRST_BACK_OFF_S
        while time.monotonic() + wait_s <= deadline_s:
            if not self.sleep_until(time.monotonic_ns() + int(wait_s * 1e9)):
                return False
            try:
                return self._connect(patience_s=0)
            except DeviceError as failure:
                logger.info("%s is not back: %s", self.info.name, failure)
                wait_s = min(2 * wait_s, LONGEST_BACK_OFF_S)
        raise SourceError(
            f"{error}; it did not come back within {self.reconnect_s:g} s. What came "
            "before is delivered"
        )

    def _gap_since(self, last_ns: int, arrival: Arrival) -> int:
        """Estimate the frames between the last segment and one of a new connection."""
        settings = self.settings
        passed_s = (arrival.host_time_ns - last_ns) * 1e-9
        frames = round(passed_s * settings.sampling_rate) - settings.segment_frames
        gap_frames = max(frames, 0)
        self.report(
            "connection",
            True,
            f"connected again; about {gap_frames} frames are missing, by the clock",
        )
        return gap_frames

    # ------------------------------------------------------------ what the samples tell

    def _examine(self, arrival: Arrival, t_start: int) -> None:
        if self.state is SourceState.STALLED:
            self.report("stall", True, "samples come again", t_start)
            self._meter.reset()  # what was held back comes at once
        if self._checks.get("rate") is not None:
            self._examine_rate(arrival, t_start)
        if self._checks.get("wire") is not None:
            self._examine_length(arrival.traces)
        if self._checks.get("last_sample") is None:
            self._examine_last_sample(t_start)

    def _examine_rate(self, arrival: Arrival, t_start: int) -> None:
        self._meter.note(t_start + len(arrival.traces), arrival.host_time_ns)
        if not self._meter.is_settled:
            return
        asked, found = self.settings.sampling_rate, self._meter.rate_hz
        if abs(found / asked - 1) <= RATE_TOLERANCE:
            self._checks["rate"] = None
            self.report("rate", True, f"{found:.0f} Hz, as asked")
        elif self._checks["rate"] == 0:
            self._checks["rate"] = 1  # this machine may have been busy: look again
            self._meter.reset()
        else:
            self._checks["rate"] = None
            text = f"{found:.0f} frames come per second; {asked} Hz were asked for. "
            self._refuse("rate", RateRefusedError, text)

    def _examine_length(self, traces: np.ndarray) -> None:
        """Look for the ends of channels in the first segments, as they came."""
        settings = self.settings
        if settings.order != "channel-major":
            self._checks["wire"] = None
            return
        wire = self._checks["wire"]
        wire.append(traces.T.ravel())
        longest = max(LONGEST_LENGTH, 2 * settings.segment_frames)
        if len(wire) * wire[0].size < N_BORDERS * longest:
            return
        self._checks["wire"] = None
        found = find_segment_frames(np.concatenate(wire), longest)
        if found == settings.segment_frames:
            self.report("segment_length", True, f"{found} frames, as asked")
        elif (
            found is None
            or found % (settings.n_channels * settings.segment_frames) == 0
        ):
            self.report("segment_length", True, "the samples do not tell it")
        else:
            text = (
                f"segments have {found} frames; {settings.segment_frames} were asked "
                "for, so channels and times are mixed up. "
            )
            self._refuse("segment_length", SegmentLengthError, text)

    def _refuse(self, name: str, kind: type[SourceError], text: str) -> None:
        if self._was_running:
            kind = ConnectIgnoredError
            text += (
                "The server was running before, and ignores what later clients ask: "
                "use its settings, or restart MEAME"
            )
        else:
            text += (
                "The server answered 200 all the same; restart MEAME, or ask for less"
            )
        self.report(name, False, text)
        if self.strict:
            raise kind(text)

    def _examine_last_sample(self, t_start: int) -> None:
        """Say whether the server has the defect, as soon as that is known."""
        segment_frames = self.settings.segment_frames
        if self.repair.is_confirmed:
            self._checks["last_sample"] = True
            self.report(
                "last_sample",
                False,
                f"the server sends 0 as every {segment_frames}th sample; policy: "
                f"{self.repair.policy}",
                t_start,
            )
        elif t_start >= N_BORDERS * segment_frames:
            self._checks["last_sample"] = False
            self.report("last_sample", True, "the last samples are as recorded")
