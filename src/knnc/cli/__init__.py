"""The command line: ``knnc demo``, ``knnc evaluate``, ``knnc compare``, ``knnc view``,
``knnc read``, ``knnc serve``, ``knnc groundtruth``, ``knnc info``.

``_app`` is the program and decides what an error prints and returns. Each command has a module of
its own. They share ``_options`` (options, and how their values are read), ``_console`` (streams,
progress, data sets) and ``_examples``. A command imports heavy modules when it runs, so that
``knnc --help`` loads no estimator. typer and rich come with the extra ``cli``. Without them
:func:`main` says so in a sentence; only ``knnc info`` and ``knnc --version`` work.
"""

from __future__ import annotations

import sys

from knnc.cli._streams import OutputError, ReaderGone, guarded_streams

__all__ = ["main"]


def main() -> int:
    """Run the program with the arguments in ``sys.argv`` and return its exit code.

    Returns
    -------
    code : int
        0 for success, 1 for a failure that a message on standard error explains, 2 for a wrong
        usage, 3 if ``knnc read`` found nothing to read, 130 after Ctrl-C.
    """
    with guarded_streams():
        try:
            code = _code_of_run()
            sys.stdout.flush()
        except OutputError as error:
            print(f"knnc: error: {error.strerror}: {error.filename}", file=sys.stderr)
            return 1
        except ReaderGone:
            return 1
        return code


def _code_of_run() -> int:
    try:
        return _run()
    except KeyboardInterrupt:
        print("knnc: interrupted", file=sys.stderr)
        return 130
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)


def _run() -> int:
    """Run the program, and return its exit code or raise SystemExit with it."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer"):
            raise
        if sys.argv[1:] in (
            ["info"],
            ["--version"],
            ["-V"],
        ):  # these have to work when all else fails
            _print_without_extras(sys.argv[1])
            return 0
        message = (
            f'The command line needs {error.name}, which is not installed: pip install "knnc[cli]"'
        )
        print(f"knnc: {message}", file=sys.stderr)
        return 1
    from knnc.cli._app import app

    app(prog_name="knnc")
    return 0


def _print_without_extras(asked: str) -> None:
    """What ``knnc info`` and ``knnc --version`` say."""
    import knnc

    if asked == "info":
        knnc.show_runtime()
    else:
        print(f"knnc {knnc.__version__}")
