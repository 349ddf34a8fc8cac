"""One kind of condition per file; adding one is adding a file."""
