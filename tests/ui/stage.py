"""A models folder and a personas folder with everything a page can meet, built in a second.

lamp    trained: a bundle with tiny random weights, so it talks nonsense, but through the real engine;
        its report card is made up
stone   a pack without weights            torn    a pack with a mistake in it
half    a bundle of which only config.json arrived
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.ui.reports import put_report

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="9" fill="gold"/></svg>'

PACK = {
    "persona.yaml": """
format: persona/1
name: Lamp
about: a porch lamp with <b>opinions</b> on ${moths} and {{light}}
avatar: avatar.svg
fallback: dark
starters:
  - are you bright
  - do you know the moth
""",
    "avatar.svg": SVG,
    "words.yaml": """
guest: [moth, cat, postman, neighbour, spider, bat, wind, rain, fox, owl]
hour: [one, two, three, four, five, six, seven, eight, nine, ten]
""",
    "topics/light.yaml": """
about: how bright it is
label: being bright
ask:
  - are you (bright|warm|on|awake|tired) (today|tonight|at <hour>|)
  - (why|how) do you shine (at <hour>|for the <guest>|)
reply:
  - i am (bright|warm|on) and the <guest> (knows|sees) it at <hour>.
""",
    "topics/dark.yaml": """
about: the dark
ask:
  - do you know the <guest>
  - (what|who) is (the dark|the night|out there) at <hour>
reply:
  - the <guest> (came|went|slept) at <hour>. i saw it.
""",
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    models_dir: Path
    personas_dir: Path


def set_stage(folder: Path) -> Stage:
    """Write the four personas below `folder`."""
    stage = Stage(models_dir=folder / "models", personas_dir=folder / "personas")
    _write(stage.personas_dir / "lamp", PACK)
    plain = {
        **PACK,
        "persona.yaml": PACK["persona.yaml"].replace("Lamp", "Stone").replace("avatar: avatar.svg", ""),
    }
    del plain["avatar.svg"]
    plain["persona.yaml"] = plain["persona.yaml"].replace("avatar: avatar.svg\n", "")
    _write(stage.personas_dir / "stone", plain)
    mistake = PACK["topics/light.yaml"].replace("the <guest>", "the <gest>")
    _write(stage.personas_dir / "torn", {**PACK, "topics/light.yaml": mistake})
    _save_bundle(stage)
    (stage.models_dir / "half").mkdir()
    (stage.models_dir / "half" / "config.json").write_text("{}")
    return stage


def _write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _save_bundle(stage: Stage) -> None:
    import torch

    from guppylm.model import Bundle, ModelConfig, Tokenizer, Transformer
    from guppylm.packs.load import load_pack

    pack = load_pack(stage.personas_dir / "lamp")
    tokenizer = Tokenizer.train(
        ["the moth came at one. i saw it. are you bright today"] * 3, vocab_size=300, gists=["light", "dark"]
    )
    config = ModelConfig(vocab_size=tokenizer.vocab_size, context=96, n_layers=1, n_heads=2, d_model=16, d_ff=16)
    model = Transformer(config, generator=torch.Generator().manual_seed(0))
    metrics = {
        "persona": "lamp",
        "title": "Lamp",
        "settings": {"n_rows": 200, "seed": 0},
        "training": {"n_steps": 12},
        "curve": [{"step": 0, "loss": None, "held_out_loss": 5.7}, {"step": 12, "loss": 2.5, "held_out_loss": 2.6}],
    }
    said = [{"prompt": "are <i>you</i> bright", "reply": "i <b>am</b>"}]
    replay = [
        {"step": 0, "n_tokens": 0, "loss": None, "replies": said},
        {"step": 12, "n_tokens": 900, "loss": 2.5, "replies": said},
    ]
    bundle = Bundle(
        config=config, model=model, tokenizer=tokenizer, pack_files=pack.files, metrics=metrics, replay=replay
    )
    bundle.save(stage.models_dir / "lamp")
    put_report(stage.models_dir / "lamp")


class Paced:
    """A Chat that takes its time over each token, so that a test can stop it. Counts."""

    def __init__(self, chat: Any, *, seconds: float) -> None:
        self._chat = chat
        self.seconds = seconds
        self.max_turns = chat.max_turns
        self.bundle = chat.bundle
        self.n_tokens = 0
        self.n_closed = 0

    def reply(self, *args: Any, **settings: Any) -> Any:
        return self._chat.reply(*args, **settings)

    def stream(self, *args: Any, **settings: Any) -> PacedStream:
        return PacedStream(self, self._chat.stream(*args, **settings))


class PacedStream:
    def __init__(self, owner: Paced, stream: Any) -> None:
        self._owner, self._stream = owner, stream

    def __iter__(self) -> Iterator[Any]:
        for token in self._stream:
            time.sleep(self._owner.seconds)
            self._owner.n_tokens += 1
            yield token

    @property
    def reply(self) -> Any:
        return self._stream.reply

    def close(self) -> None:
        self._owner.n_closed += 1
        self._stream.close()


class Scripted:
    """A Chat that says what it is told to, and writes down what it was asked."""

    def __init__(self, *words: str, max_turns: int = 1, note: str = "") -> None:
        self._words, self._note = words, note
        self.max_turns = max_turns
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.closed = False

    def stream(self, message: str, **settings: Any) -> Scripted:
        self.asked.append((message, settings))
        return self

    def __iter__(self) -> Iterator[Any]:
        for n in range(1, len(self._words) + 1):
            yield SimpleNamespace(text_so_far=" ".join(self._words[:n]))

    @property
    def reply(self) -> Any:
        n_tokens = len(self._words)
        return SimpleNamespace(text=" ".join(self._words), n_tokens=n_tokens, stopped="end", note=self._note)

    def close(self) -> None:
        self.closed = True
