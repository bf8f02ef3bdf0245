"""One file format per module; see `circus_io.registry` for how to add one."""
