"""A pack in a zip file: read like a folder, and nothing of it ever leaves the place it is unpacked to."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from guppylm.errors import PackError
from guppylm.packs.check import check_pack
from guppylm.packs.load import load_pack
from tests.packs.packs import GOOD, write_pack


def zipped(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def within(folder: str, files: dict[str, str]) -> dict[str, str | bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def test_a_zip_of_a_folder_is_that_pack(tmp_path):
    files = within("moth", GOOD) | {"__MACOSX/moth/._persona.yaml": b"\0", "moth/.DS_Store": b"\0"}
    pack = load_pack(zipped(tmp_path / "any name.zip", files))
    plain = load_pack(write_pack(tmp_path / "moth", {}))
    assert (pack.name, pack.digest, pack.files) == ("moth", plain.digest, plain.files)


def test_a_zip_of_files_is_called_like_the_zip(tmp_path):
    assert load_pack(zipped(tmp_path / "owl.zip", dict(GOOD))).name == "owl"


def test_what_it_extends_comes_from_the_packs_folder_or_lies_beside_it(tmp_path):
    shared = {"persona.yaml": GOOD["persona.yaml"], "phrases.yaml": "hey: oi\n"}
    own = within("moth", GOOD | {"persona.yaml": GOOD["persona.yaml"] + "extends: _talk\n"})
    own["moth/topics/food.yaml"] = "ask: <hey> you\nreply: what\n"
    write_pack(tmp_path / "packs" / "_talk", shared)
    found = load_pack(zipped(tmp_path / "a.zip", own), personas_dir=tmp_path / "packs")
    assert "_talk/phrases.yaml" in found.files
    beside = within("_talk", shared | {"phrases.yaml": "hey: hello\n"})
    found = load_pack(zipped(tmp_path / "b.zip", own | beside), personas_dir=tmp_path / "packs")
    assert b"hello" in found.files["_talk/phrases.yaml"]


def test_findings_name_the_zip(tmp_path):
    report = check_pack(
        zipped(tmp_path / "m.zip", within("moth", {**GOOD, "topics/food.yaml": "ask: <x>\nreply: a\n"}))
    )
    assert [finding.code for finding in report.findings] == ["E140"]
    assert report.root == tmp_path / "m.zip"


def link() -> dict[str | zipfile.ZipInfo, bytes | str]:
    entry = zipfile.ZipInfo("moth/words.yaml")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return {entry: "/etc/passwd"}


def lying(path: Path) -> None:
    """A bomb that says it is small: the sizes in its directory are not those of what comes out."""
    zipped(path, within("moth", GOOD) | {"moth/words.yaml": b"a" * 50_000_000})
    data = path.read_bytes()
    path.write_bytes(data.replace((50_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"../evil.yaml": "a: b"}, "E113"),
        ({"/etc/evil.yaml": "a: b"}, "E113"),
        ({"moth/../../evil.yaml": "a: b"}, "E113"),
        ({"moth\\..\\evil.yaml": "a: b"}, "E113"),
        ({"c:evil.yaml": "a: b"}, "E113"),
        ({"a/b/c/d/e/f/evil.yaml": "a: b"}, "E113"),
        ({"x" * 400: "a: b"}, "E113"),
        (link(), "E113"),
        ({"moth/words.yaml": b"a" * 50_000_000}, "E112"),
        ({f"moth/topics/t{n}.yaml": "a: b" for n in range(401)}, "E112"),
        ({"other/persona.yaml": "a: b"}, "E121"),
    ],
)
def test_a_hostile_zip_is_refused_and_writes_nothing(tmp_path, more, code):
    (tmp_path / "in").mkdir()
    path = zipped(tmp_path / "in" / "moth.zip", within("moth", GOOD) | more)
    with pytest.raises(PackError) as raised:
        load_pack(path)
    assert [finding.code for finding in raised.value.findings] == [code]
    assert [found.name for found in tmp_path.rglob("*")] == ["in", "moth.zip"]


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path):
    lying(tmp_path / "moth.zip")
    with pytest.raises(PackError):
        load_pack(tmp_path / "moth.zip")


def broken() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("moth/persona.yaml", GOOD["persona.yaml"] * 50)
    whole = bytearray(data.getvalue())
    whole[60:80] = b"\xff" * 20
    return bytes(whole)


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip at all", broken()])
def test_what_is_no_zip_is_told_in_a_sentence(tmp_path, data):
    path = tmp_path / "moth.zip"
    path.write_bytes(data)
    with pytest.raises(PackError, match="E100 not a zip file that can be read"):
        load_pack(path)


def test_a_zip_without_a_pack_is_told(tmp_path):
    with pytest.raises(PackError, match="E121 the zip file holds no folder"):
        load_pack(zipped(tmp_path / "moth.zip", {"readme.txt": "hi"}))
