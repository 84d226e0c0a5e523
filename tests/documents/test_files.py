"""Reading files below a folder: what was opened is what is checked, whoever swaps what for a link meanwhile."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from rutter_ap_server.documents import files
from rutter_ap_server.documents.files import Documents
from rutter_ap_tools.errors import BadInput

SECRET = "what nobody may send"


@pytest.fixture(params=["below", "in place"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that files may be attached from, on a system that opens below folders and on one that does not."""
    monkeypatch.setattr(files, "_OPENS_BELOW", request.param == "below")
    (tmp_path / "files" / "in").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text(SECRET)
    return tmp_path / "files"


def documents(folder: Path) -> Documents:
    return Documents((folder,), folder.parent / "uploads")


def refused(folder: Path, path: Path | str) -> str:
    """The code of the error when it is read again."""
    with pytest.raises(BadInput) as error:
        documents(folder).read_again(str(path))
    return error.value.error_code


def test_a_file_swapped_for_a_link_is_not_read_again(folder: Path) -> None:
    file = folder / "in" / "a.txt"
    file.write_text("an invoice")
    read = documents(folder).read("in/a.txt")
    assert documents(folder).read_again(str(read.path)).sha256 == read.sha256
    for target in (folder.parent / "secret.txt", folder / "in" / "b.txt"):
        (folder / "in" / "b.txt").write_text("another invoice")
        file.unlink()
        file.symlink_to(target)
        assert refused(folder, read.path) == "files.outside"


def test_a_folder_swapped_for_a_link_is_not_entered(folder: Path) -> None:
    (folder / "in" / "a.txt").write_text("an invoice")
    read = documents(folder).read("in/a.txt")
    (folder / "in").rename(folder / "was")
    (folder / "in").symlink_to(folder.parent / "elsewhere")
    assert refused(folder, read.path) == "files.outside"


@pytest.mark.parametrize("path", ["../secret.txt", "in/../../secret.txt", ".", "../files"])
def test_a_file_read_again_must_be_in_its_folder(folder: Path, path: str) -> None:
    assert refused(folder, f"{folder}/{path}") == "files.outside"
    assert refused(folder, folder.parent / "secret.txt") == "files.outside"


def test_a_link_inside_the_folder_is_read_as_its_target(folder: Path) -> None:
    (folder / "in" / "a.txt").write_text("an invoice")
    (folder / "link.txt").symlink_to(folder / "in" / "a.txt")
    assert documents(folder).read("link.txt").path == (folder / "in" / "a.txt").resolve()
    (folder / "out.txt").symlink_to(folder.parent / "secret.txt")
    with pytest.raises(BadInput):
        documents(folder).read("out.txt")


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "a.txt")
    assert refused(folder, folder / "a.txt") == "files.kind"
    with pytest.raises(BadInput):
        documents(folder).read("a.txt")
    with pytest.raises(BadInput):
        documents(folder).put_in(folder / "a.txt")


def test_a_file_swapped_all_the_time_never_shows_another(folder: Path) -> None:
    file, real, link = folder / "in" / "a.txt", folder / "real.txt", folder / "link.txt"
    file.write_text("an invoice")
    ends, swaps = threading.Event(), 0

    def swap() -> None:
        nonlocal swaps
        while not ends.is_set():
            real.write_text("an invoice")
            link.unlink(missing_ok=True)
            link.symlink_to(folder.parent / "secret.txt")
            link.replace(file)
            real.replace(file)
            swaps += 1

    thread = threading.Thread(target=swap)
    thread.start()
    seen, errors = set(), set()
    try:
        while swaps < 3000:
            for read in (documents(folder).read, documents(folder).read_again):
                try:
                    seen.add(read(str(file.absolute())).content)
                except BadInput as error:
                    errors.add(error.error_code)
    finally:
        ends.set()
        thread.join()
    assert seen == {b"an invoice"}
    assert "files.outside" in errors


# Without descriptors of folders (Windows), a folder that is swapped twice within one look cannot be noticed.
@pytest.mark.parametrize("folder", ["below"], indirect=True)
def test_a_folder_swapped_all_the_time_never_shows_another(folder: Path) -> None:
    (folder / "in" / "a.txt").write_text("an invoice")
    (folder / "link").symlink_to(folder.parent / "elsewhere")
    ends, swaps = threading.Event(), 0

    def swap() -> None:
        nonlocal swaps
        while not ends.is_set():
            (folder / "in").rename(folder / "was")
            (folder / "link").rename(folder / "in")
            (folder / "in").rename(folder / "link")
            (folder / "was").rename(folder / "in")
            swaps += 1

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        while swaps < 3000:
            try:
                seen.add(documents(folder).read_again(f"{folder}/in/a.txt").content)
            except BadInput:
                continue
    finally:
        ends.set()
        thread.join()
    assert seen == {b"an invoice"}


def test_a_swap_just_around_the_opening_shows_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "in" / "a.txt").write_text("an invoice")
    opens, opened = os.open, []

    def swapped(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        (folder / "in").rename(folder / "was")
        (folder / "in").symlink_to(folder.parent / "elsewhere")
        try:
            opened.append(path)
            return opens(path, flags, mode, dir_fd=dir_fd)
        finally:
            (folder / "in").unlink()
            (folder / "was").rename(folder / "in")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "open", swapped)
        assert refused(folder, folder / "in" / "a.txt") == "files.outside"
    assert opened
    assert documents(folder).read_again(f"{folder}/in/a.txt").content == b"an invoice"


def test_an_upload_is_what_its_handle_says(folder: Path) -> None:
    (folder / "a.txt").write_text("a receipt")
    kept = documents(folder)
    handle = kept.put_in(folder / "a.txt")
    stored = folder.parent / "uploads" / handle / "a.txt"
    assert kept.uploaded(handle).content == b"a receipt"
    stored.write_text("another receipt")
    with pytest.raises(BadInput) as error:
        kept.uploaded(handle)
    assert error.value.error_code == "files.no_such_upload"
    stored.unlink()
    stored.symlink_to(folder / "a.txt")
    with pytest.raises(BadInput):
        kept.uploaded(handle)
