"""One command per file. Modules here import click and light rooms only; the rest inside functions."""
