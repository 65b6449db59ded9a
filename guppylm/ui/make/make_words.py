"""The sentences of the Make tab. Plain English, no markup."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TITLE = "Make your own"
LEAD = (
    "A persona is a folder of sentences. Write some, watch a small model learn them, talk to it, take it home. "
    "What you make here is yours alone; it is removed some hours after you leave, so take it with you."
)
DESCRIBE, WRITE, SEE, TRAIN, AWAY = "Describe", "Write", "See", "Train and talk", "Take away"
NAME = "What its folder is called"
SOURCE = "Begin with"
BEGIN_NEW = "a small example that explains itself"
BEGIN_TABLE = "a spreadsheet (CSV with the columns topic, prompt, reply)"
BEGIN_ZIP = "a pack in a zip file"
UPLOAD = "The file"
BEGIN = "Begin"
FILE = "File"
ADD_TOPIC = "Add a topic without YAML"
TOPIC = "What it is called: one word, such as weather"
ASKS = "What people say, a line each"
REPLIES = "What it answers, a line each; any of them must fit any line on the left"
ADD = "Add"
SAMPLES = "Draw fifty conversations"
DATA = "What training would get"
PRESET = "Model"
MINUTES = "Minutes of learning (3m)"
START, STOP = "Train", "Stop and keep"
TALK = "Talk to it"
PACK, BUNDLE = "The pack (zip)", "The trained persona (zip)"
SAVE = "Save it on this computer"


def begin_copy(name: str) -> str:
    return f"a copy of {name}"


def begun(name: str) -> str:
    return f"{name} lies on your bench. What you write is kept as you type."


def still_here(name: str) -> str:
    return f"{name} is still here, as you left it."


def added(file: str) -> str:
    return f"{file} is written. It is open above: add more lines, the more the better."


def saved(folders: Sequence[Path]) -> str:
    return f"Saved: {', '.join(map(str, folders))}. Load the page again to find it under Chat and Look inside."
