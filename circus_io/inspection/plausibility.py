"""Whether what was said about a recording agrees with its samples."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from circus_io.chunks import ChunkGrid
from circus_io.datafile import DataFile
from circus_io.inspection.flat_file import (
    COMPARED,
    MOST_BITS,
    SAME_BITS,
    FlatFile,
    Reading,
)
from circus_io.inspection.interleaving import channel_evidence, likely_channels

__all__ = ["Finding", "guess_flat", "judge"]

PLAUSIBLE, DOUBTFUL, UNCLEAR = "plausible", "doubtful", "unclear"
MOST_CHANNELS = 1024  # that are tried, unless there should be more
CONTAINERS = (b"\x89HDF", b"\x93NUMPY", b"PK\3\4", b"\x1f\x8b")  # and .zip, .gz
HEAD_BYTES = 2**16
MOST_LIKE_TEXT = 8  # bytes of samples that may look like text
N_PLACES = 8
PLACE_SAMPLES = 2**16
FEWEST_FRAMES = 100
NEARLY_WHITE = 0.9  # of the squared difference of unrelated samples
FAR = 5  # standard deviations of a channel from 0 µV


@dataclass(frozen=True)
class Finding:
    """What the samples say about one thing.

    Attributes
    ----------
    about : str
        Type, channels, size, header, baseline, smoothness or axes.
    verdict : {'plausible', 'doubtful', 'unclear'}
    text : str
    advice : str
        What to do; empty if nothing is wrong.
    """

    about: str
    verdict: str
    text: str
    advice: str = ""


def judge(recording: DataFile) -> list[Finding]:
    """Return what the samples of a recording say about how it is read.

    Type, byte order, offset and number of channels are compared with other ones where
    the user said them: in a flat binary file.
    """
    findings = []
    source = recording.streams[0]
    if source.description == "raw_binary":
        findings += _judge_flat(source)
    return findings + _judge_traces(recording)


def guess_flat(path: Path) -> dict[str, object] | None:
    """Return parameters with which a flat binary file makes sense, as far as it tells.

    Returns
    -------
    dict or None
        `data_dtype`, and `data_offset` and `nb_channels` where they are clear. None if
        the file looks like anything but samples.
    """
    if _is_text(path) or _is_container(path):
        return None
    header = _length_of_text(path, 0)
    flat = FlatFile(path, header)
    reading = flat.likely()
    if reading is None:
        return None
    n_channels = likely_channels(flat.samples(reading), MOST_CHANNELS)
    guess: dict[str, object] = {"data_dtype": reading.data_dtype}
    size = np.dtype(reading.data_dtype).itemsize
    # the first bytes of a sample may look like text
    aligned = header + reading.shift - (size if header and reading.shift else 0)
    offset = _end_of_header(path, header, size * (n_channels or 1), aligned)
    if offset:
        guess["data_offset"] = offset
    return guess if n_channels is None else {**guess, "nb_channels": n_channels}


# ------------------------------------------------------------------------- flat files


def _judge_flat(source: DataFile) -> list[Finding]:
    path, offset = Path(source.file_name), source.data_offset
    findings = [*_judge_size(path, source), *_judge_header(path, source)]
    flat = FlatFile(path, offset)
    readings = flat.readings()
    if not readings:
        return [*findings, Finding("type", UNCLEAR, "the file is too short to tell")]
    dtype = np.dtype(source.data_dtype)
    own = [r for r in readings if np.dtype(r.data_dtype) == dtype and r.shift == 0]
    typed = _judge_type(own, readings[0], source)
    findings.append(typed)
    if typed.verdict == PLAUSIBLE:
        findings.append(_judge_channels(flat, own[0], source.nb_channels))
    return findings


def _frame_bytes(source: DataFile) -> int:
    return source.nb_channels * np.dtype(source.data_dtype).itemsize


def _judge_size(path: Path, source: DataFile) -> list[Finding]:
    frame_bytes = _frame_bytes(source)
    rest = (path.stat().st_size - source.data_offset) % frame_bytes
    if rest == 0:
        return []
    text = f"{rest} bytes are left over after whole frames of {frame_bytes} bytes"
    advice = "check nb_channels, data_dtype and data_offset, or the file was cut off"
    return [Finding("size", DOUBTFUL, text, advice)]


def _judge_header(path: Path, source: DataFile) -> list[Finding]:
    offset = source.data_offset
    length = _length_of_text(path, offset)
    if length == 0:
        return []
    text = f"the first {length} bytes after data_offset = {offset} are text"
    end = _end_of_header(path, offset + length, _frame_bytes(source), offset + length)
    return [Finding("header", DOUBTFUL, text, f"try data_offset = {end}")]


def _judge_type(own: list[Reading], best: Reading, source: DataFile) -> Finding:
    dtype, offset = np.dtype(source.data_dtype), source.data_offset
    if dtype not in COMPARED:
        return Finding("type", UNCLEAR, f"{dtype.name} is not compared with others")
    if best.bits == 0:
        return Finding("type", UNCLEAR, "nothing changes in the samples")
    said = f"{source.data_dtype} from byte {offset} on"
    is_float = np.dtype(best.data_dtype).kind == "f"
    if not own or (
        own[0] != best and (is_float or own[0].bits > best.bits + SAME_BITS)
    ):
        other = f"{best.data_dtype} from byte {offset + best.shift} on"
        text = f"the samples make more sense as {other} than as {said}"
        return Finding("type", DOUBTFUL, text, _advise_type(best, offset))
    if dtype.kind != "f" and own[0].bits > MOST_BITS:
        text = f"as {said} the samples are noise that fills the whole range"
        return Finding("type", DOUBTFUL, text, "is the file compressed?")
    return Finding("type", PLAUSIBLE, f"{said}: no other type makes more sense")


def _advise_type(best: Reading, offset: int) -> str:
    advice = f"try data_dtype = {best.data_dtype}"
    if best.shift == 0:
        return advice
    size = np.dtype(best.data_dtype).itemsize
    nearest = offset + best.shift
    offsets = [str(n) for n in (nearest - size, nearest) if n >= 0]
    return (
        f"{advice} and data_offset = {' or '.join(offsets)}, or more by a multiple of "
        f"{size}"
    )


def _judge_channels(flat: FlatFile, own: Reading, n_channels: int) -> Finding:
    windows = flat.samples(own)
    most = min(len(samples) for _, samples in windows) // 4
    if n_channels > most:
        return Finding("channels", UNCLEAR, "the file is too short to tell")
    most = min(most, max(MOST_CHANNELS, n_channels))
    evidence = channel_evidence(windows, most)
    likely = likely_channels(windows, most, evidence)
    if likely is None:
        text = "the samples do not tell how many channels there are"
        return Finding("channels", UNCLEAR, text)
    multiple = n_channels % likely == 0 and evidence[n_channels] > evidence[likely]
    if n_channels == likely or multiple:
        text = f"{n_channels} channels: the samples repeat with this period"
        return Finding("channels", PLAUSIBLE, text)
    text = f"the samples repeat every {likely}, not every {n_channels}"
    return Finding("channels", DOUBTFUL, text, f"try nb_channels = {likely}")


def _end_of_header(path: Path, end: int, frame_bytes: int, otherwise: int) -> int:
    """Return where whole frames begin, at `end` or a few bytes before it."""
    size = path.stat().st_size
    before = range(end, max(end - MOST_LIKE_TEXT, -1), -1)
    whole = (start for start in before if (size - start) % frame_bytes == 0)
    return next(whole, otherwise)


def _is_text(path: Path) -> bool:
    """Tell whether a file is text in UTF-8, which samples hardly ever are."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else the last character was cut
            return False
    return b"\0" not in head


def _is_container(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8).startswith(CONTAINERS)


def _length_of_text(path: Path, offset: int) -> int:
    """Return how many bytes of text there are from `offset` on; 0 if it is not text."""
    with path.open("rb") as file:
        file.seek(offset)
        head = np.frombuffer(file.read(HEAD_BYTES), np.uint8)
    printable = ((head >= 32) & (head < 127)) | ((head >= 9) & (head <= 13))
    ends = np.flatnonzero(~printable)
    length = int(ends[0]) if len(ends) else len(head)
    return length if length >= 32 else 0


# ----------------------------------------------------------------------- any recording


def _judge_traces(recording: DataFile) -> list[Finding]:
    places = _read_places(recording)
    joined = np.concatenate(places) if places else np.zeros((0, recording.nb_channels))
    changing = joined.std(axis=0) > 0 if len(joined) else np.zeros(0, bool)
    if len(joined) and not changing.any():
        return []
    findings = _judge_axes(recording, places)
    if len(joined) < FEWEST_FRAMES:
        text = "the recording is too short to tell"
        return [*findings, Finding("smoothness", UNCLEAR, text)]
    findings.append(_judge_smoothness([place[:, changing] for place in places]))
    return findings + _judge_baseline(recording, joined[:, changing])


def _read_places(recording: DataFile) -> list[np.ndarray]:
    """Read some frames from all over the recording, float64 µV."""
    size = max(PLACE_SAMPLES // recording.nb_channels, 16)
    grid = ChunkGrid(recording._table, size)
    chosen = np.unique(np.linspace(0, len(grid) - 1, N_PLACES).astype(int))
    traces = [recording.get_chunk(int(i), size).traces for i in chosen if len(grid)]
    with np.errstate(invalid="ignore"):  # misread floats hold NaN of any kind
        return [np.nan_to_num(t.astype(np.float64), posinf=0, neginf=0) for t in traces]


def _mean_square_step(places: list[np.ndarray], axis: int) -> float:
    steps = [np.diff(place, axis=axis) ** 2 for place in places]
    return float(np.sum([s.sum() for s in steps]) / max(sum(s.size for s in steps), 1))


def _judge_smoothness(places: list[np.ndarray]) -> Finding:
    variances = np.concatenate(places).var(axis=0)
    steps = np.sum([(np.diff(place, axis=0) ** 2).sum(axis=0) for place in places], 0)
    steps /= sum(len(place) - 1 for place in places)
    correlation = 1 - float(np.median(steps / (2 * variances)))
    text = f"neighbouring samples of a channel correlate at {correlation:.2f}"
    if correlation >= 1 - NEARLY_WHITE:
        return Finding("smoothness", PLAUSIBLE, text)
    return Finding("smoothness", UNCLEAR, f"{text}: white noise, or read wrongly")


def _judge_axes(recording: DataFile, places: list[np.ndarray]) -> list[Finding]:
    """Compare steps along time with those along channels, if axes may be swapped."""
    longest = max(map(len, places), default=0)
    if "time_axis" not in recording.params or recording.nb_channels < 2 or longest < 2:
        return []
    variance = float(np.concatenate(places).var())
    along_time = _mean_square_step(places, 0) / (2 * variance)
    along_channels = _mean_square_step(places, 1) / (2 * variance)
    if along_time < 0.5 or along_channels > 0.3 * along_time:
        return []
    text = "neighbouring channels are more alike than neighbouring frames"
    return [Finding("axes", DOUBTFUL, text, "check time_axis")]


def _judge_baseline(recording: DataFile, joined: np.ndarray) -> list[Finding]:
    medians = np.median(joined, axis=0)
    far = np.abs(medians) > FAR * joined.std(axis=0)
    if np.mean(far) < 0.5 or np.dtype(recording.data_dtype).kind == "f":
        return []
    median_uv = float(np.median(medians))
    gain = float(np.median(recording.gain))
    count = round(median_uv / gain + recording.dtype_offset)
    text = f"the samples lie around {median_uv:.4g} µV, far from 0"
    advice = f"filtering removes it; dtype_offset = {count} would as well"
    return [Finding("baseline", DOUBTFUL, text, advice)]
