"""Turns token ids into logits, and keeps everything a trained persona consists of in one folder.

    tokenizer.py     text -> ids, and conversations -> ids with a loss mask
    transformer.py   ids -> logits
    sampling.py      logits -> the next token, with every number on the way
    bundle.py        all of that <-> a folder

Knows nothing of packs beyond the one function that reads them, and nothing of training or pages.
"""
