"""``sampler_configs.json``: JSON here, YAML with nodes of Python in `bspysmg`."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from circus_io.errors import FormatError, MissingDependencyError, RecordingNotFoundError

__all__ = ["read_sampler_configs"]

MAX_BYTES = 1 << 24  # a configuration has some kB
APPLY = "tag:yaml.org,2002:python/object/apply:"
MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
DTYPES = ("f8", "f4", "i8", "i4")
ITEMS = {name: np.dtype(f"<{name}") for name in DTYPES}


def read_sampler_configs(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a configuration, of this program or of `bspysmg`.

    Of the tags of Python that YAML may have, an array and a number of numpy are read,
    and tuples; any other one is refused, and nothing of it is run.

    Raises
    ------
    RecordingNotFoundError
        There is no such file.
    FormatError
        It is neither JSON nor such YAML.
    MissingDependencyError
        It is YAML, and PyYAML is absent.
    """
    path = Path(path)
    if not path.exists():
        raise RecordingNotFoundError(f"there is no file {path}")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(f"{path} has more than 16 MB, which no configuration has")
    text = path.read_text("utf-8")
    try:
        configs = json.loads(text)
    except ValueError:
        configs = _read_yaml(text, path)
    if not isinstance(configs, dict):
        raise FormatError(f"{path} is no configuration: it holds no table")
    return configs


def _read_yaml(text: str, path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingDependencyError(
            f"{path} is YAML, which needs PyYAML: {error}; install it with: "
            "pip install 'circus-toolkit[yaml]'"
        ) from error
    try:
        return yaml.load(text, _loader(yaml))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from error


def _loader(yaml: Any) -> type:
    """Return a loader that knows nothing but plain YAML, tuples and two numpy nodes."""

    class Loader(yaml.SafeLoader):
        pass

    def refuse(loader: Any, node: Any) -> None:
        raise yaml.constructor.ConstructorError(
            None, None, f"the tag {node.tag} is not allowed", node.start_mark
        )

    def need(is_so: bool, node: Any) -> None:
        if not is_so:
            refuse(None, node)

    def parts(loader: Any, node: Any) -> tuple[list[Any], list[Any]]:
        """Return the nodes of the arguments and of the state of an applied object."""
        if isinstance(node, yaml.SequenceNode):
            return node.value, []
        need(isinstance(node, yaml.MappingNode), node)
        named = {key.value: value for key, value in node.value}
        need(set(named) <= {"args", "state"}, node)
        for value in named.values():
            need(isinstance(value, yaml.SequenceNode), node)
        return tuple(
            named[key].value if key in named else [] for key in ("args", "state")
        )

    def dtype_of(loader: Any, node: Any) -> np.dtype:
        """Return the type that a node of numpy.dtype names, little-endian only."""
        need(node.tag == f"{APPLY}numpy.dtype", node)
        arguments, state = parts(loader, node)
        need(len(arguments) >= 1 and len(state) >= 2, node)
        name, order = arguments[0].value, state[1].value
        need(name in ITEMS and order == "<", node)
        return ITEMS[name]

    def array(loader: Any, node: Any) -> np.ndarray:
        _, state = parts(loader, node)
        need(len(state) == 5, node)
        _, shape_node, dtype_node, fortran_node, content_node = state
        shape = loader.construct_object(shape_node, deep=True)
        need(isinstance(shape, tuple) and all(type(n) is int for n in shape), node)
        need(fortran_node.value == "false", node)
        dtype = dtype_of(loader, dtype_node)
        content = loader.construct_object(content_node, deep=True)
        need(isinstance(content, bytes) and min(shape, default=0) >= 0, node)
        need(len(content) == dtype.itemsize * int(np.prod(shape, dtype=object)), node)
        return np.frombuffer(content, dtype).reshape(shape).copy()

    def scalar(loader: Any, node: Any) -> float | int:
        arguments, _ = parts(loader, node)
        need(len(arguments) == 2, node)
        dtype = dtype_of(loader, arguments[0])
        content = loader.construct_object(arguments[1], deep=True)
        need(isinstance(content, bytes) and len(content) == dtype.itemsize, node)
        return np.frombuffer(content, dtype)[0].item()

    def tuple_of(loader: Any, node: Any) -> tuple[Any, ...]:
        return tuple(loader.construct_sequence(node, deep=True))

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", tuple_of)
    for module in MULTIARRAY:
        Loader.add_constructor(f"{APPLY}{module}._reconstruct", array)
        Loader.add_constructor(f"{APPLY}{module}.scalar", scalar)
    Loader.add_constructor(None, refuse)
    return Loader
