"""A pack of two topics, and one short run on it that many tests look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from guppylm.packs.generate import Dataset, generate
from guppylm.packs.load import load_pack
from guppylm.packs.pack import Pack
from guppylm.training.device import pick
from guppylm.training.loop import Run, train
from guppylm.training.prepare import make_tokenizer
from guppylm.training.settings import TrainSettings

FILES = {
    "persona.yaml": """\
format: persona/1
name: Moth
about: a small moth that lives beside a porch lamp
fallback: joke
starters: [are you hungry, tell me a moth joke]
""",
    "words.yaml": """\
snack: [wool, felt, tweed, silk, cotton, linen, {word: velvet, held_out: yes}]
light: [porch lamp, street lamp, moon, candle, fridge light]
""",
    "topics/food.yaml": """\
ask:
  - are you (hungry|peckish|starving)(| now| today| again)
  - do you (want|need|fancy) <snack>(| now| today)
held_out:
  - could you manage <snack>
reply:
  - yes, i could eat <snack> by the <light>.
  - i flew <3..40> circles around the <light> and now i could eat <snack>.
""",
    "topics/joke.yaml": """\
ask:
  - (please |)tell me a (joke|bad joke|moth joke)(| now| again)
held_out:
  - do you know any jokes
reply:
  - why did the moth cross the (porch|road|garden). the <light> was on.
  - what do <2..90> moths do at a <light>. circles.
""",
}


def write_moth(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def moth_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moth(tmp_path_factory.mktemp("personas") / "moth")


@pytest.fixture(scope="session")
def moth(moth_folder: Path) -> Pack:
    return load_pack(moth_folder)


@pytest.fixture(scope="session")
def settings() -> TrainSettings:
    """Seconds, and the same numbers on every CPU that has fp32."""
    return TrainSettings.of(
        "smoke", n_rows=120, n_steps=16, batch_tokens=512, vocab_size=320, device="cpu", precision="fp32"
    )


@pytest.fixture(scope="session")
def with_dropout(settings: TrainSettings) -> TrainSettings:
    """Settings under which torch's dice decide something in every step."""
    return replace(settings, dropout=0.2, n_steps=9)


@pytest.fixture(scope="session")
def moth_run(moth: Pack, settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What one whole run said, and where its bundle is."""
    out = tmp_path_factory.mktemp("models") / "moth"
    reports = list(train(moth, settings, out, command="python train.py --persona moth"))
    return SimpleNamespace(out=out, reports=reports, metrics=reports[-1].metrics)


@pytest.fixture
def dataset(moth, settings) -> Dataset:
    return generate(moth, n_rows=settings.n_rows, seed=0)


@pytest.fixture
def run(moth, settings, dataset, tmp_path) -> Run:
    """A run that has not begun."""
    tokenizer = make_tokenizer(moth, dataset, vocab_size=settings.vocab_size)
    device = pick("cpu", precision="fp32")
    settings = replace(settings, batch_tokens=64)
    return Run(moth, settings, device, dataset, tokenizer, out=tmp_path / "moth")
