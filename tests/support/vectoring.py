"""Vectors for tests: a scripted endpoint's follow from the words, a tiny local model's from made-up weights."""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

# What no word says: these mean the same to the scripted endpoint.
MEANS = {"cashback": "refund", "paidback": "refund", "钱退": "退款"}
WIDTH = 256


def vector(text: str) -> list[float]:
    """Return a vector that follows from a text's words and what they mean."""
    for word, meaning in MEANS.items():
        text = text.lower().replace(word, meaning)
    row = [0.0] * WIDTH
    parts = [text[i : i + 2] for i in range(len(text) - 1)] if not text.isascii() else text.lower().split()
    for part in parts:
        row[zlib.crc32(part.strip(".,?!'s").encode()) % WIDTH] += 1.0
    length = math.sqrt(sum(one * one for one in row)) or 1.0
    return [one / length for one in row]


def embeds(body: Any) -> Any:
    """Answer as an endpoint does."""
    data = [
        {"object": "embedding", "index": n, "embedding": vector(one)} for n, one in enumerate(body["input"])
    ]
    return {"object": "list", "model": "e", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}


def tiny_model(directory: Path) -> Path:
    """Write a BERT of one layer with made-up weights, and return its directory."""
    order = np.random.default_rng(7)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "refund", "##s", "my", "money", "?", "card", "a"]
    width, inner = 8, 16
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(words), width),
        "embeddings.position_embeddings.weight": (256, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.LayerNorm.weight": (width,), "embeddings.LayerNorm.bias": (width,),
    }  # fmt: skip
    layer = "encoder.layer.0."
    for part in (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ):
        shapes |= {f"{layer}{part}.weight": (width, width), f"{layer}{part}.bias": (width,)}
    for part in ("attention.output.LayerNorm", "output.LayerNorm"):
        shapes |= {f"{layer}{part}.weight": (width,), f"{layer}{part}.bias": (width,)}
    shapes |= {
        f"{layer}intermediate.dense.weight": (inner, width), f"{layer}intermediate.dense.bias": (inner,),
        f"{layer}output.dense.weight": (width, inner), f"{layer}output.dense.bias": (width,),
    }  # fmt: skip
    head: dict[str, Any] = {"__metadata__": {"format": "np"}}
    data = b""
    for name, shape in shapes.items():
        raw = order.normal(size=shape).astype("<f4").tobytes()
        head[f"bert.{name}"] = {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    told = json.dumps(head).encode()
    (directory / "model.safetensors").write_bytes(len(told).to_bytes(8, "little") + told + data)
    (directory / "config.json").write_text(json.dumps({"num_attention_heads": 2, "num_hidden_layers": 1}))
    (directory / "vocab.txt").write_text("\n".join(words))
    return directory
