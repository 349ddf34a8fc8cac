"""One question per file; `run.SECTIONS` has their order."""
