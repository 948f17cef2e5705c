"""A real SMTP server on the loopback address that behaves, or misbehaves, as a test asks."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Handler:
    """Accepts everything until told otherwise. ``at_rcpt`` and ``at_data`` are answers, or "hang", or "drop"."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, EmailMessage]] = []
        self.at_rcpt = self.at_mail = self.at_data = ""
        # The verdict is withheld although the letter was taken.
        self.takes_before_failing = False

    async def _answer(self, how: str, server: SMTP, otherwise: str) -> str:
        if how == "hang":
            await asyncio.sleep(30)
        if how == "drop":
            transport: Any = server.transport
            transport.abort()
            await asyncio.sleep(0)
        return how if how and how not in {"hang", "drop"} else otherwise

    async def handle_MAIL(self, server: SMTP, _s: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        return await self._answer(self.at_mail, server, "250 OK")

    async def handle_RCPT(self, server: SMTP, _s: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        answer = await self._answer(self.at_rcpt, server, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        if not self.at_data or self.takes_before_failing:
            content: Any = envelope.content
            self.letters.append((envelope.rcpt_tos[0], message_from_bytes(content, policy=policy.default)))
        return await self._answer(self.at_data, server, "250 taken")


@contextlib.contextmanager
def mail_server(settings: Any, timeout: float = 1.0) -> Iterator[Handler]:
    """Run a server, point the settings at it, and yield its handler."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    handler = Handler()
    controller = Controller(handler, hostname="127.0.0.1", port=port, ready_timeout=10)
    controller.start()
    point_at(settings, port, timeout)
    try:
        yield handler
    finally:
        controller.stop()


@contextlib.contextmanager
def silent_server(settings: Any, timeout: float = 0.5) -> Iterator[None]:
    """Listen and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        point_at(settings, listener.getsockname()[1], timeout)
        yield


def nobody_listens(settings: Any) -> None:
    """Point the settings at a port where nothing is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    point_at(settings, port, 1.0)


def point_at(settings: Any, port: int, timeout: float) -> None:
    settings.EMAIL_BACKEND = "clinic.channels.SmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, timeout
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
