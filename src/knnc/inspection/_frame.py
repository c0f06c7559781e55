"""Columns as a pandas frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_frame(columns: Mapping[str, Any]) -> Any:
    """A pandas.DataFrame; an ImportError that says what to do if there is no pandas."""
    try:
        import pandas
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise ImportError(
            "to_frame needs pandas, which is not installed: pip install pandas"
        ) from (error)
    return pandas.DataFrame(dict(columns))
