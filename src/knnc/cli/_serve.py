"""``knnc serve``: a page in the browser to draw on, drop scans on and look around in."""

from __future__ import annotations

from typing import Annotated

import typer

from knnc.cli._console import messages
from knnc.cli._options import (
    DATASETS,
    DataHome,
    Recipe,
    check_name,
    check_recipe,
    completer,
    number,
    option,
)


def serve(
    train: Annotated[
        str,
        option(
            f"What to learn from: {', '.join(DATASETS)}, or a folder with four IDX files.",
            metavar="DATASET",
            autocompletion=completer(DATASETS),
        ),
    ] = "digits",
    recipe: Recipe = "plain",
    host: Annotated[str, option("The address to listen at.", metavar="HOST")] = "127.0.0.1",
    port: Annotated[
        int, number("The port; 0 takes any free port.", least=0, most=65535, metavar="PORT")
    ] = 8000,
    allow_remote: Annotated[
        bool, option("Let other machines connect, with the token in the address.", "--allow-remote")
    ] = False,
    open_browser: Annotated[bool, option("Open the page in a browser.", "--open")] = False,
    data_home: DataHome = None,
) -> None:
    """Serve a page to draw on, drop scans on and explore a data set.

    Ctrl-C stops it.
    """
    from knnc.web import _serve

    check_name(train, hint="--train")
    check_recipe(recipe)
    try:
        with messages():
            _serve.serve(
                train=train,
                recipe=recipe,
                host=host,
                port=port,
                allow_remote=allow_remote,
                open_browser=open_browser,
                data_home=data_home,
            )
    except ValueError as error:
        if not str(error).startswith("--host"):
            raise
        raise typer.BadParameter(str(error), param_hint="--host") from error
