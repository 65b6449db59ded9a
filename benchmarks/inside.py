"""How long looking inside a reply takes: `python benchmarks/inside.py`.

For every bundle in models/ a reply of exactly 40 tokens is looked into, as the page asks for it, JSON included. Beside
each time stands its ratio to the reply alone, measured in the same run, so that machines and days can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from guppylm.ui.inside_tab import InsideTab
from guppylm.ui.shelf import Shelf

N_TOKENS = 40


def seconds_of(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    json.dumps(work())
    return time.perf_counter() - begin


def forty_tokens(chat: Any, message: str) -> list[int]:
    """Return what a reply of 40 tokens can be made to begin with: what the persona says to a message, over and over."""
    tokenizer, said = chat.bundle.tokenizer, []
    for seed in range(N_TOKENS):
        said += tokenizer.encode(chat.reply(message, seed=seed).text)
        if len(said) >= N_TOKENS:
            break
    return said[:N_TOKENS]


def measure(tab: InsideTab, name: str, n_runs: int) -> dict[str, float]:
    """Return seconds by what was done: medians over `n_runs`, but for what is done once."""
    message, chat = tab.shelf.persona(name).starters[0], tab.shelf.chat(name)
    said = forty_tokens(chat, message)
    asks = [
        {"persona": name, "message": message, "seed": seed, "begin": said, "n_tokens": N_TOKENS}
        for seed in range(n_runs + 1)
    ]
    views = [tab.look(asks[-1])]  # what is imported and read once is not counted
    first = views[0]["first"]
    places = [{"ask": ask, "position": first + N_TOKENS // 2} for ask in asks[:-1]]
    knobs = {"temperature": 1.1, "top_k": 20, "top_p": 0.9}
    seconds = {"the reply alone": [], "the reply and all of its inside": [], "one token": [], "a slider": []}
    tab.look_at_token({"ask": asks[-1], "position": first})
    for ask, place in zip(asks, places, strict=False):
        seconds["the reply alone"].append(seconds_of(lambda seed=ask["seed"]: _reply(chat, message, seed, said)))
        seconds["the reply and all of its inside"].append(seconds_of(lambda ask=ask: tab.look(ask)))
        seconds["one token"].append(seconds_of(lambda place=place: tab.look_at_token(place)))
        seconds["a slider"].append(seconds_of(lambda place=place: tab.draw_again({**place, "knobs": knobs})))
    found = {what: statistics.median(times) for what, times in seconds.items()}
    found["its training rows, the first time"] = seconds_of(lambda: tab.remember(asks[0]))
    found["its training rows, then"] = seconds_of(lambda: tab.remember(asks[1]))
    return found


def _reply(chat: Any, message: str, seed: int, said: list[int]) -> str:
    stream = chat.stream(message, seed=seed, begin=said)
    for n, _ in enumerate(stream, start=1):
        if n == N_TOKENS:
            stream.close()
    return stream.reply.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("personas", nargs="*", metavar="NAME", help="default: all in models/")
    parser.add_argument("--runs", type=int, default=15, metavar="N")
    args = parser.parse_args()

    tab = InsideTab(shelf=Shelf(models_dir=Path("models"), personas_dir=Path("personas")))
    names = args.personas or [persona.name for persona in tab.shelf.personas() if persona.ready]
    print(f"{date.today()}, {os.cpu_count()} cores, {platform.processor() or platform.machine()}, one thread of torch")
    for name in names:
        found = measure(tab, name, args.runs)
        alone = found["the reply alone"]
        print(f"{name}, {tab.shelf.chat(name).bundle.model.n_parameters:,} parameters, {N_TOKENS} tokens")
        for what, seconds in found.items():
            print(f"    {what:36} {1000 * seconds:7.0f} ms  {seconds / alone:6.2f} × the reply")


if __name__ == "__main__":
    main()
