"""The formats that neo reads, by the names they have here.

Nothing of neo is imported: suffixes and signatures are known without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circus_io.files.neo_bridge.signatures import (
    Signature,
    any_of,
    has_neighbour,
    hdf5_with,
    in_folder,
    is_nix,
    is_oebin,
    is_spikeglx,
    is_tdt,
    safely,
    starts_with,
    text_with,
)

__all__ = ["CATALOGUE", "NeoFormat", "find_format"]


@dataclass(frozen=True)
class NeoFormat:
    """A format, and the reader of neo for it.

    Attributes
    ----------
    name : str
        As in ``file_format = ...``.
    reader : str
        Class in ``neo.rawio``.
    title : str
        What it is, in a line.
    suffixes : tuple of str
        Of the file that is opened, in lower case.
    signature : callable
        See `signatures`.
    verified : bool
        The tests read files of a recorder, or of a writer that shares nothing with neo
        or with us.
    is_folder : bool
        neo reads the folder; the file that is opened may be any with a suffix.
    electrodes : str
        Regular expression of the stream to read where there are several.
    events_since_segment : bool
        neo counts events from the start of their segment.
    library : str
        What neo imports for this format alone.
    is_numbered : bool
        A run of files may end in _0, _1, ... before the suffix.
    extra_fields : mapping of str to str
        Fields of ``[data]`` that only this format has, and their defaults.
    """

    name: str
    reader: str
    title: str
    suffixes: tuple[str, ...]
    signature: Signature
    verified: bool = False
    is_folder: bool = False
    electrodes: str = ""
    events_since_segment: bool = False
    library: str = ""
    is_numbered: bool = True
    extra_fields: Mapping[str, str] | None = None

    def recognises(self, path: Path) -> bool | None:
        """Tell whether a file, or a folder with its files, is of this format."""
        if not path.is_dir():
            return safely(self.signature, path)
        return self.is_folder and in_folder(path, self.suffixes, self.signature)


_ROWS = (
    NeoFormat(
        "alphaomega",
        "AlphaOmegaRawIO",
        "Alpha Omega: a folder of .mpx files, or the .lsx list of them.",
        (".lsx", ".mpx"),
        lambda path: None,
        is_folder=True,
    ),
    NeoFormat(
        "axograph",
        "AxographRawIO",
        "AxoGraph.",
        (".axgd", ".axgx"),
        starts_with(b"AxGr", b"axgx"),
    ),
    NeoFormat(
        "axon",
        "AxonRawIO",
        "Axon Binary Format, versions 1 and 2.",
        (".abf",),
        starts_with(b"ABF ", b"ABF2"),
        verified=True,
    ),
    NeoFormat(
        "axona",
        "AxonaRawIO",
        "Axona DACQ: .set and .bin.",
        (".set",),
        text_with(b"trial_date"),
    ),
    NeoFormat(
        "biocam",
        "BiocamRawIO",
        "3Brain BioCam, BRW 3.x and 4.x.",
        (".brw",),
        hdf5_with("3BRecInfo|ExperimentSettings|ExperimentInfo"),
        verified=True,
    ),
    NeoFormat(
        "blackrock",
        "BlackrockRawIO",
        "Blackrock .ns1 to .ns6, with the events of the .nev beside it.",
        tuple(f".ns{number}" for number in range(1, 7)),
        starts_with(b"NEURALSG", b"NEURALCD", b"BRSMPGRP"),
        verified=True,
    ),
    NeoFormat(
        "brainvision",
        "BrainVisionRawIO",
        "BrainVision: .vhdr with its .eeg and .vmrk.",
        (".vhdr",),
        text_with(b"Brain Vision Data Exchange Header File"),
        verified=True,
    ),
    NeoFormat(
        "ced",
        "CedRawIO",
        "CED Spike2 .smrx, through sonpy.",
        (".smrx",),
        lambda path: None,
        library="sonpy",
    ),
    NeoFormat(
        "edf",
        "EDFRawIO",
        "European Data Format, EDF and continuous EDF+.",
        (".edf",),
        starts_with(b"0       "),
        verified=True,
        library="pyedflib",
    ),
    NeoFormat(
        "elan",
        "ElanRawIO",
        "ELAN: .eeg with its .eeg.ent and .eeg.pos.",
        (".eeg",),
        has_neighbour(".ent"),
        verified=True,
    ),
    NeoFormat(
        "intan",
        "IntanRawIO",
        "Intan .rhd and .rhs, alone or beside one file per signal or channel.",
        (".rhd", ".rhs"),
        starts_with(b"\x02\x27\x91\xc6", b"\xac\x27\x91\xd6"),
        verified=True,
        electrodes=r"^RH[DS]2000 amplifier",
    ),
    NeoFormat(
        "maxwell",
        "MaxwellRawIO",
        "MaxWell MaxOne and MaxTwo; compressed files need the filter of the vendor.",
        (".h5",),
        hdf5_with("version", "mapping|wells|data_store"),
        verified=True,
        extra_fields={"well": "", "rec_name": ""},
    ),
    NeoFormat(
        "mearec",
        "MEArecRawIO",
        "MEArec simulations, through MEArec.",
        (".h5", ".hdf5"),
        hdf5_with("recordings", "channel_positions", "info"),
        verified=True,
        library="MEArec",
    ),
    NeoFormat(
        "med",
        "MedRawIO",
        "MED sessions (.medd folders), through dhn_med_py.",
        (".medd",),
        lambda path: None,
        is_folder=True,
        library="dhn_med_py",
    ),
    NeoFormat(
        "micromed",
        "MicromedRawIO",
        "Micromed .trc, header version 4.",
        (".trc",),
        starts_with(b"* MICROMED"),
    ),
    NeoFormat(
        "neuralynx",
        "NeuralynxRawIO",
        "Neuralynx: a folder of .ncs, or one of its files.",
        (".ncs",),
        text_with(b"Neuralynx Data File Header"),
        verified=True,
        is_folder=True,
        extra_fields={"ncs_pattern": "", "mapping_file": "", "idx_mapping": ""},
    ),
    NeoFormat(
        "neuroexplorer",
        "NeuroExplorerRawIO",
        "NeuroExplorer .nex; each signal is a stream.",
        (".nex",),
        starts_with(b"NEX1"),
    ),
    NeoFormat(
        "neuronexus",
        "NeuroNexusRawIO",
        "NeuroNexus Allego: .xdat.json with its _data.xdat and _timestamp.xdat.",
        (".xdat.json",),
        text_with(b"sapiens_base"),
        verified=True,
        is_numbered=False,
        electrodes=r"^ai-pri",
    ),
    NeoFormat(
        "neuroscope",
        "NeuroScopeRawIO",
        "NeuroScope: .xml with its .dat, .lfp or .eeg.",
        (".xml",),
        text_with(b"acquisitionSystem"),
        verified=True,
    ),
    NeoFormat(
        "nix",
        "NIXRawIO",
        "NIX as neo writes it, through nixio.",
        (".nix", ".h5"),
        is_nix,
        verified=True,
        library="nixio",
    ),
    NeoFormat(
        "openephys",
        "OpenEphysRawIO",
        "Open Ephys, one .continuous file per channel: a folder, or a file of it.",
        (".openephys", ".continuous"),
        any_of(text_with(b"Open Ephys Data Format"), text_with(b"<EXPERIMENT")),
        verified=True,
        is_folder=True,
        electrodes=r"^CH$",
    ),
    NeoFormat(
        "openephys_binary",
        "OpenEphysBinaryRawIO",
        "Open Ephys binary: a folder with structure.oebin, or that file.",
        (".oebin",),
        is_oebin,
        verified=True,
        is_folder=True,
        electrodes=r"^(?!.*(SYNC|ADC|AUX|NI-DAQ))",
    ),
    NeoFormat(
        "plexon",
        "PlexonRawIO",
        "Plexon .plx, versions 100 to 106.",
        (".plx",),
        starts_with(b"PLEX"),
        verified=True,
        electrodes=r"^WB",
    ),
    NeoFormat(
        "plexon2",
        "Plexon2RawIO",
        "Plexon .pl2, through the library of the vendor.",
        (".pl2",),
        lambda path: None,
    ),
    NeoFormat(
        "spike2",
        "Spike2RawIO",
        "CED Spike2 .smr (32 bit).",
        (".smr",),
        starts_with(b"(C) CED", offset=2),
    ),
    NeoFormat(
        "spikegadgets",
        "SpikeGadgetsRawIO",
        "SpikeGadgets .rec.",
        (".rec",),
        text_with(b"<Configuration"),
        verified=True,
        electrodes=r"^trodes$",
    ),
    NeoFormat(
        "spikeglx",
        "SpikeGLXRawIO",
        "SpikeGLX: a folder of .bin with .meta, or one of these files.",
        (".bin", ".meta"),
        is_spikeglx,
        verified=True,
        is_folder=True,
        electrodes=r"\.ap$",
        events_since_segment=True,
    ),
    NeoFormat(
        "tdt",
        "TdtRawIO",
        "TDT: a tank, a block folder, or a file of a block.",
        (".tbk", ".tsq", ".tev", ".sev", ".tdx", ".tin"),
        is_tdt,
        verified=True,
        is_folder=True,
    ),
    NeoFormat(
        "winedr",
        "WinEdrRawIO",
        "Strathclyde WinEDR.",
        (".edr",),
        text_with(b"YCF0=", b"NBH="),
        verified=True,
    ),
    NeoFormat(
        "winwcp",
        "WinWcpRawIO",
        "Strathclyde WinWCP; each record is a segment.",
        (".wcp",),
        text_with(b"VER=", b"NBD="),
        verified=True,
    ),
)

CATALOGUE: Mapping[str, NeoFormat] = {row.name: row for row in _ROWS}


def find_format(path: Path) -> NeoFormat | None:
    """Return the one format that a path has the suffix and the signature of.

    A format that knows its signature goes before one that takes any content. None if
    none fits, or several do.
    """
    name = path.name.lower()
    fits = [row for row in _ROWS if path.is_dir() or name.endswith(row.suffixes)]
    answers = [(row, row.recognises(path)) for row in fits]
    for wanted in (True, None):
        found = [row for row, answer in answers if answer is wanted]
        if len(found) == 1:
            return found[0]
        if found:
            return None
    return None
