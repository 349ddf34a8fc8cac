"""Data-source health monitoring: the library behind the Dagster deployment, the API and `busta`.

Everything here runs without Dagster; only `definitions.py` and the top-level folders
`assets/` and `sensors/` import it. Start reading at `app/monitoring.py`, which builds one `Monitoring`
out of a configuration file for every surface.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
