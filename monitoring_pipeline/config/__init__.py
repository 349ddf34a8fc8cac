"""YAML -> a checked configuration, with file:line:column for everything that is wrong.

`load_config` is the front door. Specs of stores, checks and execution belong to the rooms below,
which receive their own spec and never a Config. Reading goes text -> nodes (`reading`), files
(`documents`), templates (`expansion`), models (`validation`), cross-references (`references`).
"""

from monitoring_pipeline.config.config import Config
from monitoring_pipeline.config.dump import dump_config
from monitoring_pipeline.config.fields import ApiSpec
from monitoring_pipeline.config.loading import load_config, load_document
from monitoring_pipeline.config.schema import config_schema
from monitoring_pipeline.config.texts import Texts, keep_texts, kept_texts

__all__ = [
    "ApiSpec",
    "Config",
    "Texts",
    "config_schema",
    "dump_config",
    "keep_texts",
    "kept_texts",
    "load_config",
    "load_document",
]
