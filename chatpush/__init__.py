"""chatpush: real-time push, an inbox, an assistant and a recommender in one process.

Start at ``chatpush.app.Chatpush`` to embed it, or at the ``chatpush`` command.
"""

__version__ = "0.1.0"
