"""An evidence file proves by itself who released what, and says so of no file of which a part was changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import anyio
import pytest

from rutter_ap_server.guard.enrolment import Enrolment
from rutter_ap_server.guard.passkeys import fingerprint_of
from rutter_ap_server.guard.reports.evidence import gather_evidence
from rutter_ap_server.guard.reports.proofs import check_evidence, seal
from rutter_ap_server.store.canonical import canonical, digest
from support.authenticator import Authenticator, to_bytes, to_text
from support.desk import HOST, an_empty_desk
from support.serving import PASSCODE, done, held_payment
from support.terminal import Terminal

ORIGIN = f"http://{HOST}"
Evidence = dict[str, Any]


async def _released(home: Path, key: Authenticator) -> list[Evidence]:
    """The evidence of a payment that Dana released with a passkey, and of a line of a run that she released so."""
    async with an_empty_desk(home) as desk, desk.visited() as dana:
        secret = await Enrolment(desk.app.approvals).invite_first()
        await dana.enrols(str(secret), key, "Dana")
        await dana.signs_in_with(key)
        paid = await desk.held()
        bills = [(await desk.bill(number))["id"] for number in ("BH-5520", "NW-2304")]
        run = (await done(desk.client, "propose_payment_run", bill_ids=bills))["proposal_id"]
        for proposal_id in (paid, run):
            await dana.opens(f"/approvals/{proposal_id}")
            await dana.signs("/release", key)
            assert await desk.state(proposal_id) == "posted"
        line = (await desk.app.store.read(lambda tx: tx.proposals.of_run(run)))[0]
        found = [await desk.app.proposal(paid), line]
        return [await gather_evidence(desk.app.store, one, await desk.app.company_of(one)) for one in found]


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authenticator, Evidence, Evidence]:
    """The passkey, the evidence of a payment and of a line of a run."""
    key = Authenticator(ORIGIN)
    one, line = json.loads(json.dumps(anyio.run(_released, tmp_path_factory.mktemp("home"), key)))
    return key, one, line


def test_a_file_is_proved_where_there_is_no_store(
    gathered: tuple[Authenticator, Evidence, Evidence],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, *both = gathered
    elsewhere = Terminal(tmp_path / "nothing here", capsys, monkeypatch)
    for evidence in both:
        file = tmp_path / "evidence.json"
        file.write_text(json.dumps(evidence, indent=2))
        said = elsewhere("evidence", "verify", str(file))
        assert said.status == 0, said.out + said.err
        fingerprint = fingerprint_of(to_text(key.public_key))
        assert "Dana released it" in said.out
        assert fingerprint in said.out
        assert "witnessed by a link opened by this program" in said.out
        assert elsewhere("evidence", "verify", str(file), "--key", fingerprint, "--origin", ORIGIN).status == 0
        assert elsewhere("evidence", "verify", str(file), "--key", "0000-0000").status == 1
        assert elsewhere("evidence", "verify", str(file), "--origin", "http://localhost:1").status == 1
        assert elsewhere("evidence", "verify", str(file), "--json").json["holds"]
    assert not (tmp_path / "nothing here").exists()


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every text and number in a file."""
    if isinstance(value, dict):
        return [leaf for name, one in value.items() for leaf in leaves(one, (*path, name))]
    if isinstance(value, list):
        return [leaf for at, one in enumerate(value) for leaf in leaves(one, (*path, at))]
    return [path]


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return f"{value}x" if isinstance(value, str) else "x"


def test_whatever_is_changed_the_file_does_not_hold(gathered: tuple[Authenticator, Evidence, Evidence]) -> None:
    for evidence in gathered[1:]:
        assert check_evidence(evidence).holds
        found = leaves(evidence)
        assert len(found) > 200
        for path in found:
            forged = deepcopy(evidence)
            within: Any = forged
            for step in path[:-1]:
                within = within[step]
            within[path[-1]] = changed(within[path[-1]])
            assert not check_evidence(forged).holds, path


def rehashed(entry: Evidence) -> None:
    """Makes an entry look right again."""
    rows = [] if entry["rows"] is None else [entry["rows"]]
    names = ("seq", "at", "kind", "actor", "proposal_id")
    entry["hash"] = digest([*(entry[name] for name in names), canonical(entry["body"]), entry["previous"], *rows])


def _release(evidence: Evidence) -> Evidence:
    (entry,) = evidence["releases"]
    assert isinstance(entry, dict)
    return entry


def _signature(evidence: Evidence) -> Evidence:
    found = _release(evidence)["body"]["signature"]
    assert isinstance(found, dict)
    return found


def another_amount(evidence: Evidence) -> None:
    """The statement says another sum, and everything that is only hashed agrees."""
    (shown,) = evidence["shown_to_approvers"]
    shown["sections"] = json.loads(json.dumps(shown["sections"]).replace("684.20", "984.20"))
    evidence["proposal"]["summary"] = evidence["proposal"]["summary"].replace("684.20", "984.20")
    shown["digest"] = digest(shown["sections"])
    evidence["approvals"][0]["statement"] = _release(evidence)["body"]["statement"] = shown["digest"]


def and_the_signed_form_too(evidence: Evidence) -> None:
    another_amount(evidence)
    _signature(evidence)["decision"]["form"]["digest"] = evidence["approvals"][0]["statement"]


def another_person(evidence: Evidence) -> None:
    evidence["approvals"][0]["approver"] = _release(evidence)["actor"] = "Sam"


def and_signed_as_that_person(evidence: Evidence) -> None:
    another_person(evidence)
    _signature(evidence)["decision"]["approver"] = "Sam"


def other_facts(evidence: Evidence) -> None:
    evidence["approvals"][0]["covers"].append("bill.duplicate")


def another_passkey(evidence: Evidence) -> None:
    """Somebody signs the same with a key of their own, which nobody enrolled."""
    signature, mallory = _signature(evidence), Authenticator(ORIGIN)
    challenge = json.loads(to_bytes(signature["client_data"]))["challenge"]
    answer = mallory.signs(challenge)["response"]
    signature["public_key"] = to_text(mallory.public_key)
    signature["client_data"] = answer["clientDataJSON"]
    signature["authenticator_data"], signature["signature"] = answer["authenticatorData"], answer["signature"]


def another_enrolment(evidence: Evidence) -> None:
    """The passkey is said to be somebody else's."""
    (added,) = (one for one in evidence["enrolments"] if one["kind"] == "passkey_added")
    added["body"]["approver_id"] = "somebody-else"


def no_enrolment(evidence: Evidence) -> None:
    evidence["enrolments"] = []


def another_desk(evidence: Evidence) -> None:
    _signature(evidence)["origin"] = "http://localhost:9999"


def another_act(evidence: Evidence) -> None:
    _signature(evidence)["decision"]["act"] = "decline"


def another_proposal(evidence: Evidence) -> None:
    _signature(evidence)["decision"]["about"] = "another"


def no_signature(evidence: Evidence) -> None:
    del _release(evidence)["body"]["signature"]


def nobody(evidence: Evidence) -> None:
    evidence["approvals"] = []


def no_release(evidence: Evidence) -> None:
    evidence["releases"] = []


def a_flag(evidence: Evidence) -> None:
    raw = bytearray(to_bytes(_signature(evidence)["authenticator_data"]))
    raw[32] ^= 4
    _signature(evidence)["authenticator_data"] = to_text(bytes(raw))


@pytest.mark.parametrize(
    "forge",
    [
        another_amount,
        and_the_signed_form_too,
        another_person,
        and_signed_as_that_person,
        other_facts,
        another_passkey,
        another_enrolment,
        no_enrolment,
        another_desk,
        another_act,
        another_proposal,
        no_signature,
        nobody,
        no_release,
        a_flag,
    ],
)
def test_who_makes_everything_else_agree_still_cannot_sign(
    gathered: tuple[Authenticator, Evidence, Evidence], forge: Callable[[Evidence], None]
) -> None:
    forged = deepcopy(gathered[1])
    forge(forged)
    for part in ("releases", "enrolments", "audit"):
        for entry in forged[part]:
            rehashed(entry)
    forged["sha256"] = seal(forged)
    assert not check_evidence(forged).holds


@pytest.mark.parametrize("file", [None, [], {}, {"sha256": "x"}, {"approvals": 1}, "text", 1], ids=str)
def test_what_is_no_evidence_proves_nothing(file: Any) -> None:
    assert not check_evidence(file).holds


def test_openssl_alone_verifies_the_signature(
    gathered: tuple[Authenticator, Evidence, Evidence], tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl on this machine")
    signature = _signature(gathered[1])
    for name in ("public_key", "signature", "authenticator_data", "client_data"):
        (tmp_path / name).write_bytes(to_bytes(signature[name]))
    hashed = subprocess.run(
        [openssl, "dgst", "-sha256", "-binary", "client_data"], cwd=tmp_path, capture_output=True, check=True
    )
    (tmp_path / "signed").write_bytes((tmp_path / "authenticator_data").read_bytes() + hashed.stdout)
    verify = [
        openssl,
        "dgst",
        "-sha256",
        "-keyform",
        "DER",
        "-verify",
        "public_key",
        "-signature",
        "signature",
        "signed",
    ]
    assert "Verified OK" in subprocess.run(verify, cwd=tmp_path, capture_output=True, check=True, text=True).stdout
    challenge = json.loads((tmp_path / "client_data").read_bytes())["challenge"]
    (tmp_path / "decision").write_text(canonical(signature["decision"]))
    hashed = subprocess.run(
        [openssl, "dgst", "-sha256", "-binary", "decision"], cwd=tmp_path, capture_output=True, check=True
    )
    assert to_text(hashed.stdout) == challenge


def test_a_release_by_passcode_is_told_and_not_proved(home: Path, tmp_path: Path, rutter_ap: Terminal) -> None:
    proposal_id = held_payment(home, "NW-2291", "684.20")
    rutter_ap("approvers", "add", "Dana", typed=PASSCODE)
    rutter_ap("proposals", "approve", proposal_id, typed=PASSCODE)
    rutter_ap("evidence", proposal_id, "--out", str(tmp_path))
    said = rutter_ap("evidence", "verify", str(tmp_path / f"evidence-{proposal_id}.json"))
    assert said.status == 1
    assert "Dana released it without a passkey" in said.out
    assert "✕" not in said.out


def test_a_file_that_is_not_there_is_said(rutter_ap: Terminal, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff")
    for arguments in (("verify",), ("verify", str(tmp_path / "no")), ("verify", str(tmp_path / "x")), ("abc", "x")):
        said = rutter_ap("evidence", *arguments)
        assert (said.status, "evidence." in said.err) == (1, True)
