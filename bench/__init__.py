"""Benchmarks: `python -m bench.NAME [--quick] [--json FILE]`, or `python -m bench` for all of them.

They measure, they do not test; figures come with the machine and the method.
"""
