"""A pack with an examination, and a bundle of it that has learned nothing."""

from textwrap import dedent

import pytest

LAMP = {
    "persona.yaml": """
        format: persona/1
        name: Lamp
        about: a lamp
        fallback: unknown
        identity: [who]
        voice: {case: lower, max_words: 12, forbid: [as an ai]}
        """,
    "topics/who.yaml": """
        words: {thing: [a lamp, a light, a lantern, a bulb, a candle]}
        ask:
          - (who|what) are you
          - are you <thing>
          - (hello|hey), are you <thing> (today|tonight)
        held_out:
          - say what you are
        reply:
          - i am a lamp. (i glow|i shine|i hum).
          - yes, <thing>(, i think|, mostly|).
        """,
    "topics/oil.yaml": """
        ask:
          - do you (want|need|like) (oil|some oil|a drop of oil)
          - (oil|more oil)
        held_out:
          - have some oil
        reply:
          - oil is (good|warm|my supper)(, thank you|, please|).
          - (pour|drip) it (slowly|gently).
        """,
    "topics/unknown.yaml": """
        ask:
          - what is <1..9> plus <1..9>
        held_out:
          - add <1..2> and <1..2>
        reply:
          - i only know (light|dark|oil)(, sorry|).
          - that is (too far|not near|past the edge) of my light.
        """,
    "exam.yaml": """
        who: ["Who is THERE, then?", "say, what might you be", "tell me who this is", "your name please"]
        oil: ["is your tank full?", "Thirsty for oil...", "need a refill, lamp?"]
        _unknown: ["what is 2 + 2", "sing in latin", "🙂"]
        """,
}


@pytest.fixture(scope="session")
def lamp(tmp_path_factory):
    """The pack."""
    from guppylm.packs.load import load_pack

    folder = tmp_path_factory.mktemp("personas") / "lamp"
    for name, text in LAMP.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text).lstrip(), encoding="utf-8")
    return load_pack(folder)


@pytest.fixture(scope="session")
def rows(lamp):
    """Its conversations."""
    from guppylm.packs.generate import generate

    return generate(lamp, n_rows=90, seed=3)


@pytest.fixture
def lamp_bundle(lamp, rows, tmp_path):
    """A bundle with random weights, on disk."""
    import torch

    from guppylm.model import Bundle, ModelConfig, Tokenizer, Transformer

    texts = [text for row in rows.train for text in (row.input, row.output)]
    tokenizer = Tokenizer.train(texts, vocab_size=330, gists=list(lamp.topics))
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size, context=61, n_layers=1, n_heads=1, d_model=8, d_ff=8, dropout=0.0
    )
    bundle = Bundle(
        config=config,
        model=Transformer(config, generator=torch.Generator().manual_seed(0)).eval(),
        tokenizer=tokenizer,
        pack_files=lamp.files,
        metrics={
            "persona": "lamp",
            "title": "Lamp",
            "settings": {"n_rows": 90, "seed": 3},
            "loss": {"held_out": 5.0, "knows_nothing": 5.8},
        },
    )
    return Bundle.load(bundle.save(tmp_path / "models" / "lamp"))
