"""The service's secret: made once, kept private, and nothing opens with another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.secrets import FILE, SecretKeyError, Vault, open_vault

ROOT = Path(__file__).parents[2]
URL = "rtsp://user:pa$$wörd@10.0.0.5/stream"


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    vault = Vault("x" * 32)
    sealed = vault.seal(URL)
    assert sealed.isascii()
    assert "user" not in sealed
    assert vault.seal(URL) != sealed
    assert vault.open(sealed) == URL
    assert "x" * 8 not in repr(vault)


def test_another_secret_opens_nothing_and_says_what_to_do() -> None:
    sealed = Vault("x" * 32).seal(URL)
    with pytest.raises(SecretKeyError, match=r"secret\.key.*GLEANER_SECRET_KEY") as caught:
        Vault("y" * 32).open(sealed)
    assert caught.value.__cause__ is None
    assert "pa$$" not in str(caught.value)
    with pytest.raises(SecretKeyError):
        Vault("x" * 32).open(sealed[:-4] + "AAAA")
    with pytest.raises(SecretKeyError):
        Vault("x" * 32).open("nothing sealed")


def test_derived_keys_are_the_same_each_time_and_differ_by_purpose_and_secret() -> None:
    vault = Vault("x" * 32)
    assert vault.derive("media-server") == Vault("x" * 32).derive("media-server")
    assert len({vault.derive("media-server"), vault.derive("push:1"), Vault("y" * 32).derive("push:1")}) == 3
    assert len(vault.derive("push:1")) == 43


def test_the_variable_wins_over_the_file(tmp_path: Path) -> None:
    sealed = open_vault(SecretStr("z" * 32), tmp_path).seal(URL)
    assert list(tmp_path.iterdir()) == []
    assert Vault("z" * 32).open(sealed) == URL
    with pytest.raises(SecretKeyError, match="5 characters and needs 32"):
        open_vault(SecretStr("short"), tmp_path)


def test_the_file_is_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    sealed = open_vault(None, folder).seal(URL)
    assert [path.name for path in folder.iterdir()] == [FILE]
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert open_vault(None, folder).open(sealed) == URL


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from pipeline.secrets import open_vault; sys.stdin.readline(); "
    code += "print(open_vault(None, Path(sys.argv[1])).derive('same'))"
    command = [sys.executable, "-c", code, str(tmp_path / "data")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    racers = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(6)]  # type: ignore[call-overload]
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    answers = {racer.communicate(timeout=30)[0] for racer in racers}
    assert len(answers) == 1
    assert len(answers.pop().strip()) == 43
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE]


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40])
def test_a_file_that_holds_no_key_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(SecretKeyError, match="is no key"):
        open_vault(None, tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_file_others_can_read_is_refused(tmp_path: Path) -> None:
    open_vault(None, tmp_path)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(SecretKeyError, match="chmod 600"):
        open_vault(None, tmp_path)


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SecretKeyError, match="GLEANER_SECRET_KEY") as caught:
        open_vault(None, tmp_path / "file")
    assert str(tmp_path) not in str(caught.value)
