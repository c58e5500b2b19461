"""The console: server-rendered pages for operators, marketers and support agents.

One file per page gathers what the page shows from the services and answers its
forms; ``models.py`` holds what pages show, ``templates/`` how. htmx asks for
fragments again while a page is open, so nothing here keeps state.
"""
