"""Steps: where settings, recordings and ranks meet kernels, one file each."""
