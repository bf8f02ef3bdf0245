"""The guess at a flat file: many kinds of signals, written by numpy in many ways."""

import numpy as np
import pytest
from scipy.signal import lfilter

from circus_io import open_recording
from circus_io.inspection import guess_flat, judge
from circus_io.inspection.flat_file import FlatFile
from circus_io.inspection.interleaving import likely_channels
from circus_io.inspection.roughness import roughness

RATE_HZ = 20_000


def mixed(n_channels, n_frames=60_000, seed=0):
    """Give coloured noise that neighbours share, of a little unequal loudness, µV."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 10, (n_frames, n_channels))
    noise[:, 1:] += 0.6 * noise[:, :-1]
    noise *= rng.uniform(0.9, 1.1, n_channels)
    return lfilter([1], [1, -0.5], noise, axis=0)


def write(path, traces, dtype, gain=0.2, offset=0, header=b""):
    dtype = np.dtype(dtype)
    counts = traces / gain + offset
    counts = np.rint(counts) if dtype.kind in "iu" else counts
    path.write_bytes(header + counts.astype(dtype).tobytes())
    return path


@pytest.mark.parametrize(
    ("dtype", "offset"),
    [
        ("<i2", 0),
        (">i2", 0),
        ("<u2", 32768),
        (">u2", 32768),
        ("<i4", 0),
        (">i4", 0),
        ("<f4", 0),
        (">f4", 0),
        ("<f8", 0),
    ],
)
@pytest.mark.parametrize("n_channels", [4, 60])
def test_type_and_byte_order_are_found(tmp_path, n_channels, dtype, offset):
    path = write(tmp_path / "a", mixed(n_channels, 8000), dtype, offset=offset)
    guess = guess_flat(path)
    assert np.dtype(guess["data_dtype"]) == np.dtype(dtype)
    assert guess["nb_channels"] == n_channels
    assert "data_offset" not in guess


@pytest.mark.parametrize("n_channels", [1, 2, 5, 16, 256, 1000])
def test_the_number_of_channels_is_found(tmp_path, n_channels):
    path = write(tmp_path / "a", mixed(n_channels, 8000), "<i2")
    assert guess_flat(path) == {"data_dtype": "int16", "nb_channels": n_channels}


@pytest.mark.parametrize("length", [100, 1023, 16384])
@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
def test_a_header_of_text_is_left_out(tmp_path, length, dtype):
    header = (b"[rec]\r\nrate = 20000\n" + b" " * length)[:length]
    path = write(tmp_path / "a", mixed(5), dtype, header=header)
    guess = guess_flat(path)
    assert guess == {
        "data_dtype": np.dtype(dtype).name,
        "data_offset": length,
        "nb_channels": 5,
    }


def test_a_binary_header_shifts_the_samples(tmp_path):
    path = write(tmp_path / "a", mixed(5), "<i2", header=bytes(range(1, 202)))
    guess = guess_flat(path)
    assert guess["data_dtype"] == "int16"
    assert guess["data_offset"] % 2 == 1


def signals():
    """Give kinds of signals, and how many channels they tell (None: not at all)."""
    rng = np.random.default_rng(3)
    white = rng.normal(0, 30, (60_000, 8))
    slow = lfilter([1], [1, -0.999], rng.normal(0, 30, (60_000, 1)), axis=0)
    mains = 300 * np.sin(2 * np.pi * 50 * np.arange(60_000) / RATE_HZ)[:, np.newaxis]
    same = np.repeat(lfilter([1], [1, -0.9], white[:, :1], axis=0), 12, axis=1)
    return {
        "white": (white, None),
        "white with offsets": (white + rng.normal(0, 100, 8), 8),
        "unrelated, coloured": (lfilter([1], [1, -0.5], white, axis=0), 8),
        "white on a slow wave": (slow + 0.3 * white, 8),
        "all the same": (same, 12),
        "one, coloured": (lfilter([1], [1, -0.5], white[:, :1], axis=0), 1),
        "one on the mains": (mains + 0.3 * white[:, :1], 1),
        "five on the mains": (mains + mixed(5), 5),
        "one dead of three": (mixed(3) * [1, 0, 1], 3),
    }


@pytest.mark.parametrize("kind", signals())
def test_the_number_of_channels_of_many_signals(tmp_path, kind):
    traces, n_channels = signals()[kind]
    guess = guess_flat(write(tmp_path / "a", traces, "<i2", gain=1))
    assert guess["data_dtype"] == "int16"
    assert guess.get("nb_channels") == n_channels


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        bytes(10_000),
        "Messwerte in µV, Kanal für Kanal\n".encode() * 3000,
        np.random.default_rng(0).bytes(300_000),
    ],
    ids=["empty", "short", "zeros", "text", "random"],
)
def test_what_is_no_recording_is_not_guessed(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert guess_flat(tmp_path / "a") is None


def test_an_array_file_is_not_guessed(tmp_path):
    np.save(tmp_path / "a.npy", np.rint(mixed(8)).astype("i2"))
    assert guess_flat(tmp_path / "a.npy") is None


def test_compressed_samples_are_not_guessed(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", mixed(8))
    assert guess_flat(tmp_path / "a.npz") is None


# ---------------------------------------------------------------- real recordings


@pytest.mark.parametrize(
    ("name", "n_channels"),
    [
        ("locust/locust_trial_01.raw", 4),
        ("openephys_binary/data_stream_16ch_hippocampus/continuous.dat", 16),
    ],
)
def test_real_flat_files(samples, name, n_channels):
    guess = guess_flat(samples / name)
    assert guess == {"data_dtype": "int16", "nb_channels": n_channels}


# ------------------------------------------------------------- what was said is judged


def findings(path, **params):
    given = {"data_dtype": "int16", "nb_channels": 4, "sampling_rate": RATE_HZ} | params
    with open_recording(path, "raw_binary", **given) as recording:
        return {finding.about: finding for finding in judge(recording)}


@pytest.fixture
def tetrode(tmp_path):
    return write(tmp_path / "a.dat", mixed(4), "<i2", header=bytes(10))


def test_what_is_right_is_plausible(tetrode):
    found = findings(tetrode, data_offset=10)
    assert {finding.verdict for finding in found.values()} == {"plausible"}
    assert set(found) == {"type", "channels", "smoothness"}
    assert not any(finding.advice for finding in found.values())


@pytest.mark.parametrize(
    ("params", "about", "advice"),
    [
        ({"data_dtype": ">i2"}, "type", "try data_dtype = int16"),
        ({"data_dtype": "uint16"}, "type", "try data_dtype = int16"),
        ({"data_dtype": "int32"}, "type", "try data_dtype = int16"),
        ({"data_dtype": "float32"}, "type", "try data_dtype = int16"),
        ({"data_offset": 11}, "type", "data_offset = 10 or 12, or more by a multiple"),
        ({"data_offset": 1}, "type", "data_offset = 0 or 2, or more by a multiple"),
        ({"nb_channels": 3}, "channels", "try nb_channels = 4"),
        ({"nb_channels": 8}, "channels", "try nb_channels = 4"),
        ({"nb_channels": 2}, "channels", "try nb_channels = 4"),
        ({"data_offset": 12}, "size", "check nb_channels"),
    ],
)
def test_what_is_wrong_is_doubted_with_advice(tetrode, params, about, advice):
    finding = findings(tetrode, **{"data_offset": 10, **params})[about]
    assert finding.verdict == "doubtful"
    assert advice in finding.advice


def test_wrapped_unsigned_samples_are_doubted(tmp_path):
    path = write(tmp_path / "a.dat", mixed(4), "<u2", offset=32768)
    assert findings(path)["type"].advice == "try data_dtype = uint16"
    assert findings(path, data_dtype="uint16")["type"].verdict == "plausible"


def test_a_header_of_text_is_doubted(tmp_path):
    path = write(tmp_path / "a.dat", mixed(4), "<i2", header=b"# recorded\n" * 8)
    assert findings(path)["header"].advice == "try data_offset = 88"


def test_a_baseline_far_from_zero_is_told(tmp_path):
    path = write(tmp_path / "a.dat", mixed(4), "<i2", offset=2048)
    finding = findings(path, gain=0.2)["baseline"]
    assert "around 409.6 µV" in finding.text
    assert "dtype_offset = 2048" in finding.advice
    assert "baseline" not in findings(path, gain=0.2, dtype_offset=2048)


def test_noise_of_full_range_is_doubted(tmp_path):
    (tmp_path / "a.dat").write_bytes(np.random.default_rng(0).bytes(400_000))
    found = findings(tmp_path / "a.dat")
    assert found["type"].advice == "is the file compressed?"
    assert found["smoothness"].verdict == "unclear"


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16"])
def test_types_that_are_not_compared_say_so(tmp_path, dtype):
    path = write(tmp_path / "a.dat", mixed(4), dtype, gain=1, offset=100)
    assert findings(path, data_dtype=dtype)["type"].verdict == "unclear"


def test_a_recording_of_zeros_is_unclear(tmp_path):
    (tmp_path / "a.dat").write_bytes(bytes(80_000))
    found = findings(tmp_path / "a.dat")
    assert {name: finding.verdict for name, finding in found.items()} == {
        "type": "unclear"
    }


def test_a_short_recording_is_unclear(tmp_path):
    path = write(tmp_path / "a.dat", mixed(4, 20), "<i2")
    assert {finding.verdict for finding in findings(path).values()} == {"unclear"}


def test_some_nan_do_not_hide_floats(tmp_path):
    traces = mixed(4)
    traces[1000:1500] = np.nan
    path = write(tmp_path / "a.dat", traces, "<f4")
    assert findings(path, data_dtype="float32")["type"].verdict == "plausible"


@pytest.mark.parametrize(("axis", "verdict"), [(0, None), (1, "doubtful")])
def test_swapped_axes_are_doubted(tmp_path, axis, verdict):
    traces = np.cumsum(mixed(40, 4000), axis=0)
    np.save(tmp_path / "a.npy", traces)
    with open_recording(
        tmp_path / "a.npy", sampling_rate=RATE_HZ, time_axis=axis
    ) as recording:
        found = {finding.about: finding for finding in judge(recording)}
    assert (found["axes"].verdict if "axes" in found else None) == verdict


def test_reading_costs_little(tmp_path):
    """The pieces that are read are of the same size, however large the file is."""
    path = tmp_path / "a.dat"
    with path.open("wb") as file:
        file.truncate(2**36)
    assert sum(len(window) for _, window in FlatFile(path).windows) < 2**20


# ------------------------------------------------------------------------- kernels


def test_roughness_is_that_of_a_loop():
    rng = np.random.default_rng(1)
    windows = [rng.uniform(-1, 1, 400).cumsum(), rng.uniform(-1, 1, 300)]
    joined = np.concatenate(windows)
    low, high = np.percentile(joined, [0.1, 99.9])
    clipped = [np.clip(window, low, high) for window in windows]
    middle = np.concatenate(clipped).mean()
    variance = np.mean((np.concatenate(clipped) - middle) ** 2)
    curve = roughness(windows, 20)
    for lag in range(1, 21):
        squares = np.concatenate([(x[lag:] - x[:-lag]) ** 2 for x in clipped])
        assert curve[lag] == pytest.approx(squares.mean() / (2 * variance), rel=1e-9)
    assert np.isnan(roughness([np.ones(50)], 5)).all()


def test_pieces_from_anywhere_keep_their_phase():
    """Channels stay apart although windows start at different ones."""
    flat = mixed(7).ravel()
    windows = [(start, flat[start : start + 9000]) for start in (3, 40_000, 101_011)]
    assert likely_channels(windows, 200) == 7
