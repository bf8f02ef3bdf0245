"""Keys of ``[data]`` that belong to file formats."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from circus_io.scaling import sample_dtype
from circus_io.schema.keys import Section, TypeName, key
from circus_io.schema.types import FilePath, lower

__all__ = ["FormatFields"]

_Positive = Annotated[float, Field(gt=0)]
_Count = Annotated[int, Field(ge=0)]


def _gain(value: object) -> object:
    """Split ``[0.1, 0.2]`` into its numbers."""
    if isinstance(value, str) and value.startswith(("[", "(")):
        return value.strip("[]() ").split(",")
    return value


def _sample_type(name: str | None) -> str | None:
    if name is not None:
        sample_dtype(name)
    return name


def _axis(value: object) -> object:
    word = lower(value)
    return int(word) if isinstance(word, str) and word.isdecimal() else word


class FormatFields(Section):
    """Fields of the formats of the toolkit; only those that were given are passed on.

    A format may declare more: their values are passed on as text.
    """

    data_dtype: Annotated[
        str | None,
        AfterValidator(_sample_type),
        TypeName("int16, uint16, int32, float32, >i2 or another NumPy sample type"),
    ] = key(None, "Type of the raw samples, such as int16.", used=True)
    sampling_rate: Annotated[_Positive | None, TypeName("number > 0")] = key(
        None, "Frames per second.", unit="Hz", used=True
    )
    nb_channels: Annotated[
        Annotated[int, Field(gt=0)] | None, TypeName("whole number > 0")
    ] = key(None, "Channels of the recording, analysed or not.", used=True)
    data_offset: Annotated[_Count | None, TypeName("whole number ≥ 0")] = key(
        None, "Length of the header before the samples.", unit="bytes", used=True
    )
    dtype_offset: Annotated[
        int | float | Literal["auto", "classic"] | None,
        BeforeValidator(lower),
        TypeName("auto, classic, or a number"),
    ] = key(
        None,
        "Subtracted from raw samples; auto is the mid-point of unsigned types, "
        "classic differs for uint8 only: 127.",
        unit="counts",
        used=True,
    )
    gain: Annotated[
        float | tuple[float, ...] | None,
        BeforeValidator(_gain),
        TypeName("number, or one per channel in brackets"),
    ] = key(None, "Multiplies raw samples.", unit="µV per bit", used=True)
    h5_key: Annotated[str | None, TypeName("text")] = key(
        None, "Path of the dataset in an HDF5 file.", used=True
    )
    time_axis: Annotated[
        Literal["auto", 0, 1, 2] | None,
        BeforeValidator(_axis),
        TypeName("auto, 0, 1 or 2"),
    ] = key(
        None,
        "Which axis of an array is time; auto is the longest (numpy, hdf5).",
        used=True,
    )
    channel_name: Annotated[str | None, TypeName("text")] = key(
        None, "Part of the names of the channels (arf).", used=True
    )
    recording_number: Annotated[_Count | None, TypeName("whole number ≥ 0")] = key(
        None, "Which recording of the file (kwd, mcs_hdf5).", used=True
    )
    block: Annotated[str | None, TypeName("text")] = key(
        None, "Block of the file, as neo counts them.", used=True
    )
    data_array: Annotated[str | None, TypeName("text")] = key(
        None, "Data array of the block (nix)."
    )
    well: Annotated[str | None, TypeName("text")] = key(
        None, "Well of a multi-well plate (maxwell).", used=True
    )
    ncs_pattern: Annotated[str | None, TypeName("text")] = key(
        None, "Part of the names of the files to read (neuralynx).", used=True
    )
    mapping_file: FilePath = key(
        None, "Text file with the files of one stream per line (neuralynx).", used=True
    )
    idx_mapping: Annotated[_Count | None, TypeName("whole number ≥ 0")] = key(
        None, "Which line of the mapping file (neuralynx).", used=True
    )
