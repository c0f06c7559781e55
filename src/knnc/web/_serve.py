"""The server as a program: its address, its token, its end."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import sys
import webbrowser
from pathlib import Path
from typing import Any

from knnc._extras import require

__all__ = ["config_of", "serve"]

# Connections at once; each more is told to come again.
_MOST_CONNECTIONS = 512


def serve(
    *,
    train: str,
    recipe: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    allow_remote: bool = False,
    open_browser: bool = False,
    data_home: Path | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Raises
    ------
    ValueError
        If others than this machine could connect, and `allow_remote` does not say so.
    OSError
        If the address cannot be had.
    ImportError
        If FastAPI or uvicorn are not installed.
    """
    for module in ("fastapi", "uvicorn"):
        require(module, by="knnc serve", install="knnc[web]")
    for module in ("PIL.Image", "skimage.measure"):
        called = {"PIL": "Pillow", "skimage": "scikit-image"}
        require(module, by="knnc serve", install="knnc[web]", others=called)
    is_local = _is_local(host)
    if not is_local and not allow_remote:
        raise ValueError(
            f"--host {host} lets other machines connect. Add --allow-remote if that is what you "
            "want: whoever has the address that is printed then can use the page"
        )
    # Bound here, so that the address that is printed is one that answers.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        token = None if is_local else secrets.token_urlsafe(24)
        address = _address(host, listening.getsockname()[1], token)
        _say(host, address, is_local)
        if open_browser:
            webbrowser.open(address)
        _run(listening, train, recipe, data_home, _names(host), token)


def _run(
    listening: socket.socket,
    train: str,
    recipe: str,
    data_home: Path | None,
    names: set[str],
    token: str | None,
) -> None:
    import uvicorn

    from knnc.web._app import make_app
    from knnc.web._guard import Guard

    app = make_app(train, recipe, data_home)
    guard = Guard(app, names, any_address=token is not None, token=token)
    uvicorn.Server(config_of(guard)).run(sockets=[listening])


def config_of(app: Any, **options: Any) -> Any:
    """How uvicorn serves an application here."""
    import uvicorn

    from knnc.web._timed import TimedProtocol

    given: dict[str, Any] = {
        "http": TimedProtocol,
        "ws": "none",
        "log_level": "warning",
        "access_log": False,
        "limit_concurrency": _MOST_CONNECTIONS,
        "timeout_keep_alive": 30,
        "timeout_graceful_shutdown": 2,
        "server_header": False,
        "proxy_headers": False,
    }
    return uvicorn.Config(app, **(given | options))


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names(host: str) -> set[str]:
    names = {host.lower(), "localhost", "127.0.0.1", "::1"}
    return names if _is_local(host) else names | {socket.gethostname().lower()}


def _address(host: str, port: int, token: str | None) -> str:
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def _say(host: str, address: str, is_local: bool) -> None:
    print(f"knnc: the page is at {address} (Ctrl-C stops it)", file=sys.stderr)
    if not is_local:
        print(
            f"knnc: it is open to every machine that reaches {host}, over plain HTTP. Whoever has "
            "this address can draw, upload pages to be read, and see the training images.",
            file=sys.stderr,
        )
