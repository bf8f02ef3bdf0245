"""``circus meame-server``: a MEAME server without a device."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from circus_cli.console import say, show
from circus_cli.errors import UsageError
from circus_cli.options import Debug, Quiet
from circus_cli.source import Source

if TYPE_CHECKING:
    from circus_live.meame_server import Faults, MeameServer, Signal

__all__ = ["EXAMPLES", "meame_server"]

EXAMPLES = """\b
Examples:
  circus meame-server                       synthetic neurons, on the ports of MEAME
  circus meame-server rec.h5                a recording, over and over
  circus meame-server --signal ramp --fast  numbers that show every lost sample
  circus meame-server --fault silence_after=500 --fault refuse_rate=yes
"""

SIGNALS = ("synthetic", "ramp", "sawtooth")
SYNTHETIC_S = 20.0  # of neurons, before they begin again
SYNTHETIC_RATE_HZ = 10_000
LOOK_S = 0.2


def meame_server(
    recording: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="A recording to replay, over and over."),
    ] = None,
    signal: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Without a recording: synthetic, ramp or sawtooth."
        ),
    ] = "synthetic",
    host: Annotated[
        str, typer.Option(help="Interface; other machines reach it by another one.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Of the commands; 0 for a free one.")
    ] = 8888,
    data_port: Annotated[
        int, typer.Option(help="Of the samples; 0 for a free one.")
    ] = 12340,
    test_port: Annotated[
        int, typer.Option(help="Of the test signal; 0 for a free one.")
    ] = 12341,
    channels: Annotated[int, typer.Option(help="Channels of a segment.")] = 60,
    fast: Annotated[
        bool, typer.Option("--fast", help="As fast as clients read, not in real time.")
    ] = False,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME=VALUE",
            help="What goes wrong, as silence_after=500; several times.",
        ),
    ] = None,
    parameter_file: Annotated[
        Path | None,
        typer.Option("--params", metavar="FILE", help="Parameter file of FILE."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set a key of its [data]."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--for", metavar="SECONDS", help="End by itself after so long."),
    ] = None,
    debug: Debug = False,
    quiet: Quiet = False,
) -> int:
    """Be a MEAME2 server without a device, until it is interrupted.

    Commands, both streams, registers of the DSP and faults are those of the real one,
    its zeroed last sample included.
    """
    from circus_live.meame_server import MeameServer

    chosen = _faults(faults or ())
    if recording is None:
        sent = _signal(signal, channels)
    else:
        sent = _replay(
            Source(Path(recording), parameter_file, tuple(settings or ())), channels
        )
    server = MeameServer(
        sent,
        host=host,
        http_port=port,
        data_port=data_port,
        test_port=test_port,
        n_channels=channels,
        faults=chosen,
        is_paced=not fast,
    )
    with server:
        show(server.url)
        if not quiet:
            say("interrupt it to end it")
        _wait(server, seconds, quiet)
    return 0


def _faults(given: tuple[str, ...] | list[str]) -> Faults:
    from circus_live.meame_server import Faults

    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name):
            raise UsageError(f"--fault {text}: expected NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return Faults.from_text(pairs)


def _signal(name: str, n_channels: int) -> Signal:
    from circus_io.synthetic import SyntheticRecording
    from circus_live.meame_server import Ramp, Replay, Sawtooth

    if name == "ramp":
        return Ramp(n_channels)
    if name == "sawtooth":
        return Sawtooth(n_channels)
    if name != "synthetic":
        raise UsageError(f"--signal {name}: choose from {', '.join(SIGNALS)}")
    recording = SyntheticRecording(
        n_channels=n_channels,
        duration_s=SYNTHETIC_S,
        sampling_rate=SYNTHETIC_RATE_HZ,
        seed=1,
    )
    return Replay(recording, n_channels)


def _replay(source: Source, n_channels: int) -> Signal:
    from circus_live.meame_server import Replay

    return Replay(source.open(), n_channels)


def _wait(server: MeameServer, seconds: float | None, quiet: bool) -> None:
    """Wait for the end, and say when somebody comes or leaves."""
    end_s = None if seconds is None else time.monotonic() + seconds
    n_clients = 0
    try:
        while end_s is None or time.monotonic() < end_s:
            time.sleep(LOOK_S)
            if server.n_clients != n_clients and not quiet:
                n_clients = server.n_clients
                device = server.acquisition
                say(
                    f"{n_clients} clients; {device.sampling_rate} Hz, segments of "
                    f"{device.segment_frames} frames, {device.n_segments} sent"
                )
    except KeyboardInterrupt:
        return  # how a server ends
