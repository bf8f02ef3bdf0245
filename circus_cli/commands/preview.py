"""``circus RECORDING -p``: a picture of the traces before anything is sorted."""

from __future__ import annotations

from circus_cli.console import show
from circus_cli.job import prepare
from circus_cli.request import Request

__all__ = ["draw_preview"]


def draw_preview(request: Request, second: float) -> int:
    """Draw 1.2 s of raw and filtered traces and say where the picture lies."""
    from circus_cli.preview import write_preview

    job = prepare(request)
    with job.recording as recording:
        path = job.output_dir / f"{job.recording_path.stem}.preview.png"
        write_preview(path, recording, job.probe, job.parameters, second)
    show(f"preview {path}")
    return 0
