"""Write a trained head as bytes and build it again from them and the same examples; pass examples on for training.

Nothing the examples themselves say is stored twice: their features and vectors
are brought again.
"""

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from chatpush.support.retrieval.head import Example, Head, Rule, labels
from chatpush.support.retrieval.head_features import Features
from chatpush.support.retrieval.head_linear import Linear
from chatpush.support.retrieval.head_vectors import Compared, VectorSide

FORMAT = 2


def to_bytes(head: Head) -> bytes:
    """Return what it takes to build this head again from the same examples and their vectors."""
    arrays: dict[str, Any] = {
        "weights": head.linear.weights.astype(np.float16), "bias": head.linear.bias,
        "idf": head.features.idf.astype(np.float32), **_rule_arrays("", head.rule),
    }  # fmt: skip
    about = {
        "format": FORMAT, "terms": head.features.terms, "examples": head.features.examples,
        "answers": head.linear.answers, "probable": head.linear.probable, "rule": _rule_numbers(head.rule),
    }  # fmt: skip
    if head.vectors is not None:
        arrays |= {
            "vector_weights": head.vectors.linear.weights.astype(np.float16),
            "vector_bias": head.vectors.linear.bias, **_rule_arrays("vector_", head.vectors_rule),
        }  # fmt: skip
        about |= {"space": head.vectors.space, "vector_rule": _rule_numbers(head.vectors_rule)}
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8)
    np.savez_compressed(buffer, about=text, **arrays)
    return buffer.getvalue()


def from_bytes(stored: bytes, examples: Sequence[Example], compared: Compared | None = None) -> Head | None:
    """Return a stored head, or None if it was stored by another version of chatpush.

    Without the vectors it was trained with it answers by words alone.
    """
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        about = json.loads(arrays["about"].tobytes())
        if about.get("format") != FORMAT:
            return None
        features = Features(about["terms"], arrays["idf"], about["examples"])
        answers = tuple(about["answers"])
        linear = Linear(answers, arrays["weights"].astype(np.float32), arrays["bias"], about["probable"])
        rule = _rule(arrays, "", about["rule"])
        side = vectors_rule = None
        if compared is not None and about.get("space") == compared.space:
            weights = arrays["vector_weights"].astype(np.float32)
            if weights.shape[0] == compared.rows.shape[1]:
                side = VectorSide(
                    Linear(answers, weights, arrays["vector_bias"], True), labels(examples, answers), compared
                )
                vectors_rule = _rule(arrays, "vector_", about["vector_rule"])
    return Head(features, linear, examples, rule, side, vectors_rule)


def order_of(examples: Sequence[Example], vectors: Compared | None) -> bytes:
    """Return what the process that trains is told."""
    asked = [[one.question, one.answer] for one in examples]
    about = {"examples": asked, "space": None if vectors is None else vectors.space}
    buffer = io.BytesIO()
    arrays: dict[str, Any] = (
        {} if vectors is None else {"places": vectors.places, "rows": vectors.rows.astype(np.float16)}
    )
    np.savez(buffer, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    return buffer.getvalue()


def read_order(order: bytes) -> tuple[list[Example], Compared | None]:
    """Return the examples of an order, and their vectors."""
    with np.load(io.BytesIO(order), allow_pickle=False) as arrays:
        about = json.loads(arrays["about"].tobytes())
        examples = [Example(question, answer) for question, answer in about["examples"]]
        if about["space"] is None:
            return examples, None
        return examples, Compared(about["space"], arrays["places"], arrays["rows"].astype(np.float32))


def _rule_arrays(prefix: str, rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {}
    return {f"{prefix}mean": rule.mean, f"{prefix}scale": rule.scale, f"{prefix}rule": rule.weights}


def _rule_numbers(rule: Rule | None) -> list[float] | None:
    return None if rule is None else [rule.bias, rule.threshold]


def _rule(arrays: Any, prefix: str, numbers: list[float] | None) -> Rule | None:
    if numbers is None:
        return None
    bias, threshold = numbers
    return Rule(arrays[f"{prefix}mean"], arrays[f"{prefix}scale"], arrays[f"{prefix}rule"], bias, threshold)
