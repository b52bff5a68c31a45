"""What benchmarks write into documents."""

import math

import pytest

from benchmarks import dispersion
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


def test_the_documented_cells_are_those_of_a_usual_service():
    scores = {"false@0.05": 0.0214, "false@0.01": 0.004, "looks@0.01": 12.0}
    blind = {**scores, "looks@0.01": math.inf}
    engines = dict.fromkeys(dispersion.ENGINES, scores) | {"bets": blind}
    row = {"scenario": "iid", "rate": 20.0, "base": 0.01, "engines": engines}
    table = dispersion.documented([row, {**row, "rate": 500.0}])
    assert table.count("\n") == 3
    assert "| independent | .021 .004 12 |" in table
    assert "| .021 .004 - |" in table
