"""One kind of channel per file; adding one is adding a file."""
