"""`MeameServer`: all of it together."""

from typing import Self

from circus_io.closing import Closing
from circus_live.meame_server.acquisition import Acquisition
from circus_live.meame_server.dsp import Dsp
from circus_live.meame_server.faults import Faults
from circus_live.meame_server.http_server import HttpServer
from circus_live.meame_server.replies import Routes
from circus_live.meame_server.sample_port import SamplePort
from circus_live.meame_server.signals import Ramp, Signal

__all__ = ["MeameServer"]


class MeameServer(Closing):
    """A MEAME2 server without a device, in threads of this process.

    Parameters
    ----------
    signal : Signal, optional
        What the port of the device sends; `Ramp` by default.
    host : str
        Interface; by default other machines do not reach it.
    http_port, data_port, test_port : int
        0 takes a free one.
    n_channels : int
    faults : Faults, optional
        May be changed while it runs.
    is_paced : bool
        In real time; otherwise as fast as the clients read.
    send_buffer_bytes : int, optional
        What the system holds for a client that does not read.

    Raises
    ------
    OSError
        A port is taken.

    Examples
    --------
    ::

        with MeameServer(http_port=0, data_port=0, test_port=0) as server:
            for block in open_source(server.url): ...
    """

    def __init__(
        self,
        signal: Signal | None = None,
        *,
        host: str = "127.0.0.1",
        http_port: int = 8888,
        data_port: int = 12340,
        test_port: int = 12341,
        n_channels: int = 60,
        faults: Faults | None = None,
        is_paced: bool = True,
        send_buffer_bytes: int | None = None,
    ) -> None:
        self.host = host
        self.faults = Faults() if faults is None else faults
        self._ports: list[SamplePort] = []
        try:
            for port in (data_port, test_port):
                self._ports.append(SamplePort(host, port, send_buffer_bytes))
            self.acquisition = Acquisition(
                Ramp(n_channels) if signal is None else signal,
                n_channels,
                *self._ports,
                self.faults,
                is_paced=is_paced,
            )
            self.dsp = Dsp(self.faults)
            self.routes = Routes(self.acquisition, self.dsp, self.faults)
            self._http = HttpServer(host, http_port, self.routes)
        except BaseException:
            for opened in self._ports:
                opened.close()
            raise

    @property
    def http_port(self) -> int:
        """Port of the commands."""
        return self._http.port

    @property
    def data_port(self) -> int:
        """Port of the samples of the device."""
        return self._ports[0].port

    @property
    def test_port(self) -> int:
        """Port of the test signal."""
        return self._ports[1].port

    @property
    def n_clients(self) -> int:
        """Number of clients of the port of the device."""
        return self._ports[0].n_clients

    @property
    def url(self) -> str:
        """Address for `circus_live.open_source`, without rate and segment length."""
        ports = f"data_port={self.data_port}&test_port={self.test_port}"
        channels = f"n_channels={self.acquisition.n_channels}"
        return f"meame://{self.host}:{self.http_port}?{ports}&{channels}"

    def start(self) -> Self:
        """Answer commands from now on."""
        self._http.start()
        return self

    def close(self) -> None:
        """Close all ports and end all threads."""
        self._http.close()
        for port in self._ports:
            port.close()
        self.acquisition.close()

    def __enter__(self) -> Self:
        return self.start()
