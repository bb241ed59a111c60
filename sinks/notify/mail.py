"""Mail, by an SMTP server."""

import smtplib
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from domain.channels import Smtp
from domain.instants import SECOND, parse_rfc3339
from sinks.notify.outcome import End, Outcome
from sinks.notify.page import Page, text_of

_DOMAIN = "execmon.invalid"
"""Of our Message-IDs; it is nobody's."""


class MailSender:
    """Sends pages as mails, each over a connection of its own."""

    def __init__(self, channel: Smtp) -> None:
        self._channel = channel

    def send(self, page: Page) -> Outcome:
        """One mail to every recipient; taken by the server for one of them, it is delivered."""
        try:
            server = self._connected()
        except smtplib.SMTPAuthenticationError as error:
            return _answered(error.smtp_code, error.smtp_error, "the password is not taken")
        except smtplib.SMTPNotSupportedError as error:
            return Outcome(End.REFUSED, f"the server does not offer what is set: {error}")
        except smtplib.SMTPResponseException as error:
            return _answered(error.smtp_code, error.smtp_error, "does not let us in")
        except (OSError, smtplib.SMTPException) as error:
            return Outcome(End.LATER, f"cannot be reached: {_words(error)}")
        try:
            return self._handed(server, page)
        finally:
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def close(self) -> None:
        """Nothing is open between two mails."""

    def _connected(self) -> smtplib.SMTP:
        told = self._channel
        if told.security == "tls":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                told.host, told.port, timeout=told.timeout_s, context=context
            )
        else:
            server = smtplib.SMTP(told.host, told.port, timeout=told.timeout_s)
        try:
            if told.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if told.user:
                server.login(told.user, told.password)
            server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server

    def _handed(self, server: smtplib.SMTP, page: Page) -> Outcome:
        try:
            lost = self._announced(server)
        except (OSError, smtplib.SMTPException) as error:
            return Outcome(End.LATER, f"broke off before the mail was sent: {_words(error)}")
        if isinstance(lost, Outcome):
            return lost
        try:
            code, words = server.data(mail_of(page, self._channel).as_bytes())
        except smtplib.SMTPDataError as error:
            return _answered(error.smtp_code, error.smtp_error, "does not take the mail")
        except (OSError, smtplib.SMTPException) as error:
            return Outcome(End.UNCONFIRMED, f"no answer to the mail came: {_words(error)}")
        if code != 250:
            return _answered(code, words, "does not take the mail")
        without = f", but not for {', '.join(lost)}" if lost else ""
        return Outcome(End.DELIVERED, f"the server took it{without}")

    def _announced(self, server: smtplib.SMTP) -> list[str] | Outcome:
        """Recipients that the server does not take, or the end where it takes none."""
        code, words = server.mail(self._channel.sender)
        if code != 250:
            return _answered(code, words, "does not take the sender")
        answers = [(to, *server.rcpt(to)) for to in self._channel.to]
        lost = [one for one in answers if one[1] not in {250, 251}]
        if len(lost) == len(answers):
            _, code, words = lost[0]
            return _answered(code, words, "takes none of the recipients")
        return [to for to, _, _ in lost]


def mail_of(page: Page, channel: Smtp) -> EmailMessage:
    """The mail; its Message-ID is the page's key, so a repeat is known as one."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = " ".join(page.title.split())
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.to)
    mail["Message-ID"] = f"<{page.key}@{_DOMAIN}>"
    mail["Date"] = format_datetime(_date(page.at))
    mail["X-Execmon-Alert"] = page.alert_id
    mail["Auto-Submitted"] = "auto-generated"
    if page.is_repeat:
        mail["X-Execmon-Repeat"] = "true"
    mail.set_content(text_of(page))
    return mail


def _date(at: str) -> datetime:
    return datetime.fromtimestamp(parse_rfc3339(at) // SECOND, UTC)


def _answered(code: int, said: bytes | str, what: str) -> Outcome:
    """An answer of 4xx passes, one of 5xx does not."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    words = f"{what}: {code} {' '.join(text.split())}".rstrip()
    return Outcome(End.LATER if code < 500 else End.REFUSED, words)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
