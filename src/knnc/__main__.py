"""``python -m knnc``: the same program as ``knnc``, or a script with scikit-learn patched."""

import os
import runpy
import sys


def _run_script() -> int:
    """Run ``script.py arguments...`` as Python does, after :func:`knnc.patch_sklearn`."""
    script = sys.argv[1]
    if not os.path.isfile(script):
        from knnc.cli._streams import guarded_streams

        with guarded_streams():
            print(f"knnc: there is no script {script!r}.", file=sys.stderr)
        return 2
    from knnc.patching import patch_sklearn

    patch_sklearn()
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].endswith(".py"):
        sys.exit(_run_script())
    from knnc.cli import main

    sys.exit(main())
