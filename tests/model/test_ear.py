"""Whoever shouts says the same; whoever has capitals keeps them."""

import pytest

from guppylm.model.ear import ear_of


@pytest.mark.parametrize(
    ("case", "message", "heard"),
    [
        ("lower", "I am MARIA", "i am maria"),
        ("any", "I am Maria", "I am Maria"),
        ("any", "ARE YOU HUNGRY, MARIA?", "are you hungry, maria?"),
        ("any", "¿TIENES SED?", "¿tienes sed?"),
        ("any", "OK", "OK"),
        ("any", "你饿了吗", "你饿了吗"),
        ("any", "", ""),
        (None, "SO BE IT", "SO BE IT"),
        ([], "SO BE IT", "SO BE IT"),
    ],
)
def test_what_is_heard(case: object, message: str, heard: str) -> None:
    assert ear_of(case)(message) == heard
