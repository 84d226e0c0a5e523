"""`RUTTER_AP_NOTIFY` is read into typed addresses, and a wrong one is named by its position alone."""

from __future__ import annotations

import pytest

from rutter_ap_server.notices.addresses import Apprise, Desktop, Mail, Webhook, read_addresses
from rutter_ap_server.settings import SettingsError, read_settings

HOOK = "https://hooks.chat.example/services/T-SECRET"
MAIL = "smtp://ap%40shop.example:pa%2Fss@mail.example?from=ap@shop.example&to=dana@shop.example,sam@shop.example"


def test_each_kind_is_read() -> None:
    desktop, hook, mail, service = read_addresses(f"desktop {HOOK}\n{MAIL}  apprise+slack://TokenA/TokenB/TokenC")
    assert desktop == Desktop()
    assert isinstance(hook, Webhook)
    assert hook.url.reveal() == HOOK
    assert isinstance(mail, Mail)
    assert (mail.host, mail.port, mail.tls_first, mail.user) == ("mail.example", 587, False, "ap@shop.example")
    assert mail.password.reveal() == "pa/ss"
    assert (mail.sender, mail.recipients) == ("ap@shop.example", ("dana@shop.example", "sam@shop.example"))
    assert isinstance(service, Apprise)
    assert service.url.reveal() == "slack://TokenA/TokenB/TokenC"


def test_smtps_is_tls_from_the_start() -> None:
    (mail,) = read_addresses("smtps://mail.example?from=a@b.example&to=c@d.example")
    assert isinstance(mail, Mail)
    assert (mail.port, mail.tls_first, mail.user) == (465, True, "")


def test_no_address_shows_its_secrets() -> None:
    for one in read_addresses(f"{HOOK} {MAIL} apprise+slack://TokenA/TokenB/TokenC"):
        for shown in (repr(one), one.words, one.id):
            assert not any(secret in shown for secret in ("T-SECRET", "pa/ss", "pa%2Fss", "TokenA"))


def test_the_same_address_twice_is_one() -> None:
    assert len(read_addresses(f"desktop {HOOK} desktop {HOOK}")) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        "http://hooks.chat.example/T-SECRET",
        "ftp://T-SECRET.example/",
        "T-SECRET",
        "https://",
        "https://[T-SECRET/",
        "smtp://mail.example?from=a@b.example",
        "smtp://mail.example?to=a@b.example",
        "smtp://mail.example?from=T-SECRET&to=a@b.example",
        "smtp://mail.example?from=a@b.example&to=a@b.example&bcc=T-SECRET",
        "smtp://mail.example:T-SECRET?from=a@b.example&to=a@b.example",
        "smtp://mail.example?from=a@b.example%0d%0aBcc:x@y.example&to=a@b.example",
        "smtp://mail.example?from=a@b.example&to=" + ",".join(f"a{n}@b.example" for n in range(21)),
    ],
)
def test_a_wrong_address_stops_the_program_and_is_not_repeated(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"RUTTER_AP_NOTIFY: address 2 (is|must|names)") as raised:
        read_settings({"RUTTER_AP_NOTIFY": f"desktop {wrong}"})
    assert "T-SECRET" not in raised.value.message
