"""Whether stored access tokens are sealed under keys that nobody else can read, and open with them."""

from __future__ import annotations

from rutter_ap_server.cli.doctor.check import OTHERS_MAY_READ, Check, Installation, mode_of
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.secrets import SecretBox


async def keys(installation: Installation) -> Check:
    """The keys, and every stored secret tried on them."""
    settings = installation.settings
    mode = mode_of(settings.key_file)
    if mode & OTHERS_MAY_READ:
        # Said before anything opens it, since opening it closes it to others.
        return Check(
            "keys",
            "fail",
            f"{settings.key_file} can be read by others (mode {mode:04o})",
            f"chmod 600 {settings.key_file}; if you share this machine, set RUTTER_AP_SECRET_KEYS to a new key, run "
            "`rutter-ap connections reseal` and remove the file.",
        )
    kept = await installation.read(lambda tx: tx.secrets.names())
    if settings.shared_store and not settings.secret_keys:
        step = "Set RUTTER_AP_SECRET_KEYS to the same keys on every server."
        words = "RUTTER_AP_SECRET_KEYS is not set, and a PostgreSQL store keeps no access token without it"
        return Check("keys", "fail" if kept else "warn", words, step)
    if not kept and not settings.secret_keys and not settings.key_file.exists():
        return Check("keys", "ok", "no access token is stored; a key is made when the first one is")
    closed = await installation.read(lambda tx: _closed(tx, installation.app.secret_box))
    if closed:
        words = f"{closed} of {len(kept)} stored secrets cannot be opened with the keys given"
        step = "Put the key they were sealed under back into RUTTER_AP_SECRET_KEYS, after the newest."
        return Check("keys", "fail", words, step)
    where = f"{settings.key_file}, for its owner alone"
    if settings.secret_keys:
        where = f"{len(settings.secret_keys)} in RUTTER_AP_SECRET_KEYS"
        if settings.key_file.exists() and not settings.shared_store:
            where += "; secret.key in the home opens too"
    return Check("keys", "ok", f"{where}; {len(kept)} stored secrets open")


def _closed(tx: Tx, box: SecretBox) -> int:
    """How many secrets no key opens."""
    closed = 0
    for company_id, name in tx.secrets.names():
        sealed = tx.secrets.get(company_id, name)
        try:
            if sealed is not None:
                box.open(sealed, company_id=company_id, name=name)
        except StoreError:
            closed += 1
    return closed
