"""Turns what is known of a bundle into its README.md: what this is and how to talk to it.

Deliberately not: results. What a persona is worth is measured by its exam, and a card with those numbers is
written where they are known.
"""

from __future__ import annotations

from guppylm.model.transformer import ModelConfig

CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
license: mit
tags: [gpt2, tiny-language-model, persona, guppylm]
---
# {title}

A persona in {n_parameters:,} parameters: a decoder-only transformer with {n_layers} layers, {n_heads} heads
and a width of {d_model}, which sees {context} tokens of a vocabulary of {vocab_size:,}. It was trained from
nothing on conversations made from the persona pack in `pack/`. All that it knows is in there.

```python
from guppylm import Bundle, Chat

print(Chat(Bundle.load("{name}")).reply("hello", seed=1).text)
```

It is a GPT-2 with ReLU, so `transformers` loads it too, without any code of ours:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}")
model = AutoModelForCausalLM.from_pretrained("{name}")
messages = [{{"role": "user", "content": "hello"}}]
prompt = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
)
print(tokenizer.decode(model.generate(**prompt)[0], skip_special_tokens=True))
```

A reply begins with its gist: a control token that names what the message is taken to be about, and that
`skip_special_tokens` hides. `Chat` takes the likeliest gist, where `generate` throws dice for it; and to a persona
that only speaks in lower case it shows messages in lower case. So expect `Chat` to be the better listener.

`metrics.json` says how it was trained and `replay.json` what it said on the way.
"""


def model_card(*, name: str, title: str, config: ModelConfig, n_parameters: int) -> str:
    """Return README.md, front matter included."""
    return CARD.format(name=name, title=title, n_parameters=n_parameters, **config.to_dict())
