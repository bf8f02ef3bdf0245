"""Goes through damaged files, those of the corpus first."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.damage import damage
from tests.fuzz.seeds import FORMATS, Seed
from tests.fuzz.trial import Outcome, go_through, try_file

__all__ = ["CORPUS", "DAMAGED", "Trial", "run"]

CORPUS = Path(__file__).parent / "corpus"
DAMAGED = ".damaged"  # suffix of what is kept there


@dataclass(frozen=True)
class Trial:
    """A damaged file and how it ended.

    Attributes
    ----------
    name : str
        Of the seed, and of the case.
    file : str
        Which file of the recording was damaged.
    content : bytes
        What it was then.
    outcome : Outcome
    is_new : bool
        It is not from the corpus.
    """

    name: str
    file: str
    content: bytes
    outcome: Outcome
    is_new: bool = True


def run(name: str, count: int, seed: int, folder: Path) -> Iterator[Trial]:
    """Try the corpus of a format, then as many damaged files.

    Parameters
    ----------
    name : str
        Of the format, one of `FORMATS`.
    count : int
    seed : int
        The same one damages the same places.
    folder : path
        An empty one, for the files.

    Raises
    ------
    CircusError
        A seed is not sound.
    """
    written = folder / "seeds"
    written.mkdir()
    seeds = FORMATS[name].write(written)
    for sound in seeds:  # here, so that children have nothing left to import
        go_through(name, sound.path, sound.params)
    yield from _corpus(name, seeds, folder)
    for case in range(count):
        # the text is hashed the same way everywhere, whatever the cases before
        rng = random.Random(f"{name} {seed} {case}")
        sound = rng.choice(seeds)
        files = _files(sound)
        file = rng.choice(files)
        whole = (sound.path.parent / file).read_bytes()
        content = damage(whole, rng, sound.n_header_bytes)
        yield _trial(
            name, sound, f"{sound.path.stem}-{seed}-{case}", file, content, folder
        )


def _corpus(name: str, seeds: list[Seed], folder: Path) -> Iterator[Trial]:
    """Try what was found before; names say which seed it was, and which file of it."""
    by_stem = {sound.path.stem: sound for sound in seeds}
    for path in sorted((CORPUS / name).glob(f"*{DAMAGED}")):
        case, _, file = path.name.removesuffix(DAMAGED).partition("@")
        sound = by_stem[case.partition("-")[0]]
        file = file.replace("+", "/")
        yield _trial(name, sound, case, file, path.read_bytes(), folder, is_new=False)


def _files(sound: Seed) -> list[str]:
    """Return the files of a recording, relative to its folder."""
    folder = sound.path.parent
    inside = [path for path in sound.path.rglob("*") if path.is_file()]
    files = [path.relative_to(folder).as_posix() for path in inside or [sound.path]]
    return sorted([*files, *sound.beside])


def _trial(
    name: str,
    sound: Seed,
    case: str,
    file: str,
    content: bytes,
    folder: Path,
    is_new: bool = True,
) -> Trial:
    """Put a damaged file in the place of the sound one, and try the recording."""
    place = folder / "damaged"
    shutil.rmtree(place, ignore_errors=True)
    for other in _files(sound):
        target = place / other
        target.parent.mkdir(parents=True, exist_ok=True)
        if other == file:
            target.write_bytes(content)
        else:
            shutil.copyfile(sound.path.parent / other, target)
    path = place / sound.path.name
    outcome = try_file(name, path, sound.params, FORMATS[name].library)
    return Trial(case, file, content, outcome, is_new)
