"""Settings: the environment is read once, here, into a frozen value; one error names every wrong variable."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from rutter_ap_server.listening import DEFAULT_HOST, DEFAULT_PORT, Listening, read_listening
from rutter_ap_server.notices.addresses import Address, AddressUnreadable, read_addresses
from rutter_ap_server.secret import Secret
from rutter_ap_server.time_zones import TimeZones, ZonesUnreadable, read_time_zones
from rutter_ap_tools.errors import OperatorError
from rutter_ap_tools.tool import TOOLSETS

Environment = Literal["embedded", "sandbox", "production"]
BASE_URLS: dict[str, str] = {
    # Rutter docs: Basics.
    "sandbox": "https://sandbox.rutterapi.com/versioned",
    "production": "https://production.rutterapi.com/versioned",
}
DESK_PORT = 8765
KNOWN = {
    "RUTTER_CLIENT_ID": "your Rutter client id",
    "RUTTER_CLIENT_SECRET": "your Rutter client secret",
    "RUTTER_ACCESS_TOKEN": "access token of one existing connection; add others with `rutter-ap connect`",
    "RUTTER_ENVIRONMENT": "embedded (the default without credentials), sandbox or production",
    "RUTTER_BASE_URL": "a different address of the API, for tests",
    "RUTTER_AP_HOME": "home folder for the store, the policy and the keys; in the user data folder by default",
    "RUTTER_AP_DATABASE_URL": "the store: SQLite in the home folder by default, postgresql://… for several servers",
    "RUTTER_AP_POLICY": "policy file; policy.toml in the home folder by default",
    "RUTTER_AP_FILES": "folders files may be attached from, separated by the system path separator",
    "RUTTER_AP_TOOLSETS": "toolsets to offer, separated by commas; all of them by default",
    "RUTTER_AP_READ_ONLY": "true: offer no tool that writes, and refuse every write",
    "RUTTER_AP_SECRET_KEYS": "keys for stored access tokens, separated by commas: the first encrypts, all decrypt",
    "RUTTER_AP_APPROVALS_URL": "address of an approvals desk that runs elsewhere, shown when a person must release "
    "something; the server then opens none itself",
    "RUTTER_AP_DESK": "the approvals desk that the server opens on this machine once a person is needed: its port "
    f"({DESK_PORT} by default), or off",
    "RUTTER_AP_NOTIFY": "who is told when a person is needed, separated by blanks: desktop, https://… (a webhook that "
    'takes {"text": …}), smtp://USER:PASSWORD@HOST?from=…&to=…, apprise+…',
    "RUTTER_AP_TIME_ZONE": "whose date is today: a zone for all companies, then any of their own by name or id "
    "(America/New_York, Northwind=Europe/Berlin); the machine's own by default",
    "RUTTER_AP_HOST": f"the address on which `rutter-ap serve` listens; {DEFAULT_HOST}, this machine alone, by default",
    "RUTTER_AP_PORT": f"its port; {DEFAULT_PORT} by default",
    "RUTTER_AP_ALLOWED_HOSTS": "the hosts by which requests may reach `rutter-ap serve`, as in their Host header, "
    "separated by commas; needed on any address but this machine's own",
    "RUTTER_AP_ISSUER": "whose access tokens `rutter-ap serve` takes: the address of an OAuth 2.1 or OpenID server; "
    "needed on any address but this machine's own",
    "RUTTER_AP_RESOURCE": "where clients reach `rutter-ap serve`, as tokens name it: https://ap.example.com/mcp",
    "RUTTER_AP_ENV_FILE": "a file of NAME=value lines that sets any of these",
}

# 32 bytes in URL-safe base64.
_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


class SettingsError(OperatorError):
    """The settings cannot be used; the program ends with status 2."""

    code = "settings"
    default_next_step = "Correct the settings named above, then run `rutter-ap doctor`."


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the operator decides, with secrets masked."""

    environment: Environment
    home: Path
    base_url: str
    client_id: str
    client_secret: Secret
    access_token: Secret | None
    database_url: Secret
    policy_file: Path
    policy_named: bool = False
    files: tuple[Path, ...] = ()
    toolsets: frozenset[str] = frozenset()
    read_only: bool = False
    approvals_url: str = ""
    desk_port: int | None = DESK_PORT
    secret_keys: tuple[Secret, ...] = ()
    time_zones: TimeZones = field(default_factory=TimeZones)
    notify: tuple[Address, ...] = ()
    listening: Listening = field(default_factory=Listening)

    @property
    def shared_store(self) -> bool:
        """Whether several servers may use the store. If only this one does, a key in the home folder is enough."""
        return self.database_url.reveal().startswith("postgres")

    @property
    def hosts_desk(self) -> bool:
        """Whether the server opens a desk on this machine: there is none elsewhere, and something to release."""
        return self.desk_port is not None and not self.approvals_url and not self.read_only

    @property
    def key_file(self) -> Path:
        """The key of this machine's own store, used when no keys are set."""
        return self.home / "secret.key"

    @property
    def embedded(self) -> bool:
        """Whether Rutter is played by the sandbox inside this process."""
        return self.environment == "embedded"

    @property
    def sandbox_file(self) -> Path:
        """Where the practice company's books are kept, so that every process sees the same company."""
        return self.home / "sandbox.db"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads `RUTTER_*` and `RUTTER_AP_*`.

    Raises `SettingsError` naming every wrong variable at once; no value is echoed, since any could be a secret.
    """
    given = dict(os.environ if environ is None else environ)
    problems: list[str] = []
    given = _from_file(given, problems) | {k: v for k, v in given.items() if v}
    environment = _environment(given, problems)
    _credentials(given, environment, problems)
    home = _home(given)
    files = _files(given, problems)
    read_only = _flag(given, "RUTTER_AP_READ_ONLY", problems)
    toolsets = _toolsets(given, problems)
    secret_keys = _secret_keys(given, problems)
    time_zones = _time_zones(given, problems)
    notify = _notify(given, problems)
    desk_port = _desk_port(given, problems)
    listening = read_listening(given, problems)
    unknown = [name for name in given if name.startswith("RUTTER_AP_") and name not in KNOWN]
    problems += [f"{name} is not a setting of this program" for name in sorted(unknown)]
    if problems:
        raise SettingsError("; ".join(problems))
    require_own_home(home)
    return Settings(
        environment=environment,
        home=home,
        base_url=given.get("RUTTER_BASE_URL") or BASE_URLS.get(environment, "http://embedded.invalid/versioned"),
        client_id=given.get("RUTTER_CLIENT_ID", ""),
        client_secret=Secret(given.get("RUTTER_CLIENT_SECRET", "")),
        access_token=Secret(given["RUTTER_ACCESS_TOKEN"]) if given.get("RUTTER_ACCESS_TOKEN") else None,
        # The address of a PostgreSQL store holds its password.
        database_url=Secret(given.get("RUTTER_AP_DATABASE_URL") or f"sqlite:///{home / 'rutter-ap.db'}"),
        policy_file=Path(given.get("RUTTER_AP_POLICY") or home / "policy.toml").expanduser(),
        policy_named=bool(given.get("RUTTER_AP_POLICY")),
        files=files,
        toolsets=toolsets,
        read_only=read_only,
        approvals_url=given.get("RUTTER_AP_APPROVALS_URL", ""),
        desk_port=desk_port,
        secret_keys=secret_keys,
        time_zones=time_zones,
        notify=notify,
        listening=listening,
    )


def _from_file(given: dict[str, str], problems: list[str]) -> dict[str, str]:
    name = given.get("RUTTER_AP_ENV_FILE")
    if not name:
        return {}
    try:
        lines = Path(name).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        problems.append("RUTTER_AP_ENV_FILE names a file that cannot be read")
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals or not key.strip().isidentifier():
            problems.append(f"line {number} of the file in RUTTER_AP_ENV_FILE is not NAME=value")
            continue
        found[key.strip()] = value.strip().strip("'\"")
    return found


def _environment(given: Mapping[str, str], problems: list[str]) -> Environment:
    has_credentials = any(given.get(f"RUTTER_{name}") for name in ("CLIENT_ID", "CLIENT_SECRET", "ACCESS_TOKEN"))
    value = given.get("RUTTER_ENVIRONMENT")
    if value is None:
        if has_credentials and "RUTTER_BASE_URL" not in given:
            # Between practice books and real ones nothing must be guessed.
            problems.append("RUTTER_ENVIRONMENT must be sandbox or production when credentials are set")
        return "sandbox" if has_credentials else "embedded"
    if value not in ("embedded", "sandbox", "production"):
        problems.append("RUTTER_ENVIRONMENT must be embedded, sandbox or production")
        return "embedded"
    if value == "embedded" and has_credentials:
        problems.append(
            "RUTTER_ENVIRONMENT=embedded takes no RUTTER_CLIENT_ID, RUTTER_CLIENT_SECRET or RUTTER_ACCESS_TOKEN"
        )
    return cast("Environment", value)


def _credentials(given: Mapping[str, str], environment: Environment, problems: list[str]) -> None:
    if environment == "embedded":
        if given.get("RUTTER_BASE_URL"):
            problems.append("RUTTER_BASE_URL needs RUTTER_ENVIRONMENT=sandbox or production, and credentials")
        return
    for name in ("RUTTER_CLIENT_ID", "RUTTER_CLIENT_SECRET"):
        if not given.get(name):
            problems.append(f"{name} is missing ({KNOWN[name]})")
    base = given.get("RUTTER_BASE_URL", "")
    local = base.startswith(("http://127.0.0.1:", "http://localhost:", "http://[::1]:"))
    if base and not base.startswith("https://") and not local:
        problems.append("RUTTER_BASE_URL must be https:// (http:// only for an address on this machine)")
    # The client checks it again, to the last character; here it is named beside all else that is wrong.
    if base and (not base.rstrip("/").endswith("/versioned") or base.split() != [base]):
        problems.append("RUTTER_BASE_URL must end with /versioned, and have no blanks")


def _home(given: Mapping[str, str]) -> Path:
    if given.get("RUTTER_AP_HOME"):
        return Path(given["RUTTER_AP_HOME"]).expanduser().absolute()
    import platformdirs  # noqa: PLC0415 - needed only where no home is set, and every start would pay for it

    return Path(platformdirs.user_data_dir("rutter-ap", appauthor=False))


def _files(given: Mapping[str, str], problems: list[str]) -> tuple[Path, ...]:
    folders = []
    for part in given.get("RUTTER_AP_FILES", "").split(os.pathsep):
        if not part.strip():
            continue
        folder = Path(part.strip()).expanduser()
        if not folder.is_dir():
            problems.append("RUTTER_AP_FILES names a folder that does not exist")
            continue
        folders.append(folder.resolve())
    return tuple(dict.fromkeys(folders))


def _flag(given: Mapping[str, str], name: str, problems: list[str]) -> bool:
    value = given.get(name, "false").lower()
    if value not in ("true", "false", "1", "0", "yes", "no"):
        # To take an unreadable read-only switch for "off" would fail open.
        problems.append(f"{name} must be true or false")
    return value in ("true", "1", "yes")


def _toolsets(given: Mapping[str, str], problems: list[str]) -> frozenset[str]:
    wanted = frozenset(part.strip() for part in given.get("RUTTER_AP_TOOLSETS", "").split(",") if part.strip())
    if wanted - set(TOOLSETS):
        problems.append(f"RUTTER_AP_TOOLSETS takes {', '.join(TOOLSETS)}")
    return wanted


def _secret_keys(given: Mapping[str, str], problems: list[str]) -> tuple[Secret, ...]:
    value = given.get("RUTTER_AP_SECRET_KEYS", "")
    keys = [part.strip() for part in value.split(",")] if value.strip() else []
    wrong = [str(number) for number, key in enumerate(keys, start=1) if not _KEY.fullmatch(key)]
    if wrong:
        # Only its position is named: half a key is still half a secret.
        which = f"key {wrong[0]}" if len(wrong) == 1 else f"keys {', '.join(wrong)}"
        problems.append(f"RUTTER_AP_SECRET_KEYS: {which} of {len(keys)} must be 32 random bytes in URL-safe base64")
    return tuple(Secret(key) for key in keys)


def _time_zones(given: Mapping[str, str], problems: list[str]) -> TimeZones:
    value = given.get("RUTTER_AP_TIME_ZONE", "")
    try:
        return read_time_zones(value) if value.strip() else TimeZones()
    except ZonesUnreadable as error:
        problems.append(f"RUTTER_AP_TIME_ZONE: {error}")
        return TimeZones()


def _notify(given: Mapping[str, str], problems: list[str]) -> tuple[Address, ...]:
    try:
        return read_addresses(given.get("RUTTER_AP_NOTIFY", ""))
    except AddressUnreadable as error:
        problems.append(f"RUTTER_AP_NOTIFY: {error}")
        return ()


def _desk_port(given: Mapping[str, str], problems: list[str]) -> int | None:
    value = given.get("RUTTER_AP_DESK", "").strip().lower()
    if value in ("", "on", "off"):
        return None if value == "off" else DESK_PORT
    if re.fullmatch(r"[0-9]{4,5}", value) and 1024 <= int(value) <= 65535:
        return int(value)
    problems.append("RUTTER_AP_DESK must be off, or a port from 1024 to 65535")
    return DESK_PORT


def make_home(home: Path) -> None:
    """Creates the home folder, accessible only to its owner.

    Raises `SettingsError` when it cannot be created, or is not this user's alone.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_own_home(home)
        home.chmod(0o700)
    except OSError:
        raise SettingsError("RUTTER_AP_HOME cannot be created or is not writable") from None


def require_own_home(home: Path) -> None:
    """Raises `SettingsError` for a home that others could have prepared: its policy and its keys would be theirs.

    A folder that the user's own group may write is taken for the user's, as many systems create folders so.
    """
    if sys.platform == "win32":
        return
    try:
        status, link = home.stat(), home.lstat()
    except OSError:
        # There is none yet; whether it can be made shows when it is.
        return
    if status.st_uid != os.geteuid() or link.st_uid not in (os.geteuid(), 0):
        raise SettingsError(
            "RUTTER_AP_HOME belongs to another user",
            next_step="Run this program as that user, or set RUTTER_AP_HOME to a folder of your own.",
        )
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid != os.getegid()
    if by_group or status.st_mode & stat.S_IWOTH:
        raise SettingsError(
            "other users may write to RUTTER_AP_HOME",
            next_step="If you trust what is in it, run `chmod 700` on it; otherwise use another folder.",
        )
