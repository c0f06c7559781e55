"""Where a picture goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from knnc.cli._console import stdout

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

__all__ = ["picture_path", "save_picture", "say_where"]

_KINDS = (".png", ".pdf", ".svg")
_DPI = 150


def picture_path(out: Path | None, what: str, *datasets: str) -> Path:
    """The file asked for, or one named after what is in it; refused if it cannot be written."""
    if out is None:
        names = [Path(dataset).name or "data" for dataset in datasets]
        out = Path("-".join(["knnc", what, *names]) + ".png")
    if out.suffix.lower() not in _KINDS:
        raise typer.BadParameter(
            f"a picture is one of {', '.join(_KINDS)}; {out.name} ends otherwise",
            param_hint="--out",
        )
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.parent}", param_hint="--out")
    return out


def save_picture(figure: Figure | SubFigure, out: Path, *, quiet: bool = False) -> None:
    """Write the picture, and say where it is unless another program reads what is said."""
    figure.savefig(out, dpi=_DPI)  # type: ignore[union-attr]
    if not quiet:
        say_where("Picture", out)


def say_where(what: str, out: Path) -> None:
    """One line of the result: what is where."""
    stdout().print(Text.assemble((f"{what:<9}", "bold"), str(out.absolute())), soft_wrap=True)
