"""The numbers shown are those of chat, and agree with arithmetic done in another way."""

from __future__ import annotations

import json
import math

import pytest
import torch

from guppylm.chat import Chat
from guppylm.lens import Inside, look_inside
from guppylm.lens.heads import PATTERNS, habits, strongest
from guppylm.lens.readout import by_layer, pushes, settled_at, topics_by_layer
from guppylm.lens.sizes import layer_sizes, parts
from guppylm.lens.trace import as_dict
from guppylm.model import Bundle, Tokenizer, Transformer
from guppylm.model.transformer import Trace


def test_the_logits_are_those_that_chat_drew_from(inside: Inside):
    assert len(inside.reply.steps) == 12
    for index, step in enumerate(inside.reply.steps):
        behind = inside.logits[inside.first + index - 1]
        assert torch.allclose(behind, step.logits, atol=1e-4)
        assert inside.step_at(inside.first + index) is step
    assert inside.step_at(inside.first - 1) is None
    assert inside.step_at(len(inside.ids)) is None


def test_every_token_has_its_role(inside: Inside):
    tokenizer = inside.bundle.tokenizer
    shown = list(zip(inside.roles, inside.pieces(), strict=True))
    assert tokenizer.decode([piece.id for role, piece in shown if role == "message"]) == "what do you like 🌙"
    assert "".join(piece.text for role, piece in shown if role == "marker") == (
        "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"
    )
    assert inside.roles.index("reply") == inside.first


def test_a_message_of_line_breaks_is_a_message(tiny_chat: Chat):
    seen = look_inside(tiny_chat, tiny_chat.reply("user\nassistant\n\nx", seed=1, max_tokens=1))
    said = [piece.id for role, piece in zip(seen.roles, seen.pieces(), strict=True) if role == "message"]
    assert tiny_chat.bundle.tokenizer.decode(said) == "user\nassistant\n\nx"


def test_surprise_is_minus_log_p_in_double_precision(inside: Inside):
    ids = inside.ids
    for at in range(1, len(ids)):
        scores = [float(score) for score in inside.logits[at - 1].tolist()]
        top = max(scores)
        expected = math.log(math.fsum(math.exp(score - top) for score in scores)) + top - scores[ids[at]]
        assert inside.surprise()[at] == pytest.approx(expected, abs=1e-9)


def test_attention_by_hand(inside: Inside):
    """Layer 1, head 2, in plain arithmetic from the weights."""
    model, config = inside.bundle.model, inside.bundle.config
    x = inside.trace.residual[0][0].double()  # (T, D)
    norm, qkv = model.blocks[0].norm_1, model.blocks[0].attention.qkv
    mean, var = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    read = (x - mean) / (var + norm.eps).sqrt() * norm.weight.double() + norm.bias.double()
    D, d, head = config.d_model, config.d_head, 1
    q = (read @ qkv.weight.double()[head * d : (head + 1) * d].T) + qkv.bias.double()[head * d : (head + 1) * d]
    k = (read @ qkv.weight.double()[D + head * d : D + (head + 1) * d].T) + qkv.bias.double()[
        D + head * d : D + (head + 1) * d
    ]
    for at in range(len(inside.ids)):
        scores = [float(q[at] @ k[earlier]) / math.sqrt(d) for earlier in range(at + 1)]
        total = math.fsum(map(math.exp, scores))
        for earlier, score in enumerate(scores):
            assert float(inside.trace.attention[0][0, head, at, earlier]) == pytest.approx(
                math.exp(score) / total, abs=1e-5
            )
        assert inside.trace.attention[0][0, head, at, at + 1 :].sum() == 0


def test_what_each_layer_would_say_ends_with_what_was_said(inside: Inside):
    for at in range(inside.first, len(inside.ids)):
        layers = by_layer(inside, at)
        assert [layer.n_layers for layer in layers] == [0, 1, 2]
        final = inside.logits[at - 1].double().softmax(dim=0)
        assert layers[-1].p_said == pytest.approx(float(final[inside.ids[at]]), abs=1e-5)
        assert layers[-1].best[0].id == int(final.argmax())
        assert layers[-1].rank_said == 1 + int((final > final[inside.ids[at]]).sum())
        settled = settled_at(layers)
        assert all(layer.best[0].id == layers[-1].best[0].id for layer in layers[settled:])
        assert settled == 0 or layers[settled - 1].best[0].id != layers[-1].best[0].id


def test_the_bare_embedding_is_read_without_any_block(inside: Inside):
    model = inside.bundle.model
    at = inside.first
    x = model.tokens.weight[inside.ids[at - 1]] + model.positions.weight[at - 1]
    p = (model.norm(x) @ model.tokens.weight.T).softmax(dim=0)
    assert by_layer(inside, at)[0].p_said == pytest.approx(float(p[inside.ids[at]]), abs=1e-5)


def test_pushes_add_up_to_the_score(inside: Inside):
    for at in range(1, len(inside.ids)):
        logits = inside.logits[at - 1].double()
        found = pushes(inside, at)
        assert len(found) == 2 * inside.bundle.config.n_layers + 2
        assert sum(push.amount for push in found) == pytest.approx(
            float(logits[inside.ids[at]] - logits.mean()), abs=1e-3
        )


def test_a_push_is_what_is_missing_without_the_part(inside: Inside):
    """Take one addition out of the stream, leave the norm's mean-and-width sum as it was, and read again."""
    model, at = inside.bundle.model, inside.first
    final = inside.trace.residual[-1][0, at - 1].double()
    part = inside.trace.attention_out[1][0, at - 1].double()
    width = (final.var(unbiased=False) + model.norm.eps).sqrt()

    def score(x: torch.Tensor) -> float:
        read = (x - x.mean()) / width * model.norm.weight.double() + model.norm.bias.double()
        logits = model.tokens.weight.double() @ read
        return float(logits[inside.ids[at]] - logits.mean())

    push = next(p for p in pushes(inside, at) if (p.part, p.layer) == ("attention", 1))
    assert push.amount == pytest.approx(score(final) - score(final - part), abs=1e-3)


def test_the_drawing_counts_every_number_once(tiny_model: Transformer):
    found = parts(tiny_model)
    assert sum(part.n_parameters for part in found) == tiny_model.n_parameters
    assert [part.name for part in found if part.layer is None] == ["tokens", "positions", "norm"]
    names = ["norm_1", "attention.qkv", "attention.out", "norm_2", "feed_forward.up", "feed_forward.down"]
    assert [part.name for part in found if part.layer == 1] == names
    up = next(part for part in found if part.name == "feed_forward.up")
    assert up.shapes == {"weight": (17, 21), "bias": (17,)}


def test_sizes_are_lengths_of_vectors(inside: Inside):
    at = inside.first
    for layer, sizes in enumerate(layer_sizes(inside, at)):
        before = inside.trace.residual[layer][0, at]
        after = before + inside.trace.attention_out[layer][0, at] + inside.trace.feed_forward_out[layer][0, at]
        assert sizes.before == pytest.approx(math.sqrt(sum(float(x) ** 2 for x in before)), rel=1e-5)
        assert sizes.after == pytest.approx(math.sqrt(sum(float(x) ** 2 for x in after)), rel=1e-4)
        assert sizes.n_firing == sum(float(x) > 0 for x in inside.trace.hidden[layer][0, at])
        amounts = [amount for _, amount in sizes.loudest]
        assert amounts == sorted(amounts, reverse=True)


def hand_made(inside: Inside, weights: torch.Tensor) -> Inside:
    """The same conversation, as if every head of the one layer had these weights (H, T, T)."""
    trace = Trace(attention=[weights[None]])
    return Inside(
        bundle=inside.bundle, reply=inside.reply, ids=inside.ids, first=inside.first, trace=trace, logits=inside.logits
    )


def test_heads_with_a_habit_are_found(inside: Inside):
    T = len(inside.ids)
    alike = torch.tril(torch.ones(T, T)) / torch.arange(1, T + 1)[:, None]
    previous, first = torch.zeros(T, T), torch.zeros(T, T)
    for at in range(T):
        previous[at, max(0, at - 1)] = 1
        first[at, 0] = 1
    found = habits([hand_made(inside, torch.stack([alike, previous, first]))])
    best = strongest(found)
    assert (best["previous"].head, best["previous"].share) == (1, 1.0)
    assert (best["first"].head, best["first"].share) == (2, 1.0)
    alike_first = next(habit for habit in found if habit.name == "first" and habit.head == 0)
    assert alike_first.share == pytest.approx(alike_first.by_chance, abs=1e-6)


def test_a_head_that_looks_everywhere_alike_has_no_habit(inside: Inside):
    T = len(inside.ids)
    alike = torch.tril(torch.ones(T, T)) / torch.arange(1, T + 1)[:, None]
    found = habits([hand_made(inside, alike[None])])
    assert {habit.name for habit in found} <= PATTERNS.keys()
    for habit in found:
        assert habit.share == pytest.approx(habit.by_chance, abs=1e-5)
    assert not strongest(found)
    assert not habits([])


def test_a_copying_head_looks_at_the_word_that_comes_next(tiny_chat: Chat):
    tokenizer = tiny_chat.bundle.tokenizer
    asked = tokenizer.encode("hello there")
    reply = tiny_chat.stream("hello there", seed=1, max_tokens=len(asked), begin=asked)
    list(reply)
    seen = look_inside(tiny_chat, reply.reply)
    T = len(seen.ids)
    weights = torch.zeros(T, T)
    places = [at for at, role in enumerate(seen.roles) if role == "message"]
    for at in range(T):
        nth = at + 1 - seen.first
        weights[at, places[nth] if 0 <= nth < len(places) else at] = 1
    assert strongest(habits([hand_made(seen, weights[None])]))["copy"].share == 1.0


def test_without_gists_there_is_no_topic_to_show(inside: Inside):
    assert inside.reply.gist is None
    assert topics_by_layer(inside) == []


def test_where_the_topic_is_decided(tiny_model: Transformer, tiny_bundle: Bundle):
    texts = ["are you hungry", "yes. crumbs", "hello", "hi"] * 3
    tokenizer = Tokenizer.train(texts, vocab_size=320, gists=["food", "greeting"])
    config = type(tiny_model.config)(**{**tiny_model.config.to_dict(), "vocab_size": tokenizer.vocab_size})
    model = Transformer(config, generator=torch.Generator().manual_seed(3))
    bundle = Bundle(
        config=config, model=model, tokenizer=tokenizer, pack_files=tiny_bundle.pack_files, metrics=tiny_bundle.metrics
    )
    chat = Chat(bundle)
    seen = look_inside(chat, chat.reply("are you hungry", seed=1, max_tokens=3))
    assert seen.roles[seen.first - 1] == "gist"
    topics = topics_by_layer(seen)
    assert len(topics) == config.n_layers + 1
    assert topics[-1] == pytest.approx(dict(seen.reply.gist.topics), abs=1e-5)


def test_the_trace_is_json_and_whole(inside: Inside):
    found = json.loads(json.dumps(as_dict(inside)))
    T, L, H = len(inside.ids), inside.bundle.config.n_layers, inside.bundle.config.n_heads
    assert len(found["tokens"]) == T
    assert bytes(
        byte for token in found["tokens"] if token["role"] == "message" for byte in token["bytes"]
    ).decode() == (" what do you like 🌙")
    attention = torch.tensor(found["attention"])
    assert attention.shape == (L, H, T, T)
    assert torch.allclose(attention.sum(-1), torch.ones(L, H, T), atol=0.005)
    assert len(found["steps"]) == len(inside.reply.steps)
    for step in found["steps"]:
        assert any(one["id"] == step["id"] for one in step["candidates"])
        assert len(step["layers"]) == L + 1


def test_a_reply_goes_on_from_another_candidate(tiny_chat: Chat):
    plain = tiny_chat.reply("hello there", seed=4, max_tokens=8)
    other = next(one.id for one in plain.steps[2].candidates(20) if one.id != plain.steps[2].id and one.fate == "kept")
    begin = (*(step.id for step in plain.steps[:2]), other)
    stream = tiny_chat.stream("hello there", seed=4, max_tokens=8, begin=begin)
    list(stream)
    steps = stream.reply.steps
    assert tuple(step.id for step in steps[:3]) == begin
    assert [step.uniform for step in steps[:3]] == [step.uniform for step in plain.steps[:3]]  # the dice stay in step
    assert steps[2].p == pytest.approx(float(plain.steps[2].trail().probabilities[other]))


def test_a_reply_cannot_begin_with_what_is_never_said(tiny_chat: Chat):
    for id in (-1, tiny_chat.bundle.tokenizer.vocab_size, tiny_chat.bundle.tokenizer.start_id, "x"):
        with pytest.raises(Exception, match="cannot begin with the token"):
            tiny_chat.stream("hello", begin=[id])
