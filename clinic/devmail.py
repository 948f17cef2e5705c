"""The demo's letter box: an SMTP server on the loopback address that writes each letter to a file and sends nothing on.

Started by ``clinic/management/commands/dev.py``, never in production. A file is named for the moment the letter came
and the people it is for, so that the newest is the last in the folder.
"""

import argparse
import asyncio
import re
import signal
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


class Folder:
    """What aiosmtpd asks about each letter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Return SMTP's answer once the letter lies in the folder, whole: nobody ever reads half of one."""
        self.count += 1
        came = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        readers = re.sub(r"[^A-Za-z0-9@._+-]", "_", "+".join(envelope.rcpt_tos))[:80]
        draft = self.folder / f".{came}-{self.count:04d}.new"
        content = envelope.original_content or b""
        draft.write_bytes(content)
        draft.rename(self.folder / f"{came}-{self.count:04d}-{readers}.eml")
        return "250 OK"


async def serve(listener: socket.socket, folder: Path) -> None:
    """Take letters until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    handler = Folder(folder)
    server = await loop.create_server(lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True), sock=listener)
    await done.wait()
    server.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m clinic.devmail", description="Writes each letter to a file.")
    parser.add_argument("--folder", type=Path, required=True)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="a listening socket that the starting process opened")
    where.add_argument("--port", type=int)
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if chosen.fd is None:
        listener = socket.create_server(("127.0.0.1", chosen.port))
    else:
        listener = socket.socket(fileno=chosen.fd)
    asyncio.run(serve(listener, chosen.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
