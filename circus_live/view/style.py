"""How all panels look: dark text on white, lines that do not compete with the data."""

from bokeh.models import Plot

__all__ = ["CELL_STYLES", "HOVER", "INK", "MISSING_FILL", "STRIPES", "TRACE", "plain"]

INK = "#1a1a1a"
GRID = "#d9dde2"
TRACE = "#0b3c6f"
STRIPES = ("#ffffff", "#f3f5f8")
MISSING_FILL = "#f0b46c"
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
# what is said of a channel to who points at it; the panels have these columns
HOVER = f"""<div style="color: {INK}; font: 12px {FONT}">
<b>channel @label</b><br>RMS: @rms_uv{{0.0}} µV<br>peak: @peak_uv{{0.0}} µV<br>
crossings: @rate_hz{{0.0}} / s</div>"""
CELL_STYLES = {"font-family": FONT, "font-size": "13px", "color": INK}


def plain(figure: Plot) -> None:
    """Make axes and titles of a figure readable."""
    figure.toolbar.logo = None
    figure.toolbar.autohide = True
    figure.title.text_color = INK
    figure.title.text_font_size = "13px"
    figure.title.text_font = FONT
    figure.outline_line_color = GRID
    figure.grid.grid_line_color = None
    figure.lod_threshold = None  # a plot that is touched is no worse than others
    for axis in figure.axis:
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "12px"
        axis.minor_tick_line_color = None
        axis.axis_line_color = axis.major_tick_line_color = INK
