"""Formats inside of HDF5, written with h5py, nixio and MEArec.

Nothing here is shared with neo or with circus_io.
"""

import h5py
import numpy as np

RATE_HZ = 20000


def write_brw3(path, raw, inversion=1):
    """Write BRW 3.x: frames one after another, 12 bits over ±4125 µV."""
    n_frames, n_channels = raw.shape
    with h5py.File(path, "w") as file:
        file.create_group("3BData").attrs["Version"] = 101
        file["3BData/Raw"] = raw.astype("<u2").reshape(-1)
        values = {
            "BitDepth": np.uint8(12),
            "MaxVolt": 4125.0,
            "MinVolt": -4125.0,
            "NRecFrames": n_frames,
            "SamplingRate": float(RATE_HZ),
            "SignalInversion": float(inversion),
        }
        for name, value in values.items():
            file[f"3BRecInfo/3BRecVars/{name}"] = np.array([value])
        places = np.zeros(n_channels, [("Row", "<i2"), ("Col", "<i2")])
        places["Row"] = np.arange(n_channels) + 1
        file["3BRecInfo/3BMeaStreams/Raw/Chs"] = places


MAPPING = [("channel", "<i4"), ("electrode", "<i4"), ("x", "<f8"), ("y", "<f8")]


def maxwell_mapping(channels):
    table = np.zeros(len(channels), MAPPING)
    table["channel"], table["electrode"] = channels, np.add(channels, 1000)
    table["x"], table["y"] = 17.5 * np.arange(len(channels)), 35
    return table


def write_maxwell(path, raw, wells=("well000",), recordings=("rec0000",)):
    """Write the layout of 2019: wells, recordings, routed channels × frames."""
    with h5py.File(path, "w") as file:
        file["version"] = [b"20190530"]
        for index, well in enumerate(wells):
            for name in recordings:
                home = file.create_group(f"wells/{well}/{name}")
                home["settings/sampling"] = [float(RATE_HZ)]
                home["settings/lsb"] = [6.294e-6]
                home["settings/mapping"] = maxwell_mapping(range(raw.shape[1]))
                home["groups/routed/raw"] = (raw + index).astype("<u2").T
    return path


def write_nix(path, raw):
    """Write a block as neo lays it out, by nixio."""
    import nixio

    file = nixio.File.open(str(path), nixio.FileMode.Overwrite)
    block = file.create_block("neo.block.1", "neo.block")
    block.metadata = file.create_section("neo.block.1.metadata", "neo.block")
    segment = block.create_group("neo.segment.1", "neo.segment")
    segment.metadata = block.metadata.create_section("segment", "neo.segment")
    for channel, samples in enumerate(raw.T):
        name = f"neo.analogsignal.1.{channel}"
        array = block.create_data_array(
            name, "neo.analogsignal", data=np.ascontiguousarray(samples)
        )
        array.unit = "mV"
        dimension = array.append_sampled_dimension(1 / RATE_HZ)
        dimension.unit = "s"
        notes = segment.metadata.create_section(name, "neo.analogsignal.metadata")
        notes["neo_name"], notes["t_start"] = f"tetrode {channel}", 0.0
        array.metadata = notes
        segment.data_arrays.append(array)
    file.close()


def write_mearec(path, raw, gain):
    """Write quantised samples, by MEArec."""
    import MEArec

    n_frames, n_channels = raw.shape
    info = {"fs": float(RATE_HZ), "duration": n_frames / RATE_HZ, "dtype": "int16"}
    places = np.zeros((n_channels, 3))
    places[:, 2] = 20.0 * np.arange(n_channels)
    made = MEArec.RecordingGenerator(
        rec_dict={
            "recordings": raw,
            "channel_positions": places,
            "spiketrains": [],
        },
        info={"recordings": info},
    )
    made.gain_to_uV = gain
    MEArec.save_recording_generator(made, path)
