"""What the shape of the code promises: who imports what, and what each module says."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("circus_io", "sorting", "stim", "circus_live", "circus_cli")
SOURCES = [
    path for name in PACKAGES for path in sorted((CHECKOUT / name).rglob("*.py"))
]
TEXT_SUFFIXES = {".py", ".md", ".cfg", ".toml", ".yaml", ".yml", ".sh", ".prb", ""}

# a place on somebody's machine; in pieces, so that this file is not one of the finds
MACHINE_PATH = re.compile(
    r"(?<![\w.$}])/(?:" + "home|Users|root|mnt|work|scratch" + r")/\w+|\b[C-Z]:\\+Users"
)


def module_name(path):
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_public(path):
    return not any(
        part.startswith("_") and part not in ("__init__", "__main__")
        for part in Path(path.relative_to(CHECKOUT)).with_suffix("").parts
    )


MODULES = [module_name(path) for path in SOURCES if path.name != "__main__.py"]


def imported(path):
    """Return the top packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


def test_the_packages_are_found():
    assert {name.partition(".")[0] for name in MODULES} == set(PACKAGES)
    assert len(MODULES) > 80


def test_one_file_imports_mpi4py():
    importing = [path for path in SOURCES if "mpi4py" in imported(path)]
    assert [module_name(path) for path in importing] == ["circus_io.parallel"]


def test_imports_point_one_way():
    below = {
        "circus_io": {"sorting", "stim", "circus_live", "circus_cli"},
        "sorting": {"stim", "circus_live", "circus_cli"},
        "stim": {"sorting", "circus_live", "circus_cli"},
        "circus_live": {"circus_cli"},
    }
    for path in SOURCES:
        package = module_name(path).partition(".")[0]
        upward = below.get(package, set()) & set(imported(path))
        assert not upward, f"{module_name(path)} imports {upward}"


def test_opening_a_recording_needs_numpy_alone(tmp_path):
    """All that is loaded is of the standard library, of numpy, or ours."""
    code = (
        "import sys; before = set(sys.modules); import numpy, circus_io\n"
        f"path = {str(tmp_path / 'rec.dat')!r}\n"
        "numpy.arange(40, dtype='i2').tofile(path)\n"
        "r = circus_io.open_recording(path, 'raw_binary', data_dtype='int16', "
        "sampling_rate=1, nb_channels=4)\n"
        "assert r[3].tolist() == [12, 13, 14, 15]\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    # threadpoolctl only limits the threads of libraries that are loaded
    assert set(done.stdout.split()) <= {"circus_io", "numpy", "threadpoolctl"}


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("sorting.load_result", ["numba", "scipy"]),
        ("sorting.sort", ["scipy.signal", "scipy.stats", "scipy.ndimage"]),
    ],
)
def test_each_rank_imports_only_what_it_needs(imported, absent):
    code = (
        f"import sys, sorting; assert {imported}\n"
        f"print(*[name for name in {absent} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("package", ["circus_io", "sorting"])
def test_libraries_never_end_the_process(package):
    exits = {("sys", "exit"), ("os", "_exit"), ("os", "abort")}
    for path in (CHECKOUT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                call = (node.value.id, node.attr)
                assert call not in exits, f"{path.name}:{node.lineno} has {call}"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_modules_say_what_they_are(path):
    tree = ast.parse(path.read_text("utf-8"))
    if is_public(path):
        assert ast.get_docstring(tree), "no docstring"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist_and_are_documented(name):
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        if name == "circus_io.parallel" and public == "comm":
            continue  # starts MPI when it is asked for
        value = getattr(module, public)
        if callable(value) and getattr(value, "__module__", "") in MODULES:
            assert value.__doc__, f"{name}.{public} has no docstring"


def rank_of_name(name):
    """Constants, classes, functions: the order in which the linter wants them."""
    return (not name.isupper(), not name[0].isupper(), name)


def test_public_names_are_in_order():
    """A sorted list has one place for each name, so that merges do not collide."""
    for package in PACKAGES:
        names = list(getattr(importlib.import_module(package), "__all__", ()))
        assert names == sorted(names, key=rank_of_name)
        assert len(set(names)) == len(names)


def test_no_file_names_a_place_on_somebodys_machine():
    folders = (*PACKAGES, "tests", "docs", "examples", "benchmarks")
    files = [path for folder in folders for path in (CHECKOUT / folder).rglob("*")]
    files += [path for path in CHECKOUT.iterdir() if path.suffix in TEXT_SUFFIXES]
    # a linked working tree has a file there that says where the repository is
    files = [path for path in files if path.name != ".git"]
    checked = 0
    for path in files:
        if path.is_file() and path.suffix in TEXT_SUFFIXES:
            found = MACHINE_PATH.search(path.read_text("utf-8"))
            assert not found, f"{path.relative_to(CHECKOUT)}: {found.group()}"
            checked += 1
    assert checked > len(SOURCES)


def test_the_search_for_places_finds_them():
    """The expression above is not one that finds nothing."""
    for text in ("/" + "home/ada/rec.dat", "C:" + "\\Users\\ada", "cd /" + "root/x"):
        assert MACHINE_PATH.search(text)
    for text in ("a/home/b", "shared/work/notes", "~/recordings", "C:\\data"):
        assert not MACHINE_PATH.search(text)


def test_test_folders_are_no_packages():
    """Else tests/sorting would be imported in place of sorting."""
    marked = [
        path
        for path in (CHECKOUT / "tests").rglob("__init__.py")
        if "external_wrapper" not in path.parts
    ]
    assert not marked
