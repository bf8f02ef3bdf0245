"""Format name, entry point or ``file.py:Class`` → wrapper class.

Three doors, tried in this order:

1. a line in `BUILT_IN`;
2. an installed package with an entry point in the group ``circus_io.files``::

       [options.entry_points]
       circus_io.files =
           my_format = my_package.wrapper:MyFile

3. no packaging: ``./my_format.py:MyFile`` (or ``my_package.wrapper:MyFile``).

A wrapper is imported when it is used: one that is broken, or lacks a library, is in
nobody's way until then.
"""

import difflib
import hashlib
import importlib
import importlib.util
import logging
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from circus_io.datafile import DataFile
from circus_io.errors import FormatError, MissingDependencyError

__all__ = [
    "BUILT_IN",
    "FormatInfo",
    "get_format",
    "guess_format",
    "list_formats",
    "locate",
]

logger = logging.getLogger(__name__)

GROUP = "circus_io.files"

# name: (class, extra of circus-toolkit that brings what it imports); alphabetical
BUILT_IN: dict[str, tuple[str, str | None]] = {
    "alphaomega": ("circus_io.files.neo_bridge:AlphaOmegaFile", "neo"),
    "arf": ("circus_io.files.arf:ARFFile", None),
    "axograph": ("circus_io.files.neo_bridge:AxographFile", "neo"),
    "axon": ("circus_io.files.neo_bridge:AxonFile", "neo"),
    "axona": ("circus_io.files.neo_bridge:AxonaFile", "neo"),
    "biocam": ("circus_io.files.neo_bridge:BiocamFile", "neo"),
    "blackrock": ("circus_io.files.neo_bridge:BlackrockFile", "neo"),
    "brainvision": ("circus_io.files.neo_bridge:BrainVisionFile", "neo"),
    "ced": ("circus_io.files.neo_bridge:CedFile", "neo"),
    "edf": ("circus_io.files.neo_bridge:EDFFile", "neo"),
    "elan": ("circus_io.files.neo_bridge:ElanFile", "neo"),
    "hdf5": ("circus_io.files.hdf5:HDF5File", None),
    "intan": ("circus_io.files.neo_bridge:IntanFile", "neo"),
    "kwd": ("circus_io.files.kwd:KWDFile", None),
    "maxwell": ("circus_io.files.neo_bridge:MaxwellFile", "neo"),
    "mcd": ("circus_io.files.mcd:MCDFile", None),
    "mcs_hdf5": ("circus_io.files.mcs_hdf5:MCSHDF5File", None),
    "mcs_raw_binary": ("circus_io.files.mcs_raw_binary:MCSRawBinaryFile", None),
    "mda": ("circus_io.files.mda:MDAFile", None),
    "meame_stream": ("circus_io.files.meame_stream:MeameStreamFile", None),
    "mearec": ("circus_io.files.neo_bridge:MEArecFile", "neo"),
    "med": ("circus_io.files.neo_bridge:MedFile", "neo"),
    "micromed": ("circus_io.files.neo_bridge:MicromedFile", "neo"),
    "neo": ("circus_io.files.neo_bridge:NeoFile", "neo"),
    "neuralynx": ("circus_io.files.neo_bridge:NeuralynxFile", "neo"),
    "neuroexplorer": ("circus_io.files.neo_bridge:NeuroExplorerFile", "neo"),
    "neuronexus": ("circus_io.files.neo_bridge:NeuroNexusFile", "neo"),
    "neuroscope": ("circus_io.files.neo_bridge:NeuroScopeFile", "neo"),
    "nix": ("circus_io.files.neo_bridge:NIXFile", "neo"),
    "numpy": ("circus_io.files.numpy_array:NumpyFile", None),
    "nwb": ("circus_io.files.nwb:NWBFile", None),
    "openephys": ("circus_io.files.neo_bridge:OpenEphysFile", "neo"),
    "openephys_binary": ("circus_io.files.neo_bridge:OpenEphysBinaryFile", "neo"),
    "plexon": ("circus_io.files.neo_bridge:PlexonFile", "neo"),
    "plexon2": ("circus_io.files.neo_bridge:Plexon2File", "neo"),
    "raw_binary": ("circus_io.files.raw_binary:RawBinaryFile", None),
    "spike2": ("circus_io.files.neo_bridge:Spike2File", "neo"),
    "spikegadgets": ("circus_io.files.neo_bridge:SpikeGadgetsFile", "neo"),
    "spikeglx": ("circus_io.files.neo_bridge:SpikeGLXFile", "neo"),
    "spikeinterface": (
        "circus_io.files.spikeinterface_file:SpikeInterfaceFile",
        "spikeinterface",
    ),
    "tdt": ("circus_io.files.neo_bridge:TdtFile", "neo"),
    "winedr": ("circus_io.files.neo_bridge:WinEdrFile", "neo"),
    "winwcp": ("circus_io.files.neo_bridge:WinWcpFile", "neo"),
}

# names of SpyKING CIRCUS for formats that have the name of their maker here
CLASSIC_NAMES = {"brw": "biocam", "rhd": "intan"}


@dataclass(frozen=True)
class FormatInfo:
    """What is known about a format.

    Attributes
    ----------
    name : str
        As in ``file_format = ...``.
    class_path : str
        ``module:Class``.
    extensions : tuple of str
        Suffixes with their dot; empty allows all.
    is_writable, parallel_write : bool
    stream_modes : tuple of str
    required_fields : dict of str to str
        Name and type of the parameters that have to be given.
    default_values : dict of str to object
        Name and default of those that may be.
    description : str
        First line of the documentation.
    extra : str or None
        Extra of circus-toolkit that brings what the format imports.
    verified : bool
        The tests read what somebody else wrote; the others are marked.
    error : str or None
        Why the format cannot be used here; then nothing else is known of it but name,
        class path and extra.
    """

    name: str
    class_path: str
    extensions: tuple[str, ...] = ()
    is_writable: bool = False
    parallel_write: bool = False
    stream_modes: tuple[str, ...] = ()
    required_fields: dict[str, str] | None = None
    default_values: dict[str, object] | None = None
    description: str = ""
    extra: str | None = None
    verified: bool = True
    error: str | None = None


def get_format(name: str, folder: str | Path = ".") -> type[DataFile]:
    """Return the wrapper class of a format.

    Parameters
    ----------
    name : str
        Name of a format, here or in SpyKING CIRCUS, in any case, or
        ``path/to/wrapper.py:Class``, or ``module:Class``.
    folder : path
        Where a relative path to a wrapper starts.

    Raises
    ------
    FormatError
        There is no such format, or it is not a `DataFile`.
    MissingDependencyError
        A library that the format imports is not installed.
    """
    key = str(name).strip().strip("'\"")
    key = CLASSIC_NAMES.get(key.lower(), key)
    known = _known()
    if key.lower() in known:
        return _load(key.lower(), *known[key.lower()])
    if ":" in key:
        return _load(key, key, None, Path(folder))
    near = difflib.get_close_matches(key.lower(), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise FormatError(
        f"unknown file format {name!r}; {hint}choose from {', '.join(sorted(known))}, "
        "or give path/to/wrapper.py:ClassName"
    )


def locate(name: str, folder: str | Path) -> str:
    """Return a name of a format that means the same wherever it is read.

    Parameters
    ----------
    name : str
        As in `get_format`; ``path/to/wrapper.py:Class`` gets its whole path.
    folder : path
        Where a relative path starts.
    """
    key = str(name).strip().strip("'\"")
    module_name, _, class_name = key.rpartition(":")
    if not module_name.endswith(".py"):
        return key
    return f"{(Path(folder) / Path(module_name).expanduser()).resolve()}:{class_name}"


def list_formats() -> list[FormatInfo]:
    """Return all formats by name; one that cannot be loaded says why."""
    return [_describe(name, *known) for name, known in sorted(_known().items())]


def guess_format(path: str | Path) -> str:
    """Return the one format whose extension `path` has and that knows its content.

    A folder has no extension: a format has to recognise what is in it.

    Raises
    ------
    FormatError
        No format fits, or several do.
    """
    name, is_folder = Path(path).name.lower(), Path(path).is_dir()
    fits = {
        info.name: _load(info.name, info.class_path, info.extra)
        for info in list_formats()
        if not info.error
        and (is_folder or any(name.endswith(s.lower()) for s in info.extensions))
    }
    known = {name: wrapper.recognises(Path(path)) for name, wrapper in fits.items()}
    # a format that knows its own signature goes before one that takes any content
    for names in (
        [name for name, answer in known.items() if answer],
        [name for name, answer in known.items() if answer is None and not is_folder],
    ):
        if len(names) == 1:
            return names[0]
        if names:
            break
    if is_folder and not names:
        raise FormatError(
            f"{Path(path).name} is a directory in which no format finds its files; "
            "name a file in it, or give file_format"
        )
    raise FormatError(
        f"the format of {Path(path).name} is not clear from its name and content; give "
        f"file_format = {' or '.join(names or sorted(_known()))}"
    )


def _known() -> dict[str, tuple[str, str | None]]:
    """Return class path and extra of all formats by name; built-in ones first."""
    known = dict(BUILT_IN)
    for point in entry_points(group=GROUP):
        name = point.name.lower()
        if known.setdefault(name, (point.value, None))[0] != point.value:
            logger.warning(
                "the file format %s of %s is not used: %s has that name already; ask "
                "its author to rename it",
                point.name,
                point.value,
                known[name][0],
            )
    return known


def _load(
    name: str, class_path: str, extra: str | None, folder: Path | None = None
) -> type[DataFile]:
    """Import a wrapper class; `folder` allows that its module is a path."""
    module_name, _, class_name = class_path.rpartition(":")
    try:
        if module_name.endswith(".py") and folder is not None:
            module = _import_file(folder / Path(module_name).expanduser())
        else:
            module = importlib.import_module(module_name)
    except SystemExit as error:
        raise FormatError(
            f"the file format {name} ({class_path}) called sys.exit({error.code!r}) "
            "when it was imported; take that out of its module"
        ) from error
    except ImportError as error:
        raise MissingDependencyError(
            _explain(name, class_path, error, extra)
        ) from error
    except FormatError:
        raise
    except Exception as error:
        raise FormatError(
            f"cannot import the file format {name} ({class_path}): "
            f"{type(error).__name__}: {error}"
        ) from error
    wrapper = getattr(module, class_name.strip(), None)
    if not (isinstance(wrapper, type) and issubclass(wrapper, DataFile)):
        raise FormatError(
            f"{class_path} does not name a class that inherits circus_io.DataFile"
        )
    return wrapper


def _import_file(path: Path) -> object:
    """Import a wrapper from its file, once, and note on its classes where they are."""
    path = path.resolve()
    if not path.is_file():
        raise FormatError(f"there is no wrapper file {path}")
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    name = f"circus_io_wrapper_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    for item in vars(module).values():
        if isinstance(item, type) and item.__module__ == name:
            item.loaded_from = f"{path}:{item.__name__}"
    return module


def _explain(name: str, class_path: str, error: ImportError, extra: str | None) -> str:
    if extra:
        advice = f"; install it with: pip install 'circus-toolkit[{extra}]'"
    elif error.name:
        advice = f"; install {error.name.partition('.')[0]} into this Python"
    else:
        advice = ""
    return f"cannot import the file format {name} ({class_path}): {error}{advice}"


def _describe(name: str, class_path: str, extra: str | None) -> FormatInfo:
    try:
        wrapper = _load(name, class_path, extra)
    except (FormatError, MissingDependencyError) as error:
        return FormatInfo(name, class_path, extra=extra, error=str(error))
    return FormatInfo(
        name=name,
        class_path=class_path,
        extensions=tuple(wrapper.extension),
        is_writable=wrapper.is_writable,
        parallel_write=wrapper.parallel_write,
        stream_modes=tuple(wrapper.is_streamable),
        required_fields={
            field: getattr(kind, "__name__", str(kind))
            for field, kind in wrapper._required_fields.items()
        },
        default_values=dict(wrapper._default_values),
        description=_first_line(wrapper),
        extra=extra,
        verified=wrapper.verified,
    )


def _first_line(wrapper: type[DataFile]) -> str:
    own = wrapper.__dict__.get("__doc__") or sys.modules[wrapper.__module__].__doc__
    return (own or "").strip().partition("\n")[0]
