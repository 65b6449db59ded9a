"""A place that cannot be written to is refused before anything is learned."""

import pytest

from guppylm.errors import BundleError
from guppylm.model.folder import check_place


def test_a_file_where_the_folder_should_be_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "models").write_text("not a folder")
    with pytest.raises(BundleError, match="nothing can be written there"):
        check_place(tmp_path / "models" / "moth")


def test_a_new_place_is_made_ready(tmp_path):
    check_place(tmp_path / "a" / "b" / "moth")
    assert (tmp_path / "a" / "b").is_dir()
