"""The line language: what every mark means, and where a mistake is."""

import pytest

from guppylm.packs.lang import Choice, LineError, Number, Sequence, Slot, Text, parse_line


def shape(node):
    """A tree as nested lists, to compare with."""
    match node:
        case Text(text):
            return text
        case Slot(name, index, form, _):
            return f"<{name}{index if index > 1 else ''}{'.' + form if form else ''}>"
        case Number(low, high):
            return (low, high)
        case Choice(options):
            return [(option.weight, shape(option.node)) for option in options]
        case Sequence(parts):
            return tuple(map(shape, parts))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ""),
        ("hello", "hello"),
        ("hi <food>", ("hi ", "<food>")),
        ("<food2.s>", "<food2.s>"),
        ("<τροφή>", "<τροφή>"),
        ("<3..40> laps", ((3, 40), " laps")),
        ("(a|b)", [(1, "a"), (1, "b")]),
        ("(please|)", [(1, "please"), (1, "")]),
        ("(a|(b|c) d)", [(1, "a"), (1, ([(1, "b"), (1, "c")], " d"))]),
        ("(3* a|2* |b)", [(3, "a"), (2, ""), (1, "b")]),
        ("(3* <x>|3* (a|b))", [(3, "<x>"), (3, [(1, "a"), (1, "b")])]),
        ("(see) :) > ok", "(see) :) > ok"),
        ("(see (a|b) there)", ("(see ", [(1, "a"), (1, "b")], " there)")),
        (r"\<a\> \(b\|c\) \\", "<a> (b|c) \\"),
        (r"3\* a", "3* a"),
        ("2 * 3", "2 * 3"),
        ("a 3* b", "a 3* b"),
    ],
)
def test_marks_mean_what_the_manual_says(line, expected):
    assert shape(parse_line(line).node) == expected


def test_a_leading_number_and_star_is_the_weight():
    option = parse_line("12* <it>")
    assert (option.weight, shape(option.node)) == (12, "<it>")


@pytest.mark.parametrize(
    ("line", "code", "offset"),
    [
        ("a < b", "E130", 2),
        ("ab <>", "E130", 3),
        ("<1st>", "E130", 0),
        ("<food1>", "E130", 0),
        ("<food23>", "E130", 0),
        ("<a.b.c>", "E130", 0),
        ("hi <|im_end|>", "E130", 3),
        ("a|b", "E131", 1),
        ("ok (a|b", "E132", 3),
        ("(a|b) :)", "E132", 7),
        ("((a|b) c", "E132", 0),
        ("a \\n b", "E133", 2),
        ("a\\", "E133", 1),
        ("<9..3>", "E134", 0),
        ("0* a", "E134", 0),
        ("1001* a", "E134", 0),
        ("(" * 13 + "a" + "|b)" * 13, "E157", 12),
    ],
)
def test_mistakes_are_found_where_they_are(line, code, offset):
    with pytest.raises(LineError) as error:
        parse_line(line)
    assert (error.value.code, error.value.offset) == (code, offset)
    assert error.value.help


def test_twelve_nested_choices_are_allowed():
    assert parse_line("(" * 12 + "a" + "|b)" * 12)
