"""Train a head: ``python -m chatpush.support.retrieval.head_process``, started by ``head_starting``.

Reads examples as JSON from standard input and writes the head to standard
output, at the lowest priority.
"""

import json
import os
import sys

from chatpush.support.retrieval.head import Example
from chatpush.support.retrieval.head_training import train

NICE = 10


def main() -> None:
    """Do the work of the process."""
    os.nice(NICE)
    examples = [Example(question, answer) for question, answer in json.load(sys.stdin.buffer)]
    head = train(examples)
    if head is not None:
        sys.stdout.buffer.write(head.to_bytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
