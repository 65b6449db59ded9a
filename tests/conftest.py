"""Shared fixtures: a tokenizer, a model and a bundle so small that they are made in milliseconds.

Their sizes are odd on purpose (three heads, a width of 21, a context of 61): code that mixes up two
dimensions, or that works for one model only, has nowhere to hide.
"""

from __future__ import annotations

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep; must be set before torch is imported

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from guppylm.model import Bundle, ModelConfig, Tokenizer, Transformer

TINY_TALK = [
    ("hello there", "hi, i am a lamp."),
    ("what do you like?", "i like the dark. it is my work."),
    ("are you 37 years old?", "i am 3. maybe 4."),
    ("good night 🌙", "good night. i stay on a little."),
]


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Tokenizer:
    """A tokenizer with some sixty merges, trained on a few sentences."""
    from guppylm.model import Tokenizer

    return Tokenizer.train([text for turn in TINY_TALK * 3 for text in turn], vocab_size=320)


@pytest.fixture(scope="session")
def tiny_config(tiny_tokenizer: Tokenizer) -> ModelConfig:
    from guppylm.model import ModelConfig

    return ModelConfig(
        vocab_size=tiny_tokenizer.vocab_size,
        context=61,
        n_layers=2,
        n_heads=3,
        d_model=21,
        d_ff=17,
        dropout=0.15,
    )


@pytest.fixture(scope="session")
def tiny_model(tiny_config: ModelConfig) -> Transformer:
    """A model, in evaluation mode, in which every number is random.

    Fresh biases are zero and fresh norms are one, and a test on those could not see them go missing.
    """
    import torch

    from guppylm.model import Transformer

    generator = torch.Generator().manual_seed(0)
    model = Transformer(tiny_config, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_config: ModelConfig, tiny_model: Transformer, tiny_tokenizer: Tokenizer) -> Bundle:
    """A bundle that was never saved. Its pack is a stand-in: it has files, and no more."""
    from guppylm.model import Bundle, Sampling

    return Bundle(
        config=tiny_config,
        model=tiny_model,
        tokenizer=tiny_tokenizer,
        pack_files={"lamp/persona.yaml": b"name: Lamp\n", "_base/words.yaml": b"\xff\x00"},
        metrics={"persona": "lamp", "title": "Lamp", "seed": 7, "loss": 0.5},
        replay=[{"step": 1, "said": "blub 🐟"}],
        generation=Sampling(temperature=0.9, top_k=11, top_p=0.8, no_repeat=5),
    )


@pytest.fixture(scope="session")
def gist_bundle(tiny_config: ModelConfig) -> Bundle:
    """A bundle like `tiny_bundle`, of a persona that makes up its mind before it speaks."""
    from dataclasses import replace

    import torch

    from guppylm.model import Bundle, Sampling, Tokenizer, Transformer

    texts = [text for turn in TINY_TALK * 3 for text in turn]
    tokenizer = Tokenizer.train(texts, vocab_size=325, gists=["age", "dark", "food", "greeting", "night"])
    config = replace(tiny_config, vocab_size=tokenizer.vocab_size)
    generator = torch.Generator().manual_seed(2)
    model = Transformer(config, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return Bundle(
        config=config,
        model=model.eval().requires_grad_(False),
        tokenizer=tokenizer,
        pack_files={"lamp/persona.yaml": b"name: Lamp\n"},
        metrics={"persona": "lamp", "title": "Lamp"},
        generation=Sampling(temperature=0.9, top_k=11, top_p=0.8, no_repeat=5),
    )
