import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from circus_io import FormatError
from circus_io.scaling import (
    from_float32,
    resolve_dtype_offset,
    sample_dtype,
    to_float32,
)

TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "f2", "f4", "f8"]


@pytest.mark.parametrize(
    ("dtype", "auto"),
    [
        ("uint8", 128),
        ("<u2", 32768),
        (">u2", 32768),
        ("uint32", 2**31),
        ("int8", 0),
        (">i2", 0),
        ("int64", 0),
        ("float16", 0),
        ("<f4", 0),
        (">f4", 0),
        ("<f8", 0),
    ],
)
def test_auto_is_the_middle_of_an_unsigned_type(dtype, auto):
    assert resolve_dtype_offset("auto", dtype) == auto
    assert resolve_dtype_offset("classic", dtype) == (127 if dtype == "uint8" else auto)


def test_a_given_offset_stands_for_itself():
    assert resolve_dtype_offset("512", "uint16") == 512
    assert resolve_dtype_offset(-2.5, "int16") == -2.5
    assert isinstance(resolve_dtype_offset(512.0, "uint16"), int)
    with pytest.raises(FormatError, match="expected auto, classic or a number"):
        resolve_dtype_offset("mid", "uint16")


@pytest.mark.parametrize("dtype", ["bool", "S4", "complex64", "int17", "object"])
def test_what_is_no_sample_type_is_refused(dtype):
    with pytest.raises(FormatError, match="no sample type"):
        sample_dtype(dtype)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("gain", [1.0, 0.195, [0.5, 2.0, -3.0]])
def test_traces_equal_float64_arithmetic(dtype, order, gain):
    dtype = np.dtype(order + dtype)
    offset = resolve_dtype_offset("auto", dtype)
    raw = np.random.default_rng(4).normal(offset, 20, (50, 3)).astype(dtype)
    raw.flags.writeable = False
    before = raw.copy()
    traces = to_float32(raw, gain, offset)
    wanted = (raw.astype(np.float64) - offset) * gain
    assert traces.dtype == np.float32
    assert traces.flags.c_contiguous
    np.testing.assert_allclose(traces, wanted, rtol=2e-7)
    assert np.array_equal(raw, before)


def test_wide_counts_keep_their_low_bits():
    raw = np.array([[2**31 + 1, 2**31 - 3]], dtype=np.uint32)
    assert to_float32(raw, 1.0, 2**31).tolist() == [[1.0, -3.0]]


def test_float32_without_scaling_is_a_view_that_nobody_can_write():
    raw = np.ones((4, 2), np.float32)
    traces = to_float32(raw)
    assert np.shares_memory(traces, raw)
    assert not traces.flags.writeable
    assert raw.flags.writeable


def test_what_is_too_large_for_float32_is_infinite():
    raw = np.array([[1e300, -1e300, 1.0]])
    assert to_float32(raw).tolist() == [[np.inf, -np.inf, 1]]
    assert to_float32(raw, 2.0, 1).tolist() == [[np.inf, -np.inf, 0]]


def test_nan_passes_through_floats():
    raw = np.array([[np.nan, 1.0]], dtype=np.float32)
    traces = to_float32(raw, 2.0)
    assert np.isnan(traces[0, 0])
    stored, n_clipped = from_float32(traces, "float32", 2.0)
    assert np.isnan(stored[0, 0])
    assert (stored[0, 1], n_clipped) == (1.0, 0)


def test_rounding_is_half_to_even_and_ends_saturate():
    traces = np.array(
        [[0.5, 1.5, 2.5, -0.5, -1.9], [4e4, -4e4, 32767.4, 32767.6, np.nan]]
    )
    raw, n_clipped = from_float32(traces, "int16")
    assert raw.tolist() == [[0, 2, 2, 0, -2], [32767, -32768, 32767, 32767, 0]]
    assert n_clipped == 4


@pytest.mark.parametrize("dtype", ["int64", "uint64", ">i4", "uint32", "int8"])
def test_every_integer_type_saturates_at_its_ends(dtype):
    raw, n_clipped = from_float32(np.array([[1e30, -1e30, np.inf]]), dtype)
    info = np.iinfo(dtype)
    assert n_clipped == 3
    assert raw[0, 1] == info.min
    # the float64 below 2**63 is 1024 counts away from it
    assert info.max - int(raw[0, 0]) <= 2048
    assert raw[0, 0] == raw[0, 2]


@given(
    raw=hnp.arrays(np.int16, (5, 2)),
    gain=st.sampled_from([1.0, 0.25, 0.195, 1e-3]),
    offset=st.integers(-500, 500),
)
def test_what_is_scaled_comes_back(raw, gain, offset):
    back, n_clipped = from_float32(
        to_float32(raw, gain, offset), np.int16, gain, offset
    )
    assert np.array_equal(back, raw)
    assert n_clipped == 0


def test_a_gain_for_other_channels_is_refused():
    with pytest.raises(FormatError, match="gain has 3 values but the samples have 2"):
        to_float32(np.zeros((4, 2), np.int16), [1, 2, 3])
