"""Serves the dashboard on a listening socket that `milestones dashboard` opened: `python serve.py FILE_DESCRIPTOR`.

`streamlit run` opens its own socket, on which each file after a connection's first waits 40 ms for an acknowledgement.
"""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import streamlit as st
import uvicorn


def main(listener: socket.socket) -> None:
    """Serve until a signal."""
    app = st.App(Path(__file__).with_name("app.py"))
    # Uvicorn repeats the signal that stopped it; both end the process in the usual way, also in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    config = uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
