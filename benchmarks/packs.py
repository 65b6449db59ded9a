"""How long it takes to read, check and generate a persona: `python benchmarks/packs.py guppy`.

Times are of this process's own work (CPU seconds), the best of several runs, on whatever machine this is. They are
given beside a yardstick measured in the same run, a loop of plain Python, so that two machines or two days can be
compared by the ratio.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from guppylm.packs.check import check_pack
from guppylm.packs.generate import generate
from guppylm.packs.load import load_pack


def best_of(n_runs: int, work: Callable[[], object]) -> float:
    """Return the CPU seconds of the fastest of several runs."""
    seconds = []
    for _ in range(n_runs):
        gc.collect()
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def yardstick() -> int:
    """A million additions and dictionary look-ups: what plain Python costs here and now."""
    table, total = dict.fromkeys(range(1000), 1), 0
    for number in range(1_000_000):
        total += table[number % 1000]
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("persona", nargs="?", default="guppy")
    parser.add_argument("--rows", type=int, default=60_000, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    args = parser.parse_args()

    pack = load_pack(args.persona)
    unit = best_of(args.runs, yardstick)
    dataset = generate(pack, n_rows=args.rows)
    seconds = {
        "load": best_of(args.runs, lambda: load_pack(args.persona)),
        "check": best_of(args.runs, lambda: check_pack(args.persona)),
        "generate": best_of(args.runs, lambda: generate(pack, n_rows=args.rows)),
    }
    figures = {
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "topics": len(pack.topics),
        **dataset.counts(),
        "yardstick_seconds": round(unit, 3),
        **{f"{name}_seconds": round(value, 3) for name, value in seconds.items()},
        **{f"{name}_yardsticks": round(value / unit, 1) for name, value in seconds.items()},
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
