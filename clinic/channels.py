"""How a letter leaves: by mail, or by text once a provider is set up.

``send`` says what happened in one of four ways, and the difference is what "at most once" stands on: it returns when
the provider took the letter; ``Transient`` when it surely did not and may later; ``Permanent`` when it surely did not
and never will; ``OutcomeUnknown`` when nobody can say. Only ``Transient`` is ever tried again.
"""

import contextlib
import smtplib
from email.utils import formataddr, parseaddr
from typing import Any

import structlog
from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends import smtp
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from urllib3.exceptions import MaxRetryError, NewConnectionError

from clinic.letters import Rendered
from clinic.logs import trail
from clinic.models import Channel, OutboundMessage

log = structlog.get_logger(__name__)

Reason = OutboundMessage.Reason

# Twilio's code for a number that answered STOP.
TWILIO_OPTED_OUT = 21610
# SMTP's answer to DATA: "go on". Nothing else is ever answered with it.
GO_ON = 354


class NotSent(Exception):
    """Why a letter did not, or may not have, left: our code for it, and the provider's own words."""

    def __init__(self, reason: Reason, said: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.said = said


class Transient(NotSent):
    """Surely not sent; another try may succeed."""


class Permanent(NotSent):
    """Surely not sent; another try would end the same way."""


class OutcomeUnknown(NotSent):
    """It may have been sent or not. A person finds out; nothing tries again."""


def send(letter: Rendered) -> str:
    """Send one letter and return the provider's id for it, or "" when it gives none.

    Raises Transient, Permanent or OutcomeUnknown. Takes as long as the provider does (``EMAIL_TIMEOUT`` a step), so
    never to be called inside a transaction.
    """
    return _send_text(letter) if letter.channel == Channel.SMS else _send_mail(letter)


class _Post(smtplib.SMTP):
    """Knows the one stretch in which nobody can say: from the server's "go on" until its verdict has been read."""

    in_doubt = False

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        self.in_doubt = code == GO_ON
        return code, text


class _PostOverTls(smtplib.SMTP_SSL, _Post):
    """The same, on a connection that is encrypted from its first byte."""


class SmtpBackend(smtp.EmailBackend):
    """Django's SMTP backend over a connection that knows when a letter's fate is in doubt."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _PostOverTls if self.use_ssl else _Post

    def close(self) -> None:
        """Say goodbye and let go of the socket, whatever the server says to that."""
        post = self.connection
        try:
            super().close()
        finally:
            if post is not None:
                post.close()

    @property
    def in_doubt(self) -> bool:
        return bool(getattr(self.connection, "in_doubt", False))


def _mail(letter: Rendered, connection: Any) -> EmailMultiAlternatives:
    _name, own_address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    mail = EmailMultiAlternatives(
        subject=letter.subject,
        body=letter.text,
        from_email=formataddr((letter.sender, own_address)),
        to=[letter.address],
        connection=connection,
        headers={
            # The same at every try, so that a reader's mailbox can tell a second copy of one letter.
            "Message-ID": f"<{letter.message_id}@{own_address.rpartition('@')[2] or 'localhost'}>",
            "X-Message-Id": str(letter.message_id),
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    mail.attach_alternative(letter.html, "text/html")
    return mail


def _send_mail(letter: Rendered) -> str:
    connection = get_connection(fail_silently=False)
    try:
        mail = _mail(letter, connection)
        mail.message()
    except ValueError as error:
        raise Permanent(Reason.ADDRESS_MALFORMED, _words(error)) from error
    try:
        # Whatever goes wrong before there is a connection, the letter has not left.
        connection.open()
    except Exception as error:
        with contextlib.suppress(Exception):
            connection.close()
        raise Transient(Reason.POST_UNREACHABLE, _words(error)) from error
    try:
        # Django leaves a letter without a reader out without a word.
        if not connection.send_messages([mail]):
            raise ValueError("Nobody to send it to.")
    except Exception as error:
        in_doubt = getattr(connection, "in_doubt", False)
        raise _verdict(error, in_doubt=in_doubt) from error
    finally:
        # A server that took the letter and then hangs up on "quit" took the letter.
        with contextlib.suppress(Exception):
            connection.close()
    status = getattr(mail, "anymail_status", None)
    return str(getattr(status, "message_id", "") or "")[:120]


def _verdict(error: Exception, *, in_doubt: bool) -> NotSent:
    """Return what an error while sending a mail means for the letter."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()), (0, b""))
        return _by_code(code, _said(code, text), refused=Reason.ADDRESS_REFUSED)
    if isinstance(error, smtplib.SMTPSenderRefused):
        return _by_code(error.smtp_code, _said(error.smtp_code, error.smtp_error), refused=Reason.SENDER_REFUSED)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        # The address needs something this server cannot do, such as letters outside ASCII.
        return Permanent(Reason.ADDRESS_MALFORMED, _words(error))
    if isinstance(error, smtplib.SMTPDataError) and not in_doubt:
        return _by_code(error.smtp_code, _said(error.smtp_code, error.smtp_error), refused=Reason.LETTER_REFUSED)
    if isinstance(error, AnymailError):
        return _by_api(error)
    if in_doubt:
        return OutcomeUnknown(Reason.NO_ANSWER, _words(error))
    if isinstance(error, OSError):  # smtplib's exceptions are OSErrors too
        return Transient(Reason.POST_UNREACHABLE, _words(error))
    if isinstance(error, ValueError):
        # The address or a header cannot be written as mail wants it.
        return Permanent(Reason.ADDRESS_MALFORMED, _words(error))
    # Nobody foresaw this one, so nobody knows how far the letter got.
    log.error("mail_failed_unforeseen", channel="email", reason=trail(error))
    return OutcomeUnknown(Reason.NO_ANSWER, type(error).__name__)


def _by_code(code: int, said: str, *, refused: Reason) -> NotSent:
    if 400 <= code < 500:
        return Transient(Reason.POST_BUSY, said)
    if 500 <= code < 600:
        return Permanent(refused, said)
    return OutcomeUnknown(Reason.NO_ANSWER, said)


def _by_api(error: AnymailError) -> NotSent:
    """Return what the error of a mail provider's HTTP interface means."""
    if isinstance(error, AnymailRecipientsRefused):
        return Permanent(Reason.ADDRESS_REFUSED, _words(error))
    if not isinstance(error, AnymailAPIError):
        # Raised before anything was sent: the letter cannot be written as this provider wants it.
        return Permanent(Reason.LETTER_REFUSED, type(error).__name__)
    return _by_http(getattr(error, "status_code", None), error, refused=Reason.LETTER_REFUSED)


def _by_http(status: int | None, error: BaseException, *, refused: Reason) -> NotSent:
    """Return what an HTTP answer means, or the lack of one.

    A connection that was never made carried nothing. 429 and 503 say "not now"; 401, 403 and 407 are about our key and
    not about the letter. Any other 5xx may come after the letter was taken.
    """
    if status is None:
        never_connected = any(isinstance(cause, ConnectTimeout | NewConnectionError) for cause in _causes(error))
        kind = Transient if never_connected else OutcomeUnknown
        return kind(Reason.POST_UNREACHABLE if never_connected else Reason.NO_ANSWER, _words(error))
    if status in {401, 403, 407, 429, 503}:
        return Transient(Reason.POST_BUSY, f"HTTP {status}")
    if 400 <= status < 500:
        return Permanent(refused, f"HTTP {status}")
    return OutcomeUnknown(Reason.NO_ANSWER, f"HTTP {status}")


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error, what caused it, and what those carry inside: requests wraps urllib3's as an argument."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < 20:
        one = waiting.pop()
        found.append(one)
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None)]
        if isinstance(one, RequestsConnectionError | MaxRetryError):
            inner += list(one.args)
        waiting += [each for each in inner if isinstance(each, BaseException) and each not in found]
    return found


def _send_text(letter: Rendered) -> str:
    if not (settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN and settings.TWILIO_FROM_NUMBER):
        raise Permanent(Reason.CHANNEL_NOT_SET_UP)
    client = Client(
        settings.TWILIO_ACCOUNT_SID,
        settings.TWILIO_AUTH_TOKEN,
        http_client=TwilioHttpClient(timeout=settings.EMAIL_TIMEOUT),
    )
    try:
        text = client.messages.create(to=letter.address, from_=settings.TWILIO_FROM_NUMBER, body=letter.sms)
    except TwilioRestException as error:
        if error.code == TWILIO_OPTED_OUT:
            raise Permanent(Reason.OPTED_OUT, f"Twilio {error.code}") from error
        raise _by_http(error.status, error, refused=Reason.ADDRESS_REFUSED) from error
    except (RequestException, TwilioException) as error:
        raise _by_http(None, error, refused=Reason.ADDRESS_REFUSED) from error
    return str(text.sid or "")


def _said(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return f"{code} {words}"


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
