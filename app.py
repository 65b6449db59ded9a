"""The Space: sets the environment, builds the page, serves it.

    python app.py                     on 127.0.0.1:7860, or the next free port
    python app.py --port 8000 --models models --personas personas

The environment comes before every import, because gradio, huggingface_hub, tokenizers and the OpenMP inside
torch read theirs while they are imported.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # no request leaves the machine
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep; spinning ones starve shared cores
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

try:
    import spaces  # on a ZeroGPU Space; has to come before torch
except ImportError:
    spaces = None

if spaces is not None:

    @spaces.GPU(duration=60)
    def on_gpu() -> str:
        """Tell which device a ZeroGPU Space lends.

        Such a Space wants one GPU function to exist; chat needs none.
        """
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def main(argv: list[str] | None = None) -> int:
    """Serve the page until Ctrl-C. Returns the exit code: 2 for a mistake of the user, 130 for Ctrl-C."""
    args = _parser().parse_args(argv)
    from guppylm.ui.page import AppSettings, build_app, launch_options
    from guppylm.ui.shelf import Shelf

    shelf = Shelf(models_dir=args.models, personas_dir=args.personas)
    page = build_app(AppSettings(models_dir=args.models, personas_dir=args.personas), shelf=shelf)
    try:
        _, address, _ = page.launch(
            server_name=args.host, server_port=args.port, prevent_thread_lock=True, **launch_options()
        )
    except OSError as error:
        print(f"The page cannot be served: {error}\nChoose another port with --port.", file=sys.stderr)
        return 2
    print(f"GuppyLM is at {address}  (Ctrl-C stops it)", flush=True)
    threading.Thread(target=shelf.warm_up, name="warm-up", daemon=True).start()
    try:
        _wait()
    except KeyboardInterrupt:
        print("\nStopped.", flush=True)
        return 130
    finally:
        page.close(verbose=False)
    return 0


def _wait() -> None:
    """Sleep until a signal. A polite kill ends it as Ctrl-C does, but with exit code 0."""
    done = threading.Event()

    def finish(_signal: int, _frame: FrameType | None) -> None:
        done.set()

    signal.signal(signal.SIGTERM, finish)
    done.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="app.py",
        description="Serve the page: pick a persona, chat with it.",
        epilog="examples:\n  python app.py\n  python app.py --port 8000\n  python app.py --models my-models",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="trained bundles (models)")
    parser.add_argument("--personas", type=Path, default=Path("personas"), metavar="DIR", help="packs (personas)")
    parser.add_argument("--port", type=int, metavar="N", help="this port or none; by default the first free from 7860")
    parser.add_argument("--host", metavar="NAME", help="address to listen on (127.0.0.1, or what the Space sets)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
