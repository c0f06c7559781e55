"""Installs the peers into the environment of this interpreter, each by itself.

One that cannot be installed does not stop the others: the reason is kept beside the environment,
and the report lists the peer as absent.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from harness import without_places

PEERS = ("faiss-cpu", "scikit-learn-intelex", "usearch", "hnswlib", "pykdtree")
NOT_INSTALLED = Path(sys.prefix) / "peers-not-installed.json"


def main() -> None:
    reasons: dict[str, str] = {}
    for peer in PEERS:
        sys.stdout.write(f"Installing {peer}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        done = subprocess.run([*command, peer], capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
            reasons[peer] = without_places(errors[-1] if errors else "pip failed").strip()
            sys.stdout.write(f"  {peer} is absent from the benchmark: {reasons[peer]}\n")
    NOT_INSTALLED.write_text(json.dumps(reasons, indent=1))


def why_not_installed() -> dict[str, str]:
    """What ``main`` could not install, with pip's last error."""
    if not NOT_INSTALLED.exists():
        return {}
    reasons: dict[str, str] = json.loads(NOT_INSTALLED.read_text())
    return reasons


if __name__ == "__main__":
    main()
