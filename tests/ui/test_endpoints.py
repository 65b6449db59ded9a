"""/chat and /personas, by gradio's client and by plain HTTP; and nothing else."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gradio_client
import gradio_client.exceptions
import pytest

from guppylm.ui.page import AppSettings, build_app, launch_options
from guppylm.ui.shelf import Shelf, open_chat
from tests.ui.stage import Stage


@pytest.fixture(scope="module")
def client(served: str) -> gradio_client.Client:
    return gradio_client.Client(served, verbose=False)


def test_personas_lists_all_with_what_they_need(client: gradio_client.Client) -> None:
    found = {persona["name"]: persona for persona in client.predict(api_name="/personas")}
    assert set(found) == {"lamp", "stone", "half", "torn"}
    assert found["lamp"]["ready"] is True
    assert found["lamp"]["title"] == "Lamp"
    assert "opinions" in found["lamp"]["about"]
    assert found["stone"]["ready"] is False
    assert "train.py" in found["stone"]["command"]


def test_chat_says_what_the_engine_says(client: gradio_client.Client, stage: Stage) -> None:
    settings = {"seed": 7, "temperature": 0.9, "top_k": 20, "top_p": 0.9}
    said = client.predict(message="are you bright", persona="lamp", api_name="/chat", **settings)
    assert said == open_chat(stage.models_dir / "lamp").reply("are you bright", **settings).text


def test_only_the_message_is_needed(client: gradio_client.Client) -> None:
    assert isinstance(client.predict("hello", api_name="/chat"), str)


def test_silence_is_answered(client: gradio_client.Client) -> None:
    assert isinstance(client.predict("", "lamp", 1, api_name="/chat"), str)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"persona": "lmap"}, "did you mean lamp"),
        ({"persona": "stone"}, "no weights yet"),
        ({"persona": "half"}, "config.json|model.safetensors"),
        ({"persona": "lamp", "temperature": -1}, "temperature"),
        ({"persona": "lamp", "top_p": 0}, "top_p"),
        ({"persona": "lamp", "seed": -4}, "seed"),
    ],
)
def test_a_mistake_is_answered_with_its_sentence(
    client: gradio_client.Client, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match=message):
        client.predict(message="hi", api_name="/chat", **settings)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("call/chat", {"data": ["hi", "lamp", 3, 0.7, 40, 0.95]}),
        ("call/v2/chat", {"message": "hi", "persona": "lamp", "seed": 3}),
    ],
)
def test_plain_http_works(served: str, stage: Stage, path: str, body: dict[str, object]) -> None:
    address = f"{served}/gradio_api/{path}"
    call = urllib.request.Request(address, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(call, timeout=30) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=30) as response:
        lines = response.read().decode().splitlines()
    data = next(line for line in lines if line.startswith("data: "))
    assert open_chat(stage.models_dir / "lamp").reply("hi", seed=3).text in json.loads(data.removeprefix("data: "))


def test_the_pages_own_events_are_private(client: gradio_client.Client) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/chat", "/personas"}
    assert not client.view_api(return_format="dict", print_info=False)["unnamed_endpoints"]


def test_many_callers_each_get_their_own_reply(served: str, stage: Stage) -> None:
    chat = open_chat(stage.models_dir / "lamp")

    def ask(n: int) -> str:
        return gradio_client.Client(served, verbose=False).predict(f"message {n}", "lamp", n, api_name="/chat")

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(ask, range(6)))
    assert said == [chat.reply(f"message {n}", seed=n, temperature=0.7, top_k=40, top_p=0.95).text for n in range(6)]


def test_a_full_queue_says_so(stage: Stage) -> None:
    go_on = threading.Event()

    class Slow:
        max_turns = 1

        def reply(self, message: str, **settings: object) -> SimpleNamespace:
            go_on.wait(30)
            return SimpleNamespace(text=f"to {message}")

    folders = {"models_dir": stage.models_dir, "personas_dir": stage.personas_dir}
    shelf = Shelf(**folders, open_chat=lambda folder: Slow())
    page = build_app(AppSettings(**folders, n_concurrent=1, n_waiting=1), shelf=shelf)
    _, address, _ = page.launch(prevent_thread_lock=True, **launch_options())
    try:
        client = gradio_client.Client(address, verbose=False)
        jobs = [client.submit("0", "lamp", api_name="/chat")]
        while jobs[0].status().code.name != "PROCESSING":
            time.sleep(0.05)
        jobs.append(client.submit("1", "lamp", api_name="/chat"))
        while jobs[1].status().code.name != "IN_QUEUE":
            time.sleep(0.05)
        with pytest.raises(Exception, match=r"(?i)queue is full"):
            client.submit("2", "lamp", api_name="/chat").result(20)
        go_on.set()
        assert [job.result(20) for job in jobs] == ["to 0", "to 1"]
    finally:
        go_on.set()
        page.close(verbose=False)
