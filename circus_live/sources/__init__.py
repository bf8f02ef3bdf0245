"""Sources of blocks, one per module; imported on use by `circus_live.opening`."""
