"""``python -m chatpush`` is the ``chatpush`` command."""

from chatpush.cli.main import main

if __name__ == "__main__":
    main()
