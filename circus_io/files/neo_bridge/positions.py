"""Where the channels are, of the formats whose files say it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["positions_of"]

logger = logging.getLogger(__name__)


def positions_of(reader: Any, stream: str, n_channels: int) -> np.ndarray | None:
    """Return where the channels of a stream are, if its file says it.

    Parameters
    ----------
    reader : neo.rawio reader
        Its header is parsed.
    stream : str
        Id of the stream.
    n_channels : int

    Returns
    -------
    float64 array, shape (n_channels, 2), or None
        µm.
    """
    look_up = PLACES.get(type(reader).__name__)
    try:
        places = None if look_up is None else look_up(reader, stream)
    except Exception as error:  # samples are read without a place as well
        logger.info("the places of channels cannot be read: %s", error)
        return None
    if places is None or np.shape(places) != (n_channels, 2):
        return None
    places = np.asarray(places, np.float64)
    return places if np.all(np.isfinite(places)) else None


def _maxwell(reader: Any, stream: str) -> np.ndarray:
    """Take x and y of the mapping, by the channels that were routed."""
    if reader._old_format:
        mapping = reader.h5_file["mapping"][()]
    else:
        home = reader.h5_file["wells"][stream][reader.rec_name]
        mapping = home["settings/mapping"][()]
    routed = mapping[mapping["channel"] >= 0]
    return np.stack([routed["x"], routed["y"]], axis=1)


def _mearec(reader: Any, stream: str) -> np.ndarray:
    """Take y and z: MEArec's probes lie in the plane of x = 0."""
    return np.asarray(reader.channel_positions)[:, 1:3]


def _spikeglx(reader: Any, stream: str) -> np.ndarray | None:
    """Take the contacts that the .meta selects, as probeinterface knows them."""
    import probeinterface

    meta = reader.signals_info_dict[0, stream]["meta_file"]
    probe = probeinterface.read_spikeglx(meta)
    order = probe.device_channel_indices
    places = probe.contact_positions
    return places if order is None else places[np.argsort(order)]


PLACES: Mapping[str, Callable[[Any, str], np.ndarray | None]] = {
    "MEArecRawIO": _mearec,
    "MaxwellRawIO": _maxwell,
    "SpikeGLXRawIO": _spikeglx,
}
