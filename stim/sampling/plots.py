"""Pictures of a record, on request; matplotlib is imported on use."""

from pathlib import Path
from typing import Any

import numpy as np

from circus_io.atomic import atomic_path
from circus_io.errors import MissingDependencyError
from stim.sampling.store import SampleStore

__all__ = ["check_plots", "draw_batch", "draw_distribution"]

MAX_POINTS = 4000  # of a line: more cannot be told apart
N_BINS = 200


def check_plots() -> None:
    """Raise `MissingDependencyError` without matplotlib, before work starts."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"pictures need matplotlib: {error}; install it with: pip install "
            "'circus-toolkit[plots]'"
        ) from error


def draw_batch(folder: Path, index: int) -> Path:
    """Draw inputs and outputs of a batch, to ``batch_<index>.png`` of its folder."""
    with SampleStore(folder) as store:
        inputs, outputs = store.batch(index)
        rate_hz, units = store.info["design"]["rate_hz"], store.info["units"]
    figure = _new_figure(8, 5)
    panels = figure.subplots(2, 1, sharex=True)
    step = -(-len(inputs) // MAX_POINTS)
    time_s = np.arange(len(inputs))[::step] / rate_hz
    for panel, values, name in (
        (panels[0], inputs, "inputs"),
        (panels[1], outputs, "outputs"),
    ):
        panel.plot(time_s, values[::step], linewidth=0.8)
        panel.set_ylabel(f"{name} ({units[name]})")
    panels[0].set_title(f"batch {index}")
    panels[1].set_xlabel("time (s)")
    path = Path(folder) / f"batch_{index:05d}.png"
    _save(figure, path)
    return path


def draw_distribution(
    path: Path, outputs: np.ndarray, limits: np.ndarray | None
) -> None:
    """Draw a histogram of each output, with the limits at which it is clipped."""
    figure = _new_figure(8, 4)
    panel = figure.subplots()
    for column in range(outputs.shape[1]):
        counts, edges = np.histogram(outputs[:, column], N_BINS)
        panel.stairs(counts, edges, label=f"output {column}")
        for limit in () if limits is None else limits[column]:
            panel.axvline(limit, color="0.5", linewidth=0.8)
    panel.set_xlabel("output")
    panel.set_ylabel("samples")
    panel.legend(frameon=False)
    _save(figure, path)


def _new_figure(width: float, height: float) -> Any:
    check_plots()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
