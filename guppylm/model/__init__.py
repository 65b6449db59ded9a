"""Turns token ids into logits, and keeps everything a trained persona consists of in one folder.

    tokenizer.py     text -> ids, and conversations -> ids with a loss mask
    ear.py           a message -> what the model is shown of it
    transformer.py   ids -> logits
    gist.py          logits -> what the persona takes the message to be about
    sampling.py      logits -> the next token, with every number on the way
    bundle.py        all of that <-> a folder; gpt2.py, folder.py and card.py know what stands in it

Knows nothing of packs beyond the one function that reads them, and nothing of training or pages.
"""

from guppylm.model.bundle import Bundle, Listed, list_bundles
from guppylm.model.sampling import Sampling, Step
from guppylm.model.tokenizer import Piece, Tokenizer
from guppylm.model.transformer import PRESETS, KVCache, ModelConfig, Trace, Transformer

__all__ = [
    "PRESETS",
    "Bundle",
    "KVCache",
    "Listed",
    "ModelConfig",
    "Piece",
    "Sampling",
    "Step",
    "Tokenizer",
    "Trace",
    "Transformer",
    "list_bundles",
]
