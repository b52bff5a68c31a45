"""What benchmarks write into documents."""

import pytest

from benchmarks.quality import written


def test_a_table_replaces_what_was_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- t -->\nold\n<!-- end t -->\nafter\n")
    written.write(page, "t", written.markdown(["a", "b"], [["1", "2"]]))
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert page.read_text() == f"before\n<!-- t -->\n{table}<!-- end t -->\nafter\n"


@pytest.mark.parametrize("text", ["nothing", "<!-- t -->\nnever closed\n"])
def test_a_page_without_a_place_is_left_alone(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="no place"):
        written.write(page, "t", "new\n")
    assert page.read_text() == text
