"""The one place the version is written; packaging reads it without importing knnc."""

__version__ = "0.1.0.dev0"
