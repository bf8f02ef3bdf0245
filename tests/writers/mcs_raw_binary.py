"""Writes exports of MC_DataTool, whose header is text as in published ones."""

__all__ = ["MIXED", "header", "write"]

COLUMNS = "El_47;El_48;El_12;El_13"


def header(streams=COLUMNS, scales="El = 0.1136µV/AD", zero="32768", rate="25000"):
    """Return the text in front of the samples, as real exports have it."""
    lines = (
        "MC_DataTool binary conversion",
        "Version 2.6.15",
        "",
        'MC_REC file = "D:\\slice = 3\\rec;1.mcd"',
        f"Sample rate = {rate}",
        f"ADC zero = {zero}",
        scales,
        f"Streams = {streams}",
        "EOH",
        "",
    )
    return "\r\n".join(lines).encode("windows-1252")


def write(path, raw, **lines):
    path.write_bytes(header(**lines) + raw.tobytes())
    return path


MIXED = {
    "streams": "Di_D1;Fi_47;An_A1;El_47",
    "scales": "Di = 1/AD; Fi = 0.5µV/AD; An = 125µV/AD; El = 0.25µV/AD",
}
