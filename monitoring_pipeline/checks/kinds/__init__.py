"""One check kind per file, found by folder scan; each class is its own YAML spec.

A client library that is not a base dependency is imported inside `probe` and its absence raises
`MissingExtra`.
"""
