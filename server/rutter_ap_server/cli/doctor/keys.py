"""Whether stored access tokens are encrypted with keys that only this user can read, and can be decrypted."""

from __future__ import annotations

from rutter_ap_server.cli.doctor.check import OTHERS_MAY_READ, Check, Installation, mode_of
from rutter_ap_server.store.engine import Tx
from rutter_ap_server.store.errors import StoreError
from rutter_ap_server.store.secrets import SecretBox


async def keys(installation: Installation) -> Check:
    """Tries the keys on every stored secret."""
    settings = installation.settings
    mode = mode_of(settings.key_file)
    if mode & OTHERS_MAY_READ:
        # Checked before anything opens the file: opening it makes it readable only by its owner.
        return Check(
            "keys",
            "fail",
            f"{settings.key_file} can be read by others (mode {mode:04o})",
            f"chmod 600 {settings.key_file}. If you share this machine, also set RUTTER_AP_SECRET_KEYS to a new key, "
            "run `rutter-ap connections reseal` and delete the file.",
        )
    kept = await installation.read(lambda tx: tx.secrets.names())
    if settings.shared_store and not settings.secret_keys:
        step = "Set RUTTER_AP_SECRET_KEYS to the same keys on every server."
        words = "RUTTER_AP_SECRET_KEYS is not set; without it a PostgreSQL store cannot hold access tokens"
        return Check("keys", "fail" if kept else "warn", words, step)
    if not kept and not settings.secret_keys and not settings.key_file.exists():
        return Check("keys", "ok", "no access token is stored yet; a key is created with the first one")
    closed = await installation.read(lambda tx: _closed(tx, installation.app.secret_keys.box()))
    if closed:
        words = f"{closed} of {len(kept)} stored secrets cannot be decrypted with these keys"
        step = "Add the key they were encrypted with to RUTTER_AP_SECRET_KEYS again, after the newest key."
        return Check("keys", "fail", words, step)
    where = f"{settings.key_file}, readable only by its owner"
    if settings.secret_keys:
        where = f"RUTTER_AP_SECRET_KEYS holds {len(settings.secret_keys)}"
        if settings.key_file.exists() and not settings.shared_store:
            where += "; secret.key in the home folder is used too"
    return Check("keys", "ok", f"{where}; stored secrets that can be decrypted: {len(kept)}")


def _closed(tx: Tx, box: SecretBox) -> int:
    """How many secrets no key decrypts."""
    closed = 0
    for company_id, name in tx.secrets.names():
        sealed = tx.secrets.get(company_id, name)
        try:
            if sealed is not None:
                box.open(sealed, company_id=company_id, name=name)
        except StoreError:
            closed += 1
    return closed
