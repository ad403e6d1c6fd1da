import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueshot.core.errors import ArchitectureError
from trueshot.spaces.notation import CellString, Dashed

NAME = st.text("abc_0123", min_size=1)


@given(st.integers(1, 4).flatmap(lambda nodes: st.lists(NAME, min_size=nodes * (nodes + 1) // 2, max_size=10)))
def test_cell_strings_are_read_back(names):
    whole = {1: 1, 2: 1, 3: 3, 4: 3, 5: 3}.get(len(names), 6 if len(names) < 10 else 10)
    assert CellString().split(CellString().join(names[:whole])) == names[:whole]


@given(st.lists(NAME, min_size=1))
def test_dashed_names_are_read_back(names):
    assert Dashed().split(Dashed().join(names)) == names


def test_the_published_form():
    text = "|a~0|+|b~0|c~1|+|d~0|e~1|f~2|"
    assert CellString().join(list("abcdef")) == text
    assert CellString().split(f"  {text.replace('+', ' + ')} ") == list("abcdef")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a-b", "node 1 .* reads 'a-b'.*as \\|op~0\\|"),
        ("|a~0|+|b~0|", "node 2 .*\\|op~0\\|op~1\\|"),
        ("|a~0|+|b~0|c~0|", "position 3 .*'c~0' should end in ~1"),
        ("|a~0|+|b~0|c|", "position 3 .*'c' should end in ~1"),
        ("|a~0|+", "node 2"),
        ("", "node 1"),
    ],
)
def test_what_is_wrong_is_named(text, message):
    with pytest.raises(ArchitectureError, match=message):
        CellString().split(text)
