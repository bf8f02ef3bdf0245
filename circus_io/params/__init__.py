"""A ``.params`` file, or values given by name, → typed, immutable `Parameters`.

A parameter file is read and never written to. All its problems come at once, in one
`circus_io.errors.ParameterError`, each with section, key, line and what is allowed.
"""

from circus_io.params.help import explain, reference_markdown, template_text
from circus_io.params.notices import Notice, group_notices
from circus_io.params.parameters import Parameters, to_samples
from circus_io.params.reading import (
    TO_FILL_IN,
    build_params,
    read_params,
)

__all__ = [
    "TO_FILL_IN",
    "Notice",
    "Parameters",
    "build_params",
    "explain",
    "group_notices",
    "read_params",
    "reference_markdown",
    "template_text",
    "to_samples",
]
