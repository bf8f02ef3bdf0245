"""`StreamSettings`: what a client has to know of a stream that tells nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from circus_io.errors import FormatError

__all__ = ["StreamSettings"]

BYTEORDERS = {"little": "<", "big": ">"}
ORDERS = ("channel-major", "frame-major")
SCHEME = "meame"


@dataclass(frozen=True)
class StreamSettings:
    """Where a MEAME server is, and what its bytes mean.

    Attributes
    ----------
    host : str
        The machine of the server.
    http_port : int
        Port of the commands.
    data_port : int
        Port of the samples of the device.
    test_port : int
        Port of the test signal (see `sawtooth`), in the same framing.
    n_channels : int
        Channels of a segment.
    segment_frames : int
        Frames of a segment.
    sampling_rate : int
        Frames per second that the device is asked for, Hz.
    dtype : str
        numpy type of a sample, without byte order.
    byteorder : {'little', 'big'}
    order : {'channel-major', 'frame-major'}
        Whether a segment holds channel after channel or frame after frame.
    volts_per_count : float
        V. The server never tells it; the default is that of a MEA2100, 2⁻²⁴ V rounded
        to pV.

    Raises
    ------
    FormatError
        A value that no stream can have.

    Notes
    -----
    The defaults are those of MEAME2; its clients ask for 10 kHz.
    """

    host: str = "127.0.0.1"
    http_port: int = 8888
    data_port: int = 12340
    test_port: int = 12341
    n_channels: int = 60
    segment_frames: int = 100
    sampling_rate: int = 10_000
    dtype: str = "int32"
    byteorder: str = "little"
    order: str = "channel-major"
    volts_per_count: float = 5.9605e-8

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("n_channels", "segment_frames", "sampling_rate"):
            if getattr(self, name) < 1:
                raise FormatError(f"{name} = {getattr(self, name)}: expected 1 or more")
        for name in ("http_port", "data_port", "test_port"):
            if not 1 <= getattr(self, name) <= 65535:
                raise FormatError(
                    f"{name} = {getattr(self, name)}: a port is from 1 to 65535"
                )
        self._check_choice("byteorder", tuple(BYTEORDERS))
        self._check_choice("order", ORDERS)
        if self.native_dtype.kind not in "iuf":
            raise FormatError(f"dtype = {self.dtype}: expected integers or floats")
        if not 0 < self.volts_per_count < np.inf:
            raise FormatError(
                f"volts_per_count = {self.volts_per_count}: expected V above 0"
            )

    def _check_choice(self, name: str, allowed: tuple[str, ...]) -> None:
        if getattr(self, name) not in allowed:
            raise FormatError(
                f"{name} = {getattr(self, name)}: choose from {', '.join(allowed)}"
            )

    @property
    def native_dtype(self) -> np.dtype:
        """Type of the samples on this machine."""
        try:
            return np.dtype(self.dtype).newbyteorder("=")
        except TypeError:
            raise FormatError(f"dtype = {self.dtype}: numpy has no such type") from None

    @property
    def wire_dtype(self) -> np.dtype:
        """Type of the samples in the stream."""
        return self.native_dtype.newbyteorder(BYTEORDERS[self.byteorder])

    @property
    def segment_bytes(self) -> int:
        """Bytes of one segment."""
        return self.n_channels * self.segment_frames * self.native_dtype.itemsize

    @property
    def segment_s(self) -> float:
        """Time between two segments, s: no latency can be shorter."""
        return self.segment_frames / self.sampling_rate

    @property
    def read_timeout_s(self) -> float:
        """Silence that is a stall, s: ten segments, but at least 1 s."""
        return max(1.0, 10 * self.segment_s)

    @property
    def gain(self) -> float:
        """µV per count."""
        return self.volts_per_count * 1e6

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Return the settings with some of them replaced; text is converted.

        Raises
        ------
        FormatError
            No such setting, or not a value of its type.
        """
        kinds = {field.name: type(field.default) for field in fields(self)}
        unknown = sorted(values.keys() - kinds)
        if unknown:
            raise FormatError(
                f"a MEAME stream has no setting {', '.join(unknown)}; choose from "
                f"{', '.join(kinds)}"
            )
        return replace(
            self, **{name: _convert(name, kinds[name], v) for name, v in values.items()}
        )

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the settings of ``meame://host:http_port?name=value&name=value``.

        Raises
        ------
        FormatError
            Another scheme, no host, or a setting that does not exist.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise FormatError(f"{url}: a port is a number from 0 to 65535") from None
        if parts.scheme != SCHEME or not parts.hostname or parts.path.strip("/"):
            raise FormatError(
                f"{url} is no address of a MEAME server; expected "
                f"{SCHEME}://host:port?sampling_rate=10000&segment_frames=100"
            )
        values: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
        values["host"] = parts.hostname
        if port is not None:
            values["http_port"] = port
        return cls().with_values(values)


def _convert(name: str, kind: type, value: Any) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise FormatError(f"{name} = {value!r}: expected {kind.__name__}") from None
