"""What becomes of texts that support turns into vectors, as ``/metrics`` shows it; nothing without an embedder.

``of`` is "question" or "knowledge". What has no vector is answered by words alone.
"""

from collections.abc import Iterator

from chatpush.support.retrieval.embedding import Tries
from chatpush.web.monitoring.metrics import Gauge, Reading, Readings, Total

Values = tuple[tuple[tuple[str, ...], float], ...]


def support_readings(tries: Tries | None) -> Readings:
    """Return what reads the embedder's score."""

    def read() -> Iterator[Reading]:
        made: Values = ()
        missed: Values = ()
        down: Values = ()
        if tries is not None:
            made = ((("question",), float(tries.questions)), (("knowledge",), float(tries.texts)))
            missed = (
                (("question",), float(tries.questions_missed)),
                (("knowledge",), float(tries.texts_missed)),
            )
            down = (((), float(tries.down)),)
        yield Total("embeddings_made", "Texts turned into vectors", ("of",), made)
        yield Total("embeddings_missed", "Texts that had no vector in time", ("of",), missed)
        yield Gauge("embeddings_down", "Whether the last try had none: words alone answer", (), down)

    return read
