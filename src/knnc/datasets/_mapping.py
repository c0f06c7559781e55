"""The file that says which characters the labels of an IDX data set are."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_mapping"]


def read_mapping(folder: Path, set_name: str = "") -> dict[int, str]:
    """The characters of the labels, from the folder's mapping file; none without one.

    A line has a label and the code points of its characters. The first of these counts: EMNIST's
    letters have the upper case one first.

    Parameters
    ----------
    folder : Path
        Where a file whose name ends in ``mapping.txt`` may be.
    set_name : str, default=""
        Of several such files the one whose name begins so is meant.

    Returns
    -------
    mapping : dict from int to str

    Raises
    ------
    ValueError
        If there are two files that may be meant, or a line is malformed.
    """
    paths = sorted(path for path in folder.glob("*mapping.txt") if path.is_file())
    if set_name:
        paths = [path for path in paths if path.name.startswith(f"{set_name}-")] or paths
    if not paths:
        return {}
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise ValueError(f"{folder}: one mapping file says what labels mean, not {names}")
    mapping = {}
    lines = paths[0].read_text(encoding="ascii", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            label, code, *_ = map(int, line.split())
            mapping[label] = chr(code)
            if not mapping[label].isprintable():  # half of a pair, or a control character
                raise ValueError
        except (ValueError, OverflowError):
            raise ValueError(
                f"{paths[0]}, line {number}: not a label and the code of a character: {line[:60]!r}"
            ) from None
    return mapping
