"""Files on disk: which may be attached, and what they really contain. Bytes are read once and identified by hash.

Whoever may write in a folder may swap a file for a link at any moment. So a file is opened from its folder downwards
without following any link, and everything after that is asked of what was opened.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from rutter_ap_tools.errors import BadInput, OperatorError
from rutter_ap_tools.text import clean

BYTES_MAX = 20 * 1024 * 1024
# The first bytes that identify a file type (from the specifications of the formats).
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"PK\x03\x04", "application/zip"),
)
# The file types that may be attached, by file extension.
_ENDINGS = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".csv": "text/plain",
    ".txt": "text/plain",
}
_HANDLE = re.compile(r"upload_[0-9a-f]{32}")
# Without O_NONBLOCK a named pipe would be waited for. Windows has none of these, nor ways to open below a folder.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_OPENS_BELOW = os.open in os.supports_dir_fd


@dataclass(frozen=True, slots=True)
class Document:
    """A file that may be attached: its bytes, its name, and the SHA-256 of its content."""

    path: Path
    name: str
    content: bytes
    sha256: str


class Documents:
    """The folders that files may be attached from."""

    def __init__(self, folders: tuple[Path, ...], uploads: Path) -> None:
        self._folders = tuple(folder.resolve() for folder in folders)
        self._uploads = uploads.resolve()

    def read(self, path: str) -> Document:
        """Reads a file inside one of the folders; links are resolved first, so that they cannot lead outside.

        Raises `BadInput` for a path outside them, or a file that is missing, not a regular file, too large, or not of
        the type its name says; `OperatorError` when no folder is allowed at all.
        """
        if not self._folders:
            raise OperatorError(
                "no folder is allowed for attachments",
                code="files.none_allowed",
                next_step="Ask the operator of this server to list folders in RUTTER_AP_FILES.",
            )
        resolved = self._resolve(path)
        return _document(resolved, _opened_in(self._folders, resolved))

    def read_again(self, path: str) -> Document:
        """Reads a file again after it was judged, from its folder still; the caller compares its hash."""
        resolved = Path(path)
        return _document(resolved, _opened_in((*self._folders, self._uploads), resolved))

    def uploaded(self, handle: str) -> Document:
        """The file a person uploaded under that handle. Raises `BadInput` for an unknown handle."""
        if _HANDLE.fullmatch(handle):
            found = sorted((self._uploads / handle).glob("*")) if (self._uploads / handle).is_dir() else []
            document = _document(found[0], _opened_in((self._uploads,), found[0])) if len(found) == 1 else None
            if document is not None and handle == _handle_of(document):
                return document
        raise BadInput(
            "`upload` is not the handle of an uploaded file",
            code="files.no_such_upload",
            next_step="Ask the person to run `rutter-ap upload FILE` and give you the handle it prints.",
        )

    def put_in(self, path: Path) -> str:
        """Stores a copy of a person's file and returns its handle. The handle is derived from the content."""
        resolved = path.resolve()
        try:
            document = _document(resolved, os.open(resolved, _READ))
        except OSError:
            raise _unreadable() from None
        handle = _handle_of(document)
        folder = self._uploads / handle
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            partial = folder.with_suffix(f".{os.getpid()}.partial")
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(document.content)
            # Renamed into place once complete: a crash before this line leaves no partial file under the handle.
            partial.rename(folder / document.name.replace("/", "_"))
        return handle

    def _resolve(self, path: str) -> Path:
        outside = BadInput(
            "`path` is not a file in a folder allowed for attachments",
            code="files.outside",
            next_step="Ask the person to move the file to an allowed folder, or to run `rutter-ap upload FILE`.",
        )
        if not path or "\x00" in path:
            raise outside
        given = Path(path)
        candidates = [given] if given.is_absolute() else [folder / given for folder in self._folders]
        for candidate in candidates:
            try:
                resolved = candidate.resolve(strict=True)
            except (OSError, RuntimeError, ValueError):
                continue
            if any(resolved.is_relative_to(folder) for folder in self._folders):
                return resolved
        # The same error for "missing" and "outside": an assistant must not learn which files exist elsewhere.
        raise outside


def _opened_in(folders: tuple[Path, ...], path: Path) -> int:
    """A descriptor of the file, which lies in one of the folders; no part of the way below that folder is a link."""
    for folder in folders:
        below = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
        if below and ".." not in below:
            try:
                return _opened_below(folder, below) if _OPENS_BELOW else _opened_in_place(path)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise _unreadable() from None
    raise BadInput("the file is no longer in an allowed folder", code="files.outside")


def _opened_below(folder: Path, below: tuple[str, ...]) -> int:
    here = os.open(folder, _ENTER)
    try:
        for name in below[:-1]:
            there = os.open(name, _ENTER, dir_fd=here)
            os.close(here)
            here = there
        return os.open(below[-1], _READ, dir_fd=here)
    finally:
        os.close(here)


def _opened_in_place(path: Path) -> int:
    """Where nothing can be opened below a folder: what was opened must be what the path names without any link."""
    descriptor = os.open(path, _READ)
    if path.resolve(strict=True) == path and os.path.samestat(os.fstat(descriptor), path.lstat()):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.ELOOP, "a link")


def _handle_of(document: Document) -> str:
    return f"upload_{document.sha256[:32]}"


def _unreadable() -> BadInput:
    return BadInput("`path` cannot be read by this server", code="files.unreadable")


def _document(path: Path, descriptor: int) -> Document:
    """The file behind the descriptor, which is closed."""
    content = _content(descriptor)
    check_kind(path.name, content)
    return Document(path, clean(path.name, 200), content, hashlib.sha256(content).hexdigest())


def check_kind(name: str, content: bytes) -> None:
    """Raises `BadInput` unless the content matches the file extension."""
    ending = Path(name).suffix.lower()
    if ending not in _ENDINGS:
        raise BadInput("the file must be a PDF, PNG, JPEG, CSV or text file", code="files.kind")
    if content_type_of(content) != _ENDINGS[ending]:
        raise BadInput(
            f"the file's content does not match its name: it is not a {ending[1:].upper()} file", code="files.kind"
        )


def content_type_of(content: bytes) -> str:
    """A file's type by its content, because its name and sender may claim anything."""
    for magic, content_type in _MAGIC:
        if content.startswith(magic):
            return content_type
    return "text/plain" if content and _is_text(content) else "application/octet-stream"


def _is_text(content: bytes) -> bool:
    try:
        return "\x00" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _content(descriptor: int) -> bytes:
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise BadInput("`path` is not a regular file", code="files.kind")
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError:
        raise _unreadable() from None
    if not content:
        raise BadInput("the file is empty", code="files.empty")
    if len(content) > BYTES_MAX:
        raise BadInput(f"the file is larger than {BYTES_MAX // 1024 // 1024} MB", code="files.too_large")
    return content
