"""E-mail over SMTP: plain text only, so that no client has HTML of ours to run. TLS unless the settings say otherwise."""

from __future__ import annotations

import datetime as dt
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from cbm_etl_assets.alerting.http import Answer, Fate, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import Look, View, group_title, worst_first
from cbm_etl_assets.sections import SmtpSettings

GROUPS = True
MAX_ROWS = 300
_BUSY = range(400, 500)  # "try again later" in SMTP, where HTTP says so with 5xx


def send(route: Route, views: Sequence[View], look: Look, http: Http) -> Answer:
    smtp = route.smtp
    try:
        session = _connect(smtp, http.timeout_seconds)
        try:
            if smtp.user:
                session.login(smtp.user, smtp.password.get_secret_value() if smtp.password else "")
            session.send_message(message(route, views, look))
        finally:
            session.close()  # no QUIT: its failure after an accepted mail would send the mail again
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return _failed(any(code in _BUSY for code in codes), f"SMTP {codes[0] if codes else ''}: no recipient accepted", smtp)
    except smtplib.SMTPResponseException as error:
        return _failed(error.smtp_code in _BUSY or error.smtp_code < 0, f"SMTP {error.smtp_code}", smtp)
    except (smtplib.SMTPNotSupportedError, ValueError, UnicodeError) as error:
        return _failed(False, type(error).__name__, smtp)
    except (smtplib.SMTPException, OSError) as error:
        return _failed(True, type(error).__name__, smtp)
    return Answer(Fate.SENT)


def _failed(may_help: bool, what: str, smtp: SmtpSettings) -> Answer:
    return Answer(Fate.LATER if may_help else Fate.REFUSED, f"{what} at {smtp.host}:{smtp.port}")


def _connect(smtp: SmtpSettings, timeout: float) -> smtplib.SMTP:
    if smtp.security == "tls":
        return smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=timeout, context=ssl.create_default_context())
    session = smtplib.SMTP(smtp.host, smtp.port, timeout=timeout)
    try:
        if smtp.security == "starttls":
            session.starttls(context=ssl.create_default_context())
    except BaseException:
        session.close()
        raise
    return session


def message(route: Route, views: Sequence[View], look: Look) -> EmailMessage:
    mail = EmailMessage()
    title = views[0].line if len(views) == 1 else group_title(views, look)
    prefix = f"[cbm-etl {look.environment}] " if look.environment else "[cbm-etl] "
    mail["Subject"] = (prefix + title)[:180]
    mail["From"] = route.smtp.sender or route.smtp.user or "cbm-etl@localhost"
    mail["To"] = ", ".join(route.to)
    mail["Date"] = formatdate(views[0].at.replace(tzinfo=dt.UTC).timestamp())
    mail["Message-ID"] = make_msgid("cbm-etl", domain="localhost")
    mail["Auto-Submitted"] = "auto-generated"  # no out-of-office answer comes back
    blocks = [_block(view, look) for view in worst_first(views)[:MAX_ROWS]]
    if len(views) > MAX_ROWS:
        blocks.append(look.label("more", n=len(views) - MAX_ROWS))
    mail.set_content("\n\n".join(blocks) + "\n")
    return mail


def _block(view: View, look: Look) -> str:
    lines = [view.title, *([view.detail] if view.detail else []), *(f"  {label}: {value}" for label, value in view.facts)]
    lines += [f"  {look.label('downstream')}: {view.downstream}"] if view.downstream else []
    lines += [f"  {look.label('remedy')}: {view.remedy}"] if view.remedy else []
    return "\n".join([*lines, *(f"  {label}: {url}" for label, url in view.links)])
