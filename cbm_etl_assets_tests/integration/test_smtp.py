"""E-mail through a real SMTP server: delivered, put off, refused, gone."""

from __future__ import annotations

import email
import email.policy
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from pydantic import SecretStr

from cbm_etl_assets.alerting.channels.email import send
from cbm_etl_assets.alerting.http import Fate, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import views
from cbm_etl_assets.sections import SmtpSettings
from cbm_etl_assets_tests.unit.alerting.test_cards import LOOKS, hostile, notice


@dataclass
class Mailbox:
    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)  # verb -> what is said instead of yes
    mails: list[bytes] = field(default_factory=list)
    drops_after_data: bool = False


@contextmanager
def smtp_server() -> Iterator[Mailbox]:
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        GREETING: ClassVar[bytes] = b"220 mx\r\n"

        def handle(self) -> None:
            self.wfile.write(self.GREETING)
            while line := self.rfile.readline():
                verb = line.split()[0].decode().upper() if line.split() else ""
                if verb == "DATA" and "DATA" not in box.answers:
                    self.wfile.write(b"354 go\r\n")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    if box.drops_after_data:
                        return
                    box.mails.append(b"".join(lines))
                    self.wfile.write(b"250 ok\r\n")
                else:
                    self.wfile.write((box.answers.get(verb, "250 ok") + "\r\n").encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with smtp_server() as opened:
        yield opened


def route(port: int, **more: object) -> Route:
    smtp = SmtpSettings.model_validate({"host": "127.0.0.1", "port": port, "security": "none", "sender": "etl@example.fr"} | more)
    return Route("email", "email", to=("a@example.fr", "b@example.fr"), smtp=smtp)


def test_a_mail_arrives_whole(box: Mailbox) -> None:
    seen = views([notice()], LOOKS["fr"])
    assert send(route(box.port), seen, LOOKS["fr"], Http()).fate is Fate.SENT
    mail = email.message_from_bytes(box.mails[0], policy=email.policy.default)
    assert mail["Subject"] == "[cbm-etl PROD] Échec du chargement · client: TransientSourceError: link lost after 30 s"
    assert mail["To"] == "a@example.fr, b@example.fr"
    text = mail.get_content()
    assert "Responsable: ventes@example.fr" in text
    assert "https://etl.example/runs/r-1" in text


def test_hostile_data_adds_no_header(box: Mailbox) -> None:
    assert send(route(box.port), views([hostile()], LOOKS["en"]), LOOKS["en"], Http()).fate is Fate.SENT
    mail = email.message_from_bytes(box.mails[0], policy=email.policy.default)
    assert "Bcc" not in mail


@pytest.mark.parametrize(("answers", "fate"), [
    ({"MAIL": "451 later"}, Fate.LATER), ({"DATA": "452 full"}, Fate.LATER), ({"RCPT": "450 greylisted"}, Fate.LATER),
    ({"MAIL": "550 no"}, Fate.REFUSED), ({"RCPT": "550 unknown"}, Fate.REFUSED), ({"DATA": "554 spam"}, Fate.REFUSED),
    ({"QUIT": "500 what"}, Fate.SENT),
])  # fmt: skip
def test_what_the_server_says_decides(box: Mailbox, answers: dict[str, str], fate: Fate) -> None:
    box.answers = answers
    answer = send(route(box.port), views([notice()], LOOKS["en"]), LOOKS["en"], Http(timeout_seconds=5))
    assert answer.fate is fate, answer


def test_a_server_that_is_gone_or_breaks_off_is_tried_again(box: Mailbox) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert send(route(port), views([notice()], LOOKS["en"]), LOOKS["en"], Http(2)).fate is Fate.LATER
    box.drops_after_data = True
    assert send(route(box.port), views([notice()], LOOKS["en"]), LOOKS["en"], Http(2)).fate is Fate.LATER


def test_no_password_travels_in_clear(box: Mailbox) -> None:
    """The server offers no STARTTLS: the mail is refused before anything is said."""
    secret = route(box.port, security="starttls", user="u", password=SecretStr("hunter2"))
    answer = send(secret, views([notice()], LOOKS["en"]), LOOKS["en"], Http(2))
    assert answer.fate is Fate.REFUSED
    assert "hunter2" not in answer.detail
    assert box.mails == []
