"""The channels: each delivers one short text, and says in our own words why it could not."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from importlib import import_module

import aiosmtplib
import anyio
import anyio.to_thread
import httpx

from rutter_ap_server.notices.addresses import Address, Apprise, Desktop, Mail, Webhook

# The whole of a delivery, however slowly the other side answers.
SECONDS_MAX = 15
# They log addresses, which hold tokens: those of apprise even as errors.
_SAYS_NOTHING = logging.CRITICAL + 1
_TALKATIVE = {"apprise": _SAYS_NOTHING, "urllib3": _SAYS_NOTHING, "httpx": logging.WARNING, "httpcore": logging.WARNING}
_POWERSHELL = (
    "Add-Type -AssemblyName System.Windows.Forms; $n = New-Object System.Windows.Forms.NotifyIcon; "
    "$n.Icon = [System.Drawing.SystemIcons]::Information; $n.Visible = $true; "
    "$n.ShowBalloonTip(10000, $env:RUTTER_AP_TITLE, $env:RUTTER_AP_TEXT, 'Info'); Start-Sleep 10; $n.Dispose()"
)


class NotDelivered(Exception):
    """A notice did not get through. Its text is ours: nothing that the other side said."""


async def deliver(address: Address, title: str, text: str) -> None:
    """Delivers a notice. Raises `NotDelivered`; it may have been delivered all the same if an answer was lost."""
    for name, level in _TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    try:
        with anyio.fail_after(SECONDS_MAX):
            await _by(address, title, text)
    except NotDelivered:
        raise
    except TimeoutError:
        raise NotDelivered("it took too long") from None
    except Exception as error:  # noqa: BLE001 - whatever a channel raises, its text may hold a token
        raise NotDelivered(f"it failed ({type(error).__name__})") from None


async def _by(address: Address, title: str, text: str) -> None:
    match address:
        case Webhook():
            await _post(address, f"{title}\n{text}")
        case Mail():
            await _mail(address, title, text)
        case Desktop():
            await anyio.to_thread.run_sync(partial(_notify, title, text), abandon_on_cancel=True)
        case Apprise():
            await anyio.to_thread.run_sync(partial(_apprise, address, title, text), abandon_on_cancel=True)


async def _post(address: Webhook, text: str) -> None:
    body = {"text": text}
    try:
        async with (
            httpx.AsyncClient(timeout=SECONDS_MAX, follow_redirects=False) as client,
            client.stream("POST", address.url.reveal(), json=body) as answer,
        ):
            # Nothing of the answer is read but its status.
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL):
        raise NotDelivered("no connection") from None
    if not httpx.codes.is_success(status):
        raise NotDelivered(f"refused with status {status}")


async def _mail(address: Mail, title: str, text: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = address.sender, ", ".join(address.recipients), title
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="rutter-ap.invalid")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is answered to it.
    message.set_content(text)
    try:
        # Whoever is not refused has it now: a refusal of some is no reason to send it to the others again.
        await aiosmtplib.send(
            message,
            hostname=address.host,
            port=address.port,
            use_tls=address.tls_first,
            start_tls=not address.tls_first and not address.is_local,
            username=address.user or None,
            password=address.password.reveal() if address.user else None,
            timeout=SECONDS_MAX,
        )
    except aiosmtplib.SMTPAuthenticationError:
        raise NotDelivered("the mail server refused the user or password") from None
    except aiosmtplib.SMTPNotSupported:
        raise NotDelivered("the mail server offers no TLS, or no way to sign in") from None
    except aiosmtplib.SMTPRecipientsRefused:
        raise NotDelivered("the mail server refused every recipient") from None
    except aiosmtplib.SMTPResponseException as error:
        raise NotDelivered(f"the mail server refused it with code {error.code}") from None
    except (OSError, aiosmtplib.SMTPException):
        raise NotDelivered("no connection to the mail server") from None


def _notify(title: str, text: str) -> None:
    # The words are arguments or variables, never part of a script.
    words = {"RUTTER_AP_TITLE": title, "RUTTER_AP_TEXT": text}
    if sys.platform == "darwin":
        script = "display notification (item 2 of argv) with title (item 1 of argv)"
        command = ["osascript", "-e", "on run argv", "-e", script, "-e", "end run", title, text]
    elif sys.platform == "win32":
        command = ["powershell", "-NoProfile", "-NonInteractive", "-WindowStyle", "Hidden", "-Command", _POWERSHELL]
    else:
        command = ["notify-send", "--app-name=rutter-ap", "--", title, text]
    program = shutil.which(command[0])
    if program is None:
        raise NotDelivered(f"there is no {command[0]} on this machine")
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, and no shell
            [program, *command[1:]],
            env=os.environ | words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise NotDelivered(f"{command[0]} does not answer") from None
    if done.returncode:
        raise NotDelivered(f"{command[0]} ended with status {done.returncode}")


def _apprise(address: Apprise, title: str, text: str) -> None:
    try:
        library = import_module("apprise")
    except ImportError:
        raise NotDelivered("apprise is not installed: install rutter-ap[apprise]") from None
    service = library.Apprise()
    if not service.add(address.url.reveal()):
        raise NotDelivered("apprise does not know this address")
    if not service.notify(body=text, title=title):
        raise NotDelivered("apprise could not deliver it")
