"""What a user asks of ``circus sort``, checked before any work starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """A recording to sort, and how.

    Attributes
    ----------
    path : Path
        The recording, or its parameter file.
    parameter_file : Path, optional
        The ``.params`` file beside the recording by default.
    overrides : tuple of str
        ``section.key=value``; they come before what the parameter file says.
    output_dir : Path, optional
        Where results go.
    method : str, optional
        A comma list of steps; all by default.
    seed : int, optional
    debug, quiet : bool
        Show tracebacks; show errors only.
    summary : bool
        Print what was found; not on ranks that another process of circus started, whose
        output reaches the terminal out of order.
    """

    path: Path
    parameter_file: Path | None = None
    overrides: tuple[str, ...] = ()
    output_dir: Path | None = None
    method: str | None = None
    seed: int | None = None
    debug: bool = False
    quiet: bool = False
    summary: bool = True

    def arguments(self, n_ranks: int) -> list[str]:
        """Return the command line that asks for the same on `n_ranks` ranks."""
        options = {
            "--params": self.parameter_file,
            "--output-dir": self.output_dir,
            "--method": self.method,
            "--seed": self.seed,
            "--cpu": n_ranks,
        }
        given = [
            f"{name}={value}" for name, value in options.items() if value is not None
        ]
        sets = [f"--set={override}" for override in self.overrides]
        flags = [
            f for f, on in (("--debug", self.debug), ("--quiet", self.quiet)) if on
        ]
        flags.append("--no-summary")
        return ["sort", *given, *sets, *flags, "--", str(self.path)]
