"""A card's worth of a pack, without the pack."""

from __future__ import annotations

import pytest

from guppylm.errors import NotFoundError, PackError
from guppylm.packs.face import read_face
from guppylm.packs.load import load_pack
from tests.packs.packs import write_pack

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="9"/></svg>'
PERSONA = "format: persona/1\nname: Moth\nabout: a moth\navatar: a.svg\nfallback: food\nstarters: are you hungry\n"


def test_a_face_is_what_the_whole_pack_would_say(tmp_path):
    folder = write_pack(tmp_path / "moth", {"persona.yaml": PERSONA, "a.svg": SVG})
    face, pack = read_face(folder), load_pack(folder)
    assert (face.title, face.about, face.avatar_svg) == (pack.title, pack.about, pack.avatar_svg)
    assert face.starters == pack.starters


@pytest.mark.parametrize("drawing", ["", "<svg onload='x()'/>", "no svg", SVG + " " * 200_000])
def test_a_drawing_that_is_not_fit_is_not_shown(tmp_path, drawing):
    assert read_face(write_pack(tmp_path / "moth", {"persona.yaml": PERSONA, "a.svg": drawing})).avatar_svg == ""


@pytest.mark.parametrize("name", ["../a.svg", ".a.svg", "/etc/passwd"])
def test_a_drawing_elsewhere_is_not_looked_at(tmp_path, name):
    (tmp_path / "a.svg").write_text(SVG)
    folder = write_pack(tmp_path / "moth", {"persona.yaml": PERSONA.replace("a.svg", name)})
    assert read_face(folder).avatar_svg == ""


def test_what_is_wrong_with_it_is_told(tmp_path):
    with pytest.raises(PackError, match="E120"):
        read_face(write_pack(tmp_path / "moth", {"persona.yaml": PERSONA + "abuot: x\n"}))
    with pytest.raises(NotFoundError):
        read_face(tmp_path / "nobody")
