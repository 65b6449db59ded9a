"""Turns a bench into a training in a process of its own, one at a time, and its JSON lines into something to look at.

    waiting ─▶ running ─▶ done | stopped | failed

The child is `train.py` itself, with a lower priority, so that chat stays quick. Whatever becomes of it (it ends, dies,
hangs, is told to stop) becomes a state with a sentence; a child that says nothing for long is ended. Its bundle is
written by train.py, whole or not at all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from guppylm.errors import GuppyError
from guppylm.ui.make.bench import Bench

State = Literal["waiting", "running", "done", "stopped", "failed"]
Preset = Literal["3m", "smoke"]

ROOT = Path(__file__).resolve().parents[3]
MAX_WAITING = 8
N_ROWS = 60_000  # enough for some minutes of a small persona, and made in seconds
SECONDS_OF_SILENCE = 240.0
SECONDS_BESIDE_LEARNING = 420.0  # rows, tokenizer and bundle may take so long on a busy machine


@dataclass(kw_only=True, eq=False)
class Training:
    """One training, from the queue to its end. Read by the page while a thread writes it.

    Attributes:
        place: how many are before it in the queue.
        says: what is going on, or how it ended, in one sentence.
        curve: (step, loss).
        spoken: what it said to its first messages, the latest last: (step, ((message, reply), …)).
    """

    bench: Bench
    preset: Preset
    minutes: float
    state: State = "waiting"
    place: int = 0
    says: str = ""
    fraction: float = 0.0
    seconds_left: float | None = None
    curve: list[tuple[int, float]] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    spoken: list[tuple[int, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    child: Any = None
    is_unwanted: bool = False

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "stopped", "failed")

    def take(self, found: dict[str, Any]) -> None:
        """Learn from a line of progress."""
        self.fraction = float(found.get("fraction") or 0)
        self.seconds_left = found.get("seconds_left")
        step, loss, held_out = found.get("step"), found.get("loss"), found.get("held_out_loss")
        if found.get("note"):
            self.says = f"{found['note'][:1].upper()}{found['note'][1:]} …"
        elif step:
            self.says = f"Step {step:,}."
        if step and loss is not None:
            self.curve.append((step, loss))
        if step and held_out is not None and (not self.held_out or self.held_out[-1][1] != held_out):
            self.held_out.append((step, held_out))
        if found.get("replies"):
            said = tuple((one["prompt"], one["reply"]) for one in found["replies"])
            if not self.spoken or self.spoken[-1][0] != (step or 0):
                self.spoken.append((step or 0, said))


class Trainings:
    """The queue: one training at a time. Safe to use from many threads.

    Args:
        command: what the child is; tests bring their own.
    """

    def __init__(
        self, *, command: Callable[[Training], Sequence[str]] | None = None, silence: float = SECONDS_OF_SILENCE
    ) -> None:
        self._command = command or command_of
        self._silence = silence
        self._lock = threading.Lock()
        self._waiting: deque[Training] = deque()
        self._latest: dict[str, Training] = {}  # token -> its latest training
        self._current: Training | None = None
        self._wake = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None

    def of(self, token: str) -> Training | None:
        """Return the latest training of a bench, with its place in the queue."""
        with self._lock:
            training = self._latest.get(token)
            if training and training.state == "waiting":
                training.place = list(self._waiting).index(training) + (self._current is not None)
            return training

    def forget(self, token: str) -> None:
        """Forget a training that is over."""
        with self._lock:
            if (known := self._latest.get(token)) and known.is_over:
                del self._latest[token]

    def start(self, bench: Bench, *, preset: Preset = "3m", minutes: float = 2.0) -> Training:
        """Put a training into the queue.

        Raises:
            GuppyError: the bench is empty, its training is under way, or too many wait.
        """
        bench.pack()  # whatever is wrong with it is told before anybody waits
        with self._lock:
            if (known := self._latest.get(bench.token)) and not known.is_over:
                raise GuppyError("Your training is under way.", "Stop it first, or wait for its end.")
            if len(self._waiting) >= MAX_WAITING:
                raise GuppyError(f"{MAX_WAITING} trainings are waiting already.", "Try again in a few minutes.")
            training = self._latest[bench.token] = Training(bench=bench, preset=preset, minutes=minutes)
            self._waiting.append(training)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trainings", daemon=True)
                self._thread.start()
            self._wake.notify()
            return training

    def stop(self, token: str) -> None:
        """Stop a bench's training: what it has learned so far is kept. Nothing happens where none is under way."""
        with self._lock:
            training = self._latest.get(token)
            if training is None or training.is_over:
                return
            if training.state == "waiting":
                self._waiting.remove(training)
                training.state, training.says = "stopped", "Taken out of the queue."
            else:
                training.is_unwanted, training.says = True, "Stopping …"
                if training.child:
                    training.child.terminate()  # to train.py the same as Ctrl-C, and no shell makes a child deaf to it

    def close(self) -> None:
        """End everything, now."""
        with self._lock:
            self._waiting.clear()
            if self._current and self._current.child:
                self._current.child.kill()

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._waiting:
                    self._wake.wait()
                training = self._current = self._waiting.popleft()
                training.state, training.says = "running", "Starting …"
            try:
                self._run(training)
            except Exception as error:  # of ours or of the system; the queue goes on
                training.state, training.says = "failed", f"The training could not be run: {error}"
            with self._lock:
                self._current = None

    def _run(self, training: Training) -> None:
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
        child = training.child = subprocess.Popen(
            self._command(training),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C in the terminal of the page is for the page, which then ends this
        )
        if training.is_unwanted:  # told to stop while it was being started
            child.terminate()
        heard = [time.monotonic()]
        threading.Thread(target=self._watch, args=(training, child, heard), daemon=True).start()
        other: deque[str] = deque(maxlen=5)
        assert child.stderr is not None
        for line in child.stderr:
            heard[0] = time.monotonic()
            try:
                training.take(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError):
                other.append(line.strip())
        self._ended(training, child.wait(), [line for line in other if line])

    def _watch(self, training: Training, child: subprocess.Popen, heard: list[float]) -> None:
        """End a child that has fallen silent, or that takes far longer than it was given."""
        begin = time.monotonic()
        while child.poll() is None:
            now = time.monotonic()
            if now - heard[0] > self._silence or now - begin > 60 * training.minutes * 2 + SECONDS_BESIDE_LEARNING:
                training.says = "It said nothing any more and was ended."
                child.kill()
                return
            time.sleep(0.2)

    def _ended(self, training: Training, code: int, other: list[str]) -> None:
        has_bundle = (training.bench.bundle_dir / "config.json").is_file()
        if code == 0 and has_bundle:
            training.state, training.says, training.fraction = "done", "Trained.", 1.0
        elif training.is_unwanted and has_bundle:
            training.state, training.says = "stopped", "Stopped. What it has learned so far is kept: talk to it."
        elif training.is_unwanted:
            training.state, training.says = "stopped", "Stopped before it had learned anything."
        elif code < 0:
            ended = (
                training.says if training.says.startswith("It said nothing") else "The training was ended from outside."
            )
            training.state, training.says = "failed", f"{ended} Nothing of your pack is lost; train again."
        else:
            training.state, training.says = "failed", " ".join(other[-2:]) or "The training failed without a word."


def command_of(training: Training) -> list[str]:
    """Return what to run for a training: train.py, politely."""
    bench = training.bench
    polite = ["nice", "-n", "10"] if os.name == "posix" else []
    length = (
        ["--preset", "smoke"]
        if training.preset == "smoke"
        else ["--preset", "3m", "--rows", str(N_ROWS), "--minutes", f"{training.minutes:g}"]
    )
    train = [sys.executable, str(ROOT / "train.py"), "--persona", str(bench.pack_dir), "--out", str(bench.bundle_dir)]
    return [*polite, *train, *length, "--json"]
