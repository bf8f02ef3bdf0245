"""A few damaged files of each format, and what the fuzzing itself finds."""

import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fuzz.damage import damage
from tests.fuzz.seeds import FORMATS

CHECKOUT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="limits are those of Linux"
)


def run(*arguments):
    """Run Python in the checkout: a process that forks shall be no test's."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        timeout=250,
    )


@pytest.fixture(scope="module")
def fuzzed():
    """Damage some files of each format, in two processes: starting costs as much."""

    def fuzz(names):
        formats = [word for name in names for word in ("--format", name)]
        return run("-m", "tests.fuzz", "--count", 20, *formats)

    names = sorted(FORMATS)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(fuzz, (names[::2], names[1::2])))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_damaged_files_end_in_values_or_in_our_errors(fuzzed, name):
    # not at the start of a line: what a library prints may be ahead; with the corpus
    # there are a few more than were asked for
    summary = rf"\b{name}: 2\d damaged files: \d+ read, \d+ refused, 0 found"
    said = "".join(done.stdout + done.stderr for done in fuzzed)
    assert re.search(summary, said), said


def test_nothing_else_came_of_it(fuzzed):
    for done in fuzzed:
        assert done.returncode == 0, done.stdout + done.stderr


# ------------------------------------------------------------ the fuzzing is fuzzing

WRAPPER = """
import ctypes, os
import numpy as np
from circus_io import DataFile, FormatError

class Odd(DataFile):
    extension = (".odd",)
    _params = {"data_dtype": "int16", "dtype_offset": 0, "gain": 1.0}
    _required_fields = {"how": str}

    def _read_from_header(self):
        getattr(self, self.params["how"])()
        self._shape = (1000, 2)
        return {"nb_channels": 2, "sampling_rate": 1000.0}

    def _read_frames(self, t_start, t_stop, nodes):
        n_nodes = 2 if nodes is None else len(nodes)
        return np.zeros((t_stop - t_start, n_nodes), np.int16)

    def well(self):
        pass

    def refuses(self):
        raise FormatError("it is odd")

    def raises(self):
        raise KeyError("odd")

    def warns(self):
        np.float64(1e300).astype(np.float32)

    def computes(self):
        while True:
            pass

    def allocates(self):
        self.much = bytearray(300 * 2**20)

    def crashes(self):
        ctypes.string_at(0)

    def knows_the_first_byte(self):
        with open(self.file_name, "rb") as file:
            {b"0": None}[file.read(1)]

    def leaves(self):
        os._exit(3)
"""

TRY = """
import sys
from pathlib import Path
from tests.fuzz.trial import try_file
folder, library = Path(sys.argv[1]), sys.argv[2]
(folder / "a.odd").touch()
for how in sys.argv[3:]:
    wrapper = f"{folder / 'odd.py'}:Odd"
    outcome = try_file(wrapper, folder / "a.odd", {"how": how}, library)
    print(how, outcome.kind, outcome.why.replace(chr(10), " "), sep=" | ")
"""


def outcomes(folder, *ways, library=""):
    (folder / "odd.py").write_text(WRAPPER)
    done = run("-c", TRY, folder, library, *ways)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines()]
    return {way: (kind, why) for way, kind, why in rows}


def test_each_way_to_end_is_told_apart(tmp_path):
    ways = ("raises", "warns", "computes", "allocates", "crashes", "leaves")
    found = outcomes(tmp_path, "well", "refuses", *ways)
    assert {way: kind for way, (kind, _) in found.items()} == {
        "well": "read",
        "refuses": "refused",
        **dict.fromkeys(ways, "found"),
    }
    assert "FormatError: it is odd" in found["refuses"][1]
    assert "KeyError" in found["raises"][1]
    assert "RuntimeWarning" in found["warns"][1]
    assert "more than 1 s of computing at" in found["computes"][1]
    assert "MemoryError" in found["allocates"][1]
    assert "SIGSEGV at" in found["crashes"][1]
    assert "exit status 3" in found["leaves"][1]


def test_a_crash_in_a_library_is_not_ours(tmp_path):
    found = outcomes(tmp_path, "crashes", "raises", "refuses", library="oddlib")
    assert {way: kind for way, (kind, _) in found.items()} == {
        "crashes": "library",
        "raises": "found",  # an error can be caught
        "refuses": "refused",
    }


def test_the_same_seed_makes_the_same_damage():
    content = bytes(range(256)) * 4
    made = [damage(content, random.Random(f"x {i}"), None) for i in range(200)]
    again = [damage(content, random.Random(f"x {i}"), None) for i in range(200)]
    assert made == again
    assert len(set(made)) > 190
    assert sum(one != content for one in made) > 190


def test_damages_stay_in_the_header():
    content = random.Random(1).randbytes(500)
    for i in range(300):
        damaged = damage(content, random.Random(i), 100)
        # they start there, and have at most 64 bytes; or what follows is cut off
        assert damaged.endswith(content[100 + 4 * 64 :]) or len(damaged) < 100 + 4 * 64


def test_no_bytes_can_be_damaged():
    assert damage(b"", random.Random(0), None) == b""


KEEP = """
import sys
from pathlib import Path

folder = Path(sys.argv.pop(1))
sys.path.insert(0, str(folder))
from circus_io import registry
from tests.fuzz import __main__ as program, runs, seeds

def write_odd(folder):
    (folder / "good.odd").write_bytes(b"0123456789")
    return [seeds.Seed(folder / "good.odd", {"how": "knows_the_first_byte"})]

registry.BUILT_IN["odd"] = ("odd:Odd", None)
seeds.FORMATS["odd"] = seeds.Format(write_odd)
runs.CORPUS = program.CORPUS = folder / "corpus"
sys.exit(program.main())
"""


def test_what_was_found_is_kept_and_tried_again(tmp_path):
    (tmp_path / "odd.py").write_text(WRAPPER)
    arguments = ("-c", KEEP, tmp_path, "--format", "odd", "--count")
    first = run(*arguments, 20, "--keep")
    assert first.returncode == 1, first.stderr
    found = re.findall(r"^odd (\S+) \(good.odd\): found: KeyError", first.stdout, re.M)
    assert 3 < len(found) < 20
    kept = sorted(path.name for path in (tmp_path / "corpus" / "odd").iterdir())
    assert kept == sorted(f"{name}@good.odd.damaged" for name in found)
    again = run(*arguments, 0)
    assert again.returncode == 1
    assert f"odd: {len(found)} damaged files" in again.stdout
