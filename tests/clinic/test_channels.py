"""What each way of failing means for a letter, against a real SMTP server that fails in that way."""

import uuid

import pytest
import requests
from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused, AnymailSerializationError
from anymail.message import AnymailStatus
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from twilio.base.exceptions import TwilioRestException
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

from clinic import channels
from clinic.channels import OutcomeUnknown, Permanent, Transient
from clinic.letters import Rendered
from clinic.models import Channel
from tests.mailserver import mail_server, nobody_listens, silent_server

ID = uuid.UUID("0193f0f0-0000-7000-8000-000000000001")


def letter(**fields):
    values = {
        "message_id": ID, "channel": Channel.EMAIL, "address": "pat@post.example", "sender": "Juniper Street",
        "subject": "A message from Juniper Street", "text": "Hello,\n", "html": "<p>Hello,</p>", "sms": "",
    }  # fmt: skip
    return Rendered(**{**values, **fields})


def test_a_letter_arrives_as_written(settings):
    settings.DEFAULT_FROM_EMAIL = "Whoever <post@juniper.example>"
    with mail_server(settings) as server:
        assert channels.send(letter()) == ""
    [(to, got)] = server.letters
    assert to == "pat@post.example"
    assert got["Subject"] == "A message from Juniper Street"
    assert got["From"] == "Juniper Street <post@juniper.example>"
    assert (got["Message-ID"], got["X-Message-Id"]) == (f"<{ID}@juniper.example>", str(ID))
    assert got["Auto-Submitted"] == "auto-generated"
    plain, html = got.get_body(("plain",)), got.get_body(("html",))
    assert plain is not None
    assert plain.get_content().strip() == "Hello,"
    assert html is not None
    assert html.get_content().strip() == "<p>Hello,</p>"


@pytest.mark.parametrize(
    ("where", "answer", "kind", "reason"),
    [
        ("at_mail", "451 later", Transient, "post_busy"),
        ("at_mail", "550 not you", Permanent, "sender_refused"),
        ("at_mail", "hang", Transient, "post_unreachable"),
        ("at_mail", "drop", Transient, "post_unreachable"),
        ("at_rcpt", "451 greylisted", Transient, "post_busy"),
        ("at_rcpt", "421 closing", Transient, "post_busy"),
        ("at_rcpt", "550 5.1.1 no such user", Permanent, "address_refused"),
        ("at_rcpt", "hang", Transient, "post_unreachable"),
        ("at_rcpt", "drop", Transient, "post_unreachable"),
        # From here on the server has the letter.
        ("at_data", "451 try again", Transient, "post_busy"),
        ("at_data", "452 full", Transient, "post_busy"),
        ("at_data", "554 not wanted", Permanent, "letter_refused"),
        ("at_data", "hang", OutcomeUnknown, "no_answer"),
        ("at_data", "drop", OutcomeUnknown, "no_answer"),
    ],
)
def test_what_the_server_does_is_what_we_say(settings, where, answer, kind, reason):
    with mail_server(settings, timeout=0.5) as server:
        setattr(server, where, answer)
        with pytest.raises(kind) as trouble:
            channels.send(letter())
    assert trouble.value.reason == reason
    assert server.letters == []
    if answer[0].isdigit():
        assert trouble.value.said == answer


def test_nobody_listens(settings):
    nobody_listens(settings)
    with pytest.raises(Transient) as trouble:
        channels.send(letter())
    assert trouble.value.reason == "post_unreachable"


def test_a_server_that_never_says_hello(settings):
    with silent_server(settings), pytest.raises(Transient) as trouble:
        channels.send(letter())
    assert trouble.value.reason == "post_unreachable"


def test_a_server_that_is_gone_after_taking_the_letter_took_it(settings, monkeypatch):
    """The letter is sent; that "quit" fails afterwards is nothing to the reader."""

    def gone(self):
        raise ConnectionResetError

    with mail_server(settings) as server:
        monkeypatch.setattr(channels._Post, "quit", gone)
        assert channels.send(letter()) == ""
    assert len(server.letters) == 1


def test_a_wrong_password_is_not_the_letters_fault(settings):
    with mail_server(settings):
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "us", "wrong"
        with pytest.raises(Transient) as trouble:
            channels.send(letter())
    assert trouble.value.reason == "post_unreachable"


@pytest.mark.parametrize(
    "address", ["", "nobody", "pat@post.example\nBcc: all@post.example", "a@b@c", "pat@\x00.example"]
)
def test_a_malformed_address_is_refused_before_or_by_the_server(settings, address):
    with mail_server(settings) as server:
        server.at_rcpt = "553 what is that"
        with pytest.raises(Permanent) as trouble:
            channels.send(letter(address=address))
    assert trouble.value.reason in {"address_malformed", "address_refused"}
    assert server.letters == []


def test_a_header_cannot_be_broken_out_of(settings):
    with mail_server(settings) as server, pytest.raises(Permanent):
        channels.send(letter(subject="A message\r\nBcc: all@post.example"))
    assert server.letters == []


class Api(BaseEmailBackend):
    """A mail provider's HTTP interface, as Anymail speaks to one."""

    error = None

    def open(self):
        return True

    def send_messages(self, messages):
        if self.error is not None:
            raise self.error
        for message in messages:
            message.anymail_status = AnymailStatus()
            message.anymail_status.message_id = "msg-17"
        return len(messages)


def api_error(status=None, cause=None):
    error = AnymailAPIError("no")
    error.status_code = status
    error.__cause__ = cause
    return error


NOWHERE = HTTPConnectionPool("provider.example")
NEVER = requests.ConnectionError(
    MaxRetryError(NOWHERE, "/", NewConnectionError(HTTPConnection("provider.example"), "refused"))
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (api_error(429), Transient),
        (api_error(503), Transient),
        (api_error(401), Transient),
        (api_error(400), Permanent),
        (api_error(500), OutcomeUnknown),
        (api_error(cause=requests.ConnectTimeout()), Transient),
        (api_error(cause=NEVER), Transient),
        (api_error(cause=requests.ReadTimeout()), OutcomeUnknown),
        (api_error(cause=requests.ConnectionError("reset by peer")), OutcomeUnknown),
        (AnymailRecipientsRefused("no"), Permanent),
        (AnymailSerializationError("no"), Permanent),
        (ZeroDivisionError(), OutcomeUnknown),
    ],
)
def test_a_providers_http_interface(settings, monkeypatch, error, kind):
    settings.EMAIL_BACKEND = f"{__name__}.Api"
    monkeypatch.setattr(mail, "get_connection", lambda **_: None)
    monkeypatch.setattr(channels, "get_connection", lambda **_: Api())
    monkeypatch.setattr(Api, "error", error)
    with pytest.raises(kind):
        channels.send(letter())
    monkeypatch.setattr(Api, "error", None)
    assert channels.send(letter()) == "msg-17"


def text(**fields):
    return letter(channel=Channel.SMS, address="+13035550123", sms="Juniper Street: hello", **fields)


def test_texts_are_not_set_up(settings):
    settings.TWILIO_ACCOUNT_SID = ""
    with pytest.raises(Permanent) as trouble:
        channels.send(text())
    assert trouble.value.reason == "channel_not_set_up"


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (None, None, ""),
        (TwilioRestException(400, "/", code=21610), Permanent, "opted_out"),
        (TwilioRestException(400, "/", code=21211), Permanent, "address_refused"),
        (TwilioRestException(429, "/", code=20429), Transient, "post_busy"),
        (TwilioRestException(503, "/"), Transient, "post_busy"),
        (TwilioRestException(500, "/"), OutcomeUnknown, "no_answer"),
        (requests.ConnectTimeout(), Transient, "post_unreachable"),
        (requests.ReadTimeout(), OutcomeUnknown, "no_answer"),
    ],
)
def test_texts_by_twilio(settings, monkeypatch, error, kind, reason):
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_FROM_NUMBER = "AC1", "t", "+13035550100"
    asked = []

    class Messages:
        def create(self, **fields):
            asked.append(fields)
            if error is not None:
                raise error
            return type("Text", (), {"sid": "SM9"})()

    monkeypatch.setattr(channels, "Client", lambda *_args, **_kw: type("C", (), {"messages": Messages()})())
    if kind is None:
        assert channels.send(text()) == "SM9"
    else:
        with pytest.raises(kind) as trouble:
            channels.send(text())
        assert trouble.value.reason == reason
    assert asked == [{"to": "+13035550123", "from_": "+13035550100", "body": "Juniper Street: hello"}]
