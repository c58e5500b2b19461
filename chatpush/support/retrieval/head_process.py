"""Train a head: ``python -m chatpush.support.retrieval.head_process``, started by ``head_starting``.

Reads examples and their vectors from standard input and writes the head to
standard output, at the lowest priority.
"""

import os
import sys

from chatpush.support.retrieval.head_storing import read_order, to_bytes
from chatpush.support.retrieval.head_training import train

NICE = 10


def main() -> None:
    """Do the work of the process."""
    os.nice(NICE)
    head = train(*read_order(sys.stdin.buffer.read()))
    if head is not None:
        sys.stdout.buffer.write(to_bytes(head))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
