"""The transformer: causal, the same with and without a cache or a trace, and honest about its limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from guppylm.errors import GuppyError
from guppylm.model.transformer import (
    PRESETS,
    KVCache,
    ModelConfig,
    Trace,
    Transformer,
    causal_mask,
    fused_attention,
    plain_attention,
)

SIZES = {
    "vocab_size": 50,
    "context": 19,
    "n_layers": 2,
    "n_heads": 3,
    "d_model": 12,
    "d_ff": 7,
    "dropout": 0.0,
}


@pytest.fixture
def ids(tiny_config):
    return torch.randint(tiny_config.vocab_size, (3, 13), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def logits(tiny_model, ids):
    return tiny_model(ids)


@pytest.mark.parametrize("training", [False, True], ids=["fused", "plain"])
def test_changing_a_token_leaves_the_logits_before_it_alone(training):
    model = Transformer(ModelConfig(**SIZES), generator=torch.Generator().manual_seed(0)).train(training)
    ids = torch.arange(10)[None]
    changed = ids.clone()
    changed[0, 6] = 49
    difference = (model(ids) - model(changed)).abs().amax(dim=-1)[0]
    assert (difference[:6] == 0).all()
    assert (difference[6:] > 0).all()


@pytest.mark.parametrize("parts", [[13], [1] * 13, [7, 1, 1, 1, 3], [12, 1]])
def test_cached_decoding_equals_the_full_forward(tiny_model, tiny_config, ids, logits, parts):
    cache = KVCache(tiny_config, n_rows=3)
    pieces = [tiny_model(part, cache=cache) for part in ids.split(parts, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), logits, atol=1e-5, rtol=1e-5)
    assert cache.n_tokens == 13


@pytest.mark.parametrize(("n_new", "n_seen"), [(5, 5), (1, 1), (1, 8), (3, 8)])
def test_plain_and_fused_attention_are_the_same_sum(n_new, n_seen):
    generator = torch.Generator().manual_seed(2)
    q = torch.randn(2, 3, n_new, 4, generator=generator)
    k, v = torch.randn(2, 2, 3, n_seen, 4, generator=generator)
    mask = causal_mask(n_new, n_seen, q.device)
    plain, weights = plain_attention(q, k, v, mask, 0.0)
    torch.testing.assert_close(fused_attention(q, k, v, mask, 0.0), plain, atol=1e-6, rtol=1e-5)
    assert weights.shape == (2, 3, n_new, n_seen)


def test_the_two_attentions_have_the_same_gradients():
    q, k, v = torch.randn(3, 2, 3, 6, 4, generator=torch.Generator().manual_seed(3)).requires_grad_()
    mask = causal_mask(6, 6, q.device)
    plain = torch.autograd.grad(plain_attention(q, k, v, mask, 0.0)[0].square().sum(), (q, k, v))
    fused = torch.autograd.grad(fused_attention(q, k, v, mask, 0.0).square().sum(), (q, k, v))
    torch.testing.assert_close(plain, fused, atol=1e-5, rtol=1e-4)


def test_training_without_dropout_computes_what_evaluation_does(ids):
    model = Transformer(ModelConfig(**SIZES))
    ids = ids % 50
    torch.testing.assert_close(model.train()(ids), model.eval()(ids), atol=1e-6, rtol=1e-5)


def test_dropout_works_in_training_only(tiny_config, ids):
    model = Transformer(tiny_config)
    assert not torch.equal(model.train()(ids), model.train()(ids))
    assert torch.equal(model.eval()(ids), model.eval()(ids))


def test_a_trace_changes_nothing_and_holds_every_layer(tiny_model, tiny_config, ids, logits):
    trace = Trace()
    torch.testing.assert_close(tiny_model(ids, trace=trace), logits, atol=1e-5, rtol=1e-5)
    assert [x.shape for x in trace.residual] == [(3, 13, 21)] * 3
    assert [x.shape for x in trace.attention] == [(3, 3, 13, 13)] * 2
    assert [x.shape for x in trace.hidden] == [(3, 13, 17)] * 2


def test_traced_attention_never_looks_ahead_and_adds_up_to_one(tiny_model, ids):
    trace = Trace()
    tiny_model(ids, trace=trace)
    for weights in trace.attention:
        assert (weights.triu(diagonal=1) == 0).all()
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 3, 13))


def test_the_stream_is_only_ever_added_to(tiny_model, ids):
    trace = Trace()
    tiny_model(ids, trace=trace)
    for layer in range(2):
        added = trace.attention_out[layer] + trace.feed_forward_out[layer]
        torch.testing.assert_close(trace.residual[layer] + added, trace.residual[layer + 1])


def test_reading_out_the_last_stream_gives_the_logits(tiny_model, ids):
    trace = Trace()
    logits = tiny_model(ids, trace=trace)
    assert torch.equal(tiny_model.read_out(trace.residual[-1]), logits)


def test_a_trace_of_a_cached_step_sees_all_earlier_tokens(tiny_model, tiny_config, ids):
    cache, trace, whole = KVCache(tiny_config, n_rows=3), Trace(), Trace()
    tiny_model(ids[:, :12], cache=cache)
    tiny_model(ids[:, 12:], cache=cache, trace=trace)
    tiny_model(ids, trace=whole)
    torch.testing.assert_close(trace.attention[1], whole.attention[1][:, :, 12:], atol=1e-5, rtol=1e-5)


def test_keep_reads_out_only_the_chosen_positions(tiny_model, ids, logits):
    keep = torch.rand(ids.shape, generator=torch.Generator().manual_seed(4)) < 0.4
    torch.testing.assert_close(tiny_model(ids, keep=keep), logits[keep], atol=1e-5, rtol=1e-5)


def test_padding_on_the_right_does_not_change_a_row(tiny_model, ids, logits):
    padded = F.pad(ids, (0, 5))
    torch.testing.assert_close(tiny_model(padded)[:, :13], logits, atol=1e-5, rtol=1e-5)


def test_more_tokens_than_the_context_is_a_clear_error(tiny_model, tiny_config):
    with pytest.raises(GuppyError, match="62 tokens do not fit into a context of 61"):
        tiny_model(torch.zeros(1, 62, dtype=torch.long))
    cache = KVCache(tiny_config)
    tiny_model(torch.zeros(1, 61, dtype=torch.long), cache=cache)
    with pytest.raises(GuppyError, match="62 tokens do not fit"):
        tiny_model(torch.zeros(1, 1, dtype=torch.long), cache=cache)


def test_no_tokens_is_a_clear_error(tiny_model):
    with pytest.raises(GuppyError, match="no tokens"):
        tiny_model(torch.zeros(1, 0, dtype=torch.long))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_heads": 5}, "d_model 12 cannot be shared out evenly among 5 heads"),
        ({"n_layers": 0}, "n_layers is 0"),
        ({"d_ff": -3}, "d_ff is -3"),
        ({"vocab_size": 2.5}, "vocab_size is 2.5"),
        ({"context": True}, "context is True"),
        ({"d_model": "384"}, "d_model is '384'"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout": math.nan}, "dropout is nan"),
        ({"dropout": "0.1"}, "dropout is '0.1'"),
    ],
)
def test_sizes_that_make_no_model_are_refused_by_name(change, message):
    with pytest.raises(GuppyError, match=message):
        ModelConfig(**{**SIZES, **change})


@pytest.mark.parametrize(("name", "low", "high"), [("9m", 8.5e6, 9.5e6), ("3m", 2.5e6, 3.5e6), ("smoke", 1e5, 5e5)])
def test_presets_have_the_size_in_their_name(name, low, high):
    model = Transformer(ModelConfig.preset(name, vocab_size=4096))
    assert low < model.n_parameters < high


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(GuppyError, match="no preset called 90m") as caught:
        ModelConfig.preset("90m", vocab_size=4096)
    assert all(name in caught.value.help for name in PRESETS)


def test_the_head_is_the_embedding(tiny_config):
    model = Transformer(tiny_config)
    changed = model(torch.tensor([[5]]))
    with torch.no_grad():
        model.tokens.weight[9] += 1.0
    assert not torch.equal(model.eval()(torch.tensor([[5]]))[..., 9], changed[..., 9])
    V, C, L, D, F_ = tiny_config.vocab_size, 61, 2, 21, 17
    block = 4 * D * D + 4 * D + 2 * D * F_ + D + F_ + 4 * D
    assert model.n_parameters == V * D + C * D + L * block + 2 * D


def test_the_generator_decides_the_first_weights(tiny_config):
    first, second, other = (
        Transformer(tiny_config, generator=torch.Generator().manual_seed(seed)).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["tokens.weight"], other["tokens.weight"])


def test_what_is_added_to_the_stream_starts_smaller_in_deeper_models():
    model = Transformer(ModelConfig(vocab_size=300, n_layers=8, n_heads=2, d_model=128, d_ff=256))
    block = model.blocks[3]
    assert block.attention.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.attention.out.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert block.feed_forward.down.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert (block.attention.qkv.bias == 0).all()


def test_a_fresh_model_has_no_opinion():
    model = Transformer(ModelConfig(**SIZES)).eval()
    ids = torch.arange(18)[None]
    loss = F.cross_entropy(model(ids)[0, :-1], ids[0, 1:])
    assert loss.item() == pytest.approx(math.log(50), abs=0.1)


def test_a_model_can_learn_a_line_by_heart():
    model = Transformer(ModelConfig(**SIZES), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    ids = torch.tensor([[3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32]])
    for _ in range(80):
        loss = F.cross_entropy(model(ids)[0, :-1], ids[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
