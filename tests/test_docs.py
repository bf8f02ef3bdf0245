"""The documentation fails when it lies: code runs, links lead somewhere, names exist.

In the pages of `RUN`, blocks in ``bash`` and ``python`` are run in their order, in one
folder; ``python file=NAME`` is added to that file instead; a ``text`` block directly
after one that was run is part of its output. Other languages are only shown.
"""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
import typer

from circus_cli.main import app
from circus_io import list_formats, open_recording
from circus_io.conversion import TARGETS
from circus_io.files.neo_bridge.catalogue import CATALOGUE
from circus_io.files.neo_bridge.neo_file import NeoFile
from circus_io.meame import get_channel_map
from circus_io.synthetic import SyntheticRecording, read_ground_truth
from circus_live.meame_server import Faults
from circus_live.speaker import DspFunction
from sorting import load_result
from stim.sampling.designs import DESIGNS
from stim.sampling.store_layout import batch_dtype

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
README = CHECKOUT / "README.md"
FIRST_WRAPPER = DOCS / "tutorials" / "first-wrapper.md"
EXAMPLE = CHECKOUT / "examples" / "custom_wrapper.py"
PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
DECISIONS = sorted((DOCS / "explanation" / "decisions").glob("*.md"))

# pages whose blocks use the folder that the README leaves behind
AFTER_README = [
    DOCS / "how-to" / f"{name}.md"
    for name in (
        "read-a-recording",
        "convert-a-recording",
        "make-known-spikes",
        "use-a-result",
    )
]
SPIKEINTERFACE = DOCS / "how-to" / "use-with-spikeinterface.md"
NEO = DOCS / "reference" / "formats-neo.md"
ADD_A_FORMAT = DOCS / "how-to" / "add-a-file-format.md"
LIVE = DOCS / "how-to" / "record-live.md"
VIEW = DOCS / "how-to" / "watch-a-live-recording.md"
MOVE_FROM_CREPE = DOCS / "how-to" / "move-from-crepe.md"
MEAME_SERVER = DOCS / "how-to" / "use-the-meame-server.md"
CLOSED_LOOP = DOCS / "how-to" / "close-the-loop.md"
MEAME = DOCS / "reference" / "meame-protocol.md"
STIMULATION_SAFETY = DOCS / "explanation" / "stimulation-safety.md"
STIMULUS_FILES = DOCS / "reference" / "stimulus-files.md"
STIMULATION = [
    DOCS / "how-to" / "stimulate.md",
    DOCS / "how-to" / "stimulate-without-a-device.md",
    DOCS / "how-to" / "come-from-app-stg.md",
    DOCS / "explanation" / "stimulator-timing.md",
]
SAMPLING = DOCS / "how-to" / "characterise-electrodes.md"
SAMPLING_FILES = DOCS / "reference" / "sampling-files.md"
STEPS_AGAIN = DOCS / "how-to" / "run-steps-again.md"
# first-sort.md is run by tests/circus_cli/test_demo_command.py
RUN = [README, FIRST_WRAPPER, *AFTER_README, STEPS_AGAIN, SPIKEINTERFACE, NEO]
RUN += [ADD_A_FORMAT, LIVE, VIEW, MEAME, MEAME_SERVER, MOVE_FROM_CREPE]
RUN += [STIMULATION_SAFETY, STIMULUS_FILES, SAMPLING, SAMPLING_FILES, *STIMULATION]
SHOWN = {"text", "console", "ini", "toml", "yaml"}
KNOWN_LANGUAGES = {"bash", "python", *SHOWN}

BLOCK = re.compile(r"^([ ]*)```([^\n]*)\n(.*?)^\1```[ ]*$", re.MULTILINE | re.DOTALL)


def page_id(path):
    return path.relative_to(CHECKOUT).as_posix()


@dataclass(frozen=True)
class Block:
    """A fenced block; `follows` if nothing but blank lines stands before it."""

    language: str
    file: str | None
    text: str
    follows: bool


def read_blocks(path):
    page = path.read_text("utf-8")
    blocks, end = [], 0
    for match in BLOCK.finditer(page):
        language, _, options = match[2].strip().partition(" ")
        file = options.partition("file=")[2] or None
        follows = not page[end : match.start()].strip()
        blocks.append(Block(language, file, match[3], follows))
        end = match.end()
    return blocks


def run_page(path, folder):
    """Run the blocks of a page, as a reader would; return what each printed."""
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    }
    programs = {"bash": ["bash", "-euo", "pipefail", "-c"], "python": ["python", "-c"]}
    printed, started = [], set()
    for block in read_blocks(path):
        if block.file:
            mode = "a" if block.file in started else "w"
            started.add(block.file)
            with (folder / block.file).open(mode, encoding="utf-8") as file:
                file.write(block.text + "\n\n")
        elif block.language in programs:
            done = subprocess.run(
                [*programs[block.language], block.text],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=250,
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
            printed.append(done.stdout + done.stderr)
        elif block.language == "text" and block.follows and printed:
            for line in block.text.strip().splitlines():
                assert line.strip() in printed[-1], line
    return printed


# ---------------------------------------------------------------------- code is run


@pytest.fixture(scope="module")
def readme(tmp_path_factory, require):
    """Run the README in a folder with a recording and its probe; its folder."""
    require("mpi4py", extra="mpi")
    require("matplotlib", extra="plots")
    folder = tmp_path_factory.mktemp("readme")
    recording = SyntheticRecording(
        n_channels=16, n_units=5, snr_range=(8, 16), duration_s=20, seed=3
    )
    recording.write(folder / "rec.dat")
    (folder / "rec.params").unlink()  # the README writes one
    return folder, run_page(README, folder)


def test_the_readme_sorts_and_loads(readme):
    folder, printed = readme
    truth = read_ground_truth(folder / "rec.ground_truth.npz")
    result = load_result(folder / "rec.dat")
    assert (folder / "rec" / "report.html").is_file()
    assert (folder / "all.params").is_file()
    for unit in np.unique(truth.spike_units):
        train = truth.spike_train(unit)
        hits = [
            np.isin(train[:, None] + np.arange(-8, 9), result.spike_train(found))
            for found in result.unit_ids
        ]
        assert max(hit.any(axis=1).mean() for hit in hits) > 0.9, f"true unit {unit}"
    table = "\n".join(printed)
    assert repr(result) in table
    assert "400000 frames × 16 channels" in table


def test_the_readme_reads_what_was_written(readme):
    """The numbers that its chunks print are those of numpy on the whole file."""
    folder, printed = readme
    raw = np.fromfile(folder / "rec.dat", "<i2").reshape(-1, 16)
    (text,) = [
        text for text in printed if "400000 frames" in text and "(0, 300)" in text
    ]
    rows = re.findall(r"^(\d+) (\d+) \((-?\d+), (\d+)\) ([\d.]+)$", text, re.MULTILINE)
    assert [int(row[0]) for row in rows] == [0, 100_000, 200_000, 300_000]
    for start, stop, before, after, sd in rows:
        expected = 0.2 * raw[int(start) : int(stop)].std()
        assert float(sd) == pytest.approx(expected, rel=1e-4)
        assert int(before) == (-300 if int(start) else 0)
        assert int(after) == (300 if int(stop) < 400_000 else 0)


@pytest.mark.parametrize("page", AFTER_README, ids=page_id)
def test_how_to_pages_run(page, readme):
    folder, _ = readme
    assert run_page(page, folder)


def test_the_page_on_spikeinterface_runs(tmp_path):
    printed = run_page(SPIKEINTERFACE, tmp_path)
    assert "circus_toolkit 3 [" in printed[-1]


def test_a_wrapper_of_ten_minutes_passes_its_tests(tmp_path):
    tested, *_ = run_page(ADD_A_FORMAT, tmp_path)
    assert " failed" not in tested
    assert int(re.search(r"(\d+) passed", tested)[1]) > 40


def test_the_page_on_live_recording_runs(tmp_path):
    printed = "\n".join(run_page(LIVE, tmp_path))
    n_frames = len(open_recording(tmp_path / "rec.h5"))
    assert f"crossings in {n_frames} frames" in printed
    copies = open_recording(tmp_path / "copy_0.h5", stream_mode="multi-files")
    assert len(copies) == n_frames
    assert printed.rstrip().endswith("rec.h5: was whole")


def test_the_page_on_closed_loops_runs(tmp_path):
    printed = run_page(CLOSED_LOOP, tmp_path)
    assert "clock of the host, to within" in printed[-1]
    with open_recording(tmp_path / "loop.h5") as recording:
        marks = recording.read_events()["Events"]
        frames = marks.times_s * recording.sampling_rate
    triggers = np.loadtxt(tmp_path / "stimulation.triggers.txt", ndmin=2)
    assert len(triggers) == len(frames) > 3
    # the recorder and the log put the same stimuli at the same frames, to within 20 ms
    np.testing.assert_allclose(triggers[:, 1], frames, atol=400)


def test_the_page_on_the_view_runs(tmp_path, require):
    require("bokeh", extra="view")
    printed = run_page(VIEW, tmp_path)
    assert len(printed) == 3
    for text in printed:
        assert re.search(r"http://[\w.-]+:\d+/", text)


@pytest.mark.parametrize("page", STIMULATION, ids=page_id)
def test_the_pages_on_stimulators_run(page, tmp_path):
    assert run_page(page, tmp_path)


def test_the_pages_on_sampling_run(tmp_path):
    assert run_page(SAMPLING, tmp_path)
    run_page(SAMPLING_FILES, tmp_path)


@pytest.mark.parametrize("page", [MEAME, MEAME_SERVER], ids=page_id)
def test_the_pages_on_meame_run(page, tmp_path):
    np.zeros((2, 60, 100), "<i4").tofile(tmp_path / "culture.meame")
    assert run_page(page, tmp_path)


def test_the_page_on_neo_runs(tmp_path):
    header = [
        "NC=2",
        "NP=200",
        "NBH=2048",
        "AD=32768",
        "ADCMAX=32767",
        "DT=0.05",
        "TU=ms",
    ]
    for channel in range(2):
        header += [
            f"YN{channel}=E{channel + 1}",
            f"YU{channel}=uV",
            f"YO{channel}={channel}",
        ]
        header += [f"YCF{channel}=1", f"YAG{channel}=1", f"YZ{channel}=0"]
    text = ("\r\n".join(header) + "\r\n").encode().ljust(2048)
    (tmp_path / "rec.edr").write_bytes(text + bytes(400))
    assert run_page(NEO, tmp_path)


def test_a_changed_parameter_repeats_what_the_page_says(readme, tmp_path):
    folder, _ = readme
    for name in ("rec.dat", "rec.prb", "rec.params"):
        shutil.copy2(folder / name, tmp_path / name)
    shutil.copytree(folder / "rec", tmp_path / "rec")
    first, trial, *_ = run_page(STEPS_AGAIN, tmp_path)
    assert repeated(first) == ["merging", "converting"]
    assert len(repeated(trial)) == 9
    assert (tmp_path / "trial").is_dir()


def repeated(printed):
    """Return the steps that the summary of a run calls done, not done before."""
    return re.findall(r"^ (\w+) +done  ", printed, re.MULTILINE)


@pytest.fixture(scope="module")
def first_wrapper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrapper")
    return folder, run_page(FIRST_WRAPPER, folder)


def test_the_first_wrapper_is_tested_and_sorts(first_wrapper):
    folder, printed = first_wrapper
    (summary,) = [text for text in printed if re.search(r"^\d+ passed", text, re.M)]
    assert "failed" not in summary
    assert int(re.search(r"(\d+) passed", summary)[1]) > 40
    result = load_result(folder / "rec.lab")
    truth = np.load(folder / "truth.npy")
    near = np.isin(truth[:, None] + np.arange(-8, 9), result.spike_times).any(axis=1)
    assert near.mean() > 0.95
    assert len(result) == 3
    assert f"{near.mean():.0%} of the spikes" in printed[-1]


def test_the_tests_of_the_first_wrapper_notice_what_the_page_breaks(
    first_wrapper, tmp_path
):
    folder, _ = first_wrapper
    code = (folder / "custom_wrapper.py").read_text("utf-8")
    broken = code.replace(
        "self.data[t_start:t_stop]", "self.data[t_start : t_stop - 1]"
    )
    assert broken != code
    assert "`self.data[t_start : t_stop - 1]`" in FIRST_WRAPPER.read_text("utf-8")
    (tmp_path / "custom_wrapper.py").write_text(broken)
    test = (folder / "test_custom_wrapper.py").read_text("utf-8")
    (tmp_path / "test_custom_wrapper.py").write_text(test)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-qx", "test_custom_wrapper.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout


def test_the_first_wrapper_is_the_example():
    """Each piece stands in the example word for word, and none of it is left out."""
    example = EXAMPLE.read_text("utf-8")
    pieces = [b.text for b in read_blocks(FIRST_WRAPPER) if b.file == EXAMPLE.name]
    for piece in pieces:
        assert piece.strip("\n") in example, piece
    shown = {node.name for node in definitions("\n".join(pieces))}
    assert shown == {node.name for node in definitions(example)} - {"main"}


def definitions(code):
    kinds = ast.FunctionDef | ast.ClassDef
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, kinds)]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_name_their_language(page):
    for block in read_blocks(page):
        assert block.language in KNOWN_LANGUAGES, block.text
        if page in RUN and block.language == "console":
            # console is for what a test cannot run: installing, make
            assert re.search(r"pip install|make |git |venv", block.text), block.text


# ------------------------------------------------------------- commands that exist


def commands():
    """Return the options of each command of the app, and of those of its groups."""
    return dict(named_options(typer.main.get_command(app), ()))


def named_options(group, before):
    for name, command in group.commands.items():
        words = (*before, name)
        options = {
            option
            for parameter in command.params
            if parameter.param_type_name == "option"
            for option in parameter.opts
        }
        yield " ".join(words), options | {"--help", "-h"}
        if hasattr(command, "commands"):
            yield from named_options(command, words)


def circus_lines(page):
    """Return the words after ``circus`` of each line of a page that calls it."""
    for block in read_blocks(page):
        for line in block.text.splitlines():
            line = line.split(" #")[0].split("   ")[0].strip().removeprefix("$ ")
            call = re.match(r"(?:(?:mpiexec|srun)\b.*? )?circus (.+)", line)
            if call and not call[1].startswith("/"):
                yield call[1].split()


def test_commands_are_found_on_the_pages():
    assert ["rec.dat", "-c", "2"] in list(circus_lines(README))
    assert ["demo", "--quick"] in list(circus_lines(DOCS / "tutorials/first-sort.md"))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_shown_exist(page):
    known = commands()
    for words in circus_lines(page):
        named = (" ".join(words[:n]) for n in (2, 1))
        name = next((name for name in named if name in known), "sort")
        options = {word.partition("=")[0] for word in words if word.startswith("-")}
        options -= {word for word in options if re.match(r"-\d|--version", word)}
        assert options <= known[name], f"circus {' '.join(words)}"


def test_every_command_is_in_the_readme_and_the_reference():
    reference = (DOCS / "reference" / "cli.md").read_text("utf-8")
    text = README.read_text("utf-8")
    for name, options in commands().items():
        assert f"`circus {name.split()[0]}`" in text
        assert f"## circus {name}" in reference
        for option in options - {"--help", "-h"}:
            assert f"`{option}`" in reference, f"circus {name} {option}"


def test_make_targets_exist():
    targets = re.findall(r"^(\w+):", (CHECKOUT / "Makefile").read_text("utf-8"), re.M)
    shown = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|\$ )make (\w+)", page.read_text("utf-8"))
    }
    assert {"demo", "test"} <= shown <= set(targets)


# ------------------------------------------------------------ links and names exist


def without_code(page):
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text("utf-8")))


def anchors(page):
    """Return the anchors of the headings of a page, as GitHub makes them."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    for heading in re.findall(r"^#+ +(.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        yield plain.strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        if anchor:
            assert anchor in anchors(path), link


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_named_exist(page):
    folders = (
        "circus_io|sorting|stim|circus_live|circus_cli|examples|benchmarks|tests|docs"
    )
    named = re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text("utf-8"))
    for name in named:
        assert (CHECKOUT / name).exists(), name


def test_every_page_is_in_the_index():
    index = DOCS / "index.md"
    links = re.findall(r"\]\(([^)#\s]+)\)", index.read_text("utf-8"))
    linked = {(DOCS / link).resolve() for link in links}
    assert set(DOCS.rglob("*.md")) - {index} <= linked


# ------------------------------------------------------------------ facts are facts


def table_rows(page, heading):
    """Return the cells of the rows of the first table after a heading."""
    text = f"\n{page.read_text('utf-8')}".partition(f"\n{heading}\n")[2]
    assert text, f"{page.name} has no {heading}"
    rows = []
    for line in text.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("| ").split(" | ")])
        elif rows:
            break
    return rows[2:]


def test_the_architecture_lists_the_modules():
    page = DOCS / "explanation" / "architecture.md"
    for package, heading in (
        ("circus_io", "## circus_io: recordings"),
        ("sorting", "## sorting: steps over kernels"),
        ("circus_live", "## circus_live: streams"),
        ("stim", "## stim: devices that drive electrodes"),
        ("circus_cli", "## circus_cli: commands"),
    ):
        cells = [row[0] for row in table_rows(page, heading)]
        listed = {name for cell in cells for name in re.findall(r"`([\w/*]+)`", cell)}
        folder = CHECKOUT / package
        there = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
        there |= {f"{path.parent.name}/*" for path in folder.glob("*/__init__.py")}
        assert listed == there, package


def test_the_constants_of_the_algorithm_are_those_of_the_code():
    rows = table_rows(DOCS / "explanation" / "sorting.md", "## Numbers in the code")
    assert len(rows) > 10
    for _, value, name in rows:
        module, _, constant = name.strip("`").rpartition(".")
        actual = getattr(importlib.import_module(module), constant)
        assert ast.literal_eval(value.strip("`")) == actual, name


def test_the_file_formats_are_those_of_the_registry():
    page = DOCS / "reference" / "file-formats.md"
    rows = {row[0].strip("`"): row for row in table_rows(page, "# File formats")}
    built_in = [
        info
        for info in list_formats()
        if info.class_path.startswith("circus_") and info.extra != "neo"
    ]
    assert set(rows) == {info.name for info in built_in}
    for info in built_in:
        _, suffixes, required, optional, streams, writing = rows[info.name]
        assert re.findall(r"\.\w+", suffixes) == list(info.extensions)
        assert set(re.findall(r"`(\w+)`", required)) == set(info.required_fields)
        assert set(re.findall(r"`(\w+)`", optional)) == set(info.default_values)
        assert set(re.findall(r"`([\w-]+)`", streams)) == set(info.stream_modes)
        assert ("yes" in writing) == info.is_writable
        assert ("ranks" in writing) == info.parallel_write


def test_the_formats_of_neo_are_those_of_the_catalogue():
    rows = {
        row[0].strip("`"): row for row in table_rows(NEO, "# Formats that neo reads")
    }
    assert set(rows) == set(CATALOGUE)
    infos = {info.name: info for info in list_formats()}
    for name, (_, suffixes, reader, writer) in rows.items():
        row = CATALOGUE[name]
        assert re.findall(r"\.[\w.]+", suffixes) == list(row.suffixes)
        assert ("folder" in suffixes) == row.is_folder
        assert reader == row.reader
        assert ("not verified here" in writer) == (not row.verified)
        assert infos[name].verified == row.verified


def test_the_parameters_of_neo_are_those_of_the_formats():
    rows = table_rows(NEO, "## Parameters")
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    declared = {name for row in CATALOGUE.values() for name in row.extra_fields or ()}
    assert listed - {"data"} == declared | set(NeoFile._default_values) - {"reader"}


def test_the_faults_are_those_of_the_server():
    rows = table_rows(MEAME_SERVER, "## Faults")
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert listed == [field.name for field in fields(Faults)]


def test_the_functions_of_the_dsp_are_those_of_the_code():
    rows = table_rows(MEAME, "## The stimulator")
    assert {row[1].strip("`"): int(row[0]) for row in rows} == {
        function.name: int(function) for function in DspFunction
    }


def test_the_rows_of_batches_are_those_of_the_code():
    rows = table_rows(SAMPLING_FILES, "### Rows of batches")
    kinds = {"i": "int64", "u": "uint", "S": "text", "f": "float64, k"}
    for (field, kind, _), name in zip(rows, batch_dtype(2).names, strict=True):
        assert field == f"`{name}`"
        assert kind.startswith(kinds[batch_dtype(2)[name].base.kind])


def test_the_designs_are_those_of_the_code():
    rows = table_rows(SAMPLING, "## Designs")
    assert [row[0].strip("`") for row in rows] == list(DESIGNS)
    for kind, _, own in rows:
        design = DESIGNS[kind.strip("`")]
        own = set(re.findall(r"`(\w+)`", own)) - {"sine"}
        common = set(DESIGNS["sine"].__mro__[1].parameters())
        expected = set(design.parameters()) - common
        assert own == (set() if kind == "`sawtooth`" else expected), kind


def test_the_labels_of_channels_are_those_of_the_code():
    labels = get_channel_map("shodan")
    shown = {
        10 * column + int(row): int(channel)
        for row, *channels in table_rows(MEAME, "### Labels")
        for column, channel in enumerate(channels, 1)
        if channel != "·"
    }
    assert len(shown) == 60
    assert shown == {label: labels.index_of(label) for label in shown}


def test_the_targets_are_those_of_the_table():
    page = DOCS / "how-to" / "convert-a-recording.md"
    rows = {row[0].strip("`"): row for row in table_rows(page, "## Convert it")}
    assert set(rows) == set(TARGETS)
    for name, (_, suffixes, _, _, ranks) in rows.items():
        module, _, class_name = TARGETS[name].partition(":")
        target = getattr(importlib.import_module(module), class_name)
        assert set(re.findall(r"\.\w+", suffixes)) == set(target.extension)
        assert (ranks == "yes") == target.parallel_write


@pytest.mark.parametrize("path", DECISIONS, ids=page_id)
def test_decisions_have_one_form(path):
    text = path.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Status",
        "Context",
        "Decision",
        "Consequences",
    ]
    number = path.name[:4]
    assert text.startswith(f"# {int(number)}. ")
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_gaps():
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 9
