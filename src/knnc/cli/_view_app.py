"""``knnc view``: the commands and their options; ``_view`` does the work."""

from typing import Annotated

import typer

from knnc.cli._options import DataHome, Dataset, Limit, Out, Recipe

view = typer.Typer(
    help="Pictures of a data set, of what is read, and of the neighbours behind it.",
    no_args_is_help=True,
)


@view.command()
def sprite(
    dataset: Dataset,
    rows: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows of images for each class.")
    ] = 3,
    columns: Annotated[int, typer.Option(metavar="N", min=1, help="Images in a row.")] = 30,
    out: Out = None,
    data_home: DataHome = None,
) -> None:
    """The training images on one sheet, three rows a class."""
    from knnc.cli._view import show_sprite

    show_sprite(dataset, rows=rows, columns=columns, out=out, data_home=data_home)


@view.command()
def read(
    dataset: Dataset,
    images: Annotated[int, typer.Option(metavar="N", min=1, help="How many images.")] = 48,
    recipe: Recipe = "plain",
    out: Out = None,
    data_home: DataHome = None,
) -> None:
    """The first test images, each with what is read."""
    from knnc.cli._view import show_read

    show_read(dataset, images=images, recipe=recipe, out=out, data_home=data_home)


@view.command()
def misread(
    dataset: Dataset,
    images: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many misread images at most.")
    ] = 10,
    neighbors: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many neighbours beside each.")
    ] = 5,
    recipe: Recipe = "plain",
    limit: Limit = None,
    out: Out = None,
    data_home: DataHome = None,
) -> None:
    """Misread test images, with their nearest neighbours and the distances."""
    from knnc.cli._view import show_misread

    show_misread(
        dataset,
        images=images,
        neighbors=neighbors,
        recipe=recipe,
        limit=limit,
        out=out,
        data_home=data_home,
    )


@view.command()
def confusion(
    dataset: Dataset,
    recipe: Recipe = "plain",
    limit: Limit = None,
    out: Out = None,
    data_home: DataHome = None,
) -> None:
    """Which classes are taken for which."""
    from knnc.cli._view import show_confusion

    show_confusion(dataset, recipe=recipe, limit=limit, out=out, data_home=data_home)


@view.command()
def curve(
    dataset: Dataset,
    max_k: Annotated[int, typer.Option(metavar="K", min=2, help="The largest k to try.")] = 25,
    cv: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, help="Folds.", show_default="leave-one-out"),
    ] = None,
    train: Annotated[
        int | None,
        typer.Option(metavar="N", min=2, help="Only N training images.", show_default="all"),
    ] = None,
    out: Out = None,
    data_home: DataHome = None,
) -> None:
    """How well each number of neighbours reads the training images."""
    from knnc.cli._view import show_curve

    show_curve(dataset, max_k=max_k, cv=cv, n_train=train, out=out, data_home=data_home)


@view.command()
def embedding(
    dataset: Dataset,
    sample: Annotated[
        int,
        typer.Option(metavar="N", min=2, help="How many training images, drawn at random."),
    ] = 3000,
    iterations: Annotated[
        int, typer.Option(metavar="N", min=250, help="Steps of the layout.")
    ] = 750,
    perplexity: Annotated[
        float, typer.Option(metavar="P", min=1, help="About how many neighbours count.")
    ] = 30.0,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Compare what this recipe makes of the images.",
            show_default="the pixels",
        ),
    ] = None,
    gif: Annotated[
        bool, typer.Option("--gif", help="Also an animated GIF of it forming, beside the picture.")
    ] = False,
    out: Out = None,
    data_home: DataHome = None,
) -> None:
    """The training images in the plane, neighbours beside neighbours (t-SNE)."""
    from knnc.cli._view import show_embedding

    show_embedding(
        dataset,
        sample=sample,
        iterations=iterations,
        perplexity=perplexity,
        recipe=recipe,
        gif=gif,
        out=out,
        data_home=data_home,
    )


@view.command()
def pixels(dataset: Dataset, out: Out = None, data_home: DataHome = None) -> None:
    """How well a single pixel tells each pair of classes apart."""
    from knnc.cli._view import show_pixels

    show_pixels(dataset, out=out, data_home=data_home)


@view.command()
def disputed(
    dataset: Dataset,
    images: Annotated[int, typer.Option(metavar="N", min=1, help="How many images at most.")] = 10,
    neighbors: Annotated[
        int, typer.Option("--n-neighbors", "-k", metavar="K", min=1, help="How many neighbours.")
    ] = 5,
    out: Out = None,
    data_home: DataHome = None,
) -> None:
    """Training images whose label their neighbours dispute, the most doubtful first."""
    from knnc.cli._view import show_disputed

    show_disputed(dataset, images=images, neighbors=neighbors, out=out, data_home=data_home)


@view.command()
def duplicates(
    dataset: Dataset,
    radius: Annotated[
        float, typer.Option(metavar="R", min=0, help="The largest distance of a pair.")
    ] = 0.0,
    pairs: Annotated[int, typer.Option(metavar="N", min=1, help="How many pairs at most.")] = 16,
    out: Out = None,
    data_home: DataHome = None,
) -> None:
    """Pairs of training images that are the same, or nearly so."""
    from knnc.cli._view import show_duplicates

    show_duplicates(dataset, radius=radius, pairs=pairs, out=out, data_home=data_home)
