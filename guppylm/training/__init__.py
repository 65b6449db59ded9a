"""Turns a persona pack into a trained bundle.

    device.py      what this machine can do, and how to ask it
    prepare.py     pack and rows -> a vocabulary, and rows as chat would show them
    batches.py     conversations -> rows of numbers -> batches without wasted padding
    weights.py     how much each token counts in the loss
    optimizer.py   gradients -> better weights: Muon and AdamW, and how fast when
    world.py       several processes -> one run
    loop.py        the training itself: `train` yields Progress and leaves a bundle
    replies.py     what the model says so far
    checkpoint.py  a half-trained run <-> one file
    metrics.py     what a bundle tells about how it was made; curve.py draws it

Knows packs and the model; knows nothing of chat, pages or command lines.
"""
