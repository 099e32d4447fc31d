"""The commands: the only place that prints and exits.

`app` says what may be typed and imports nothing else of `bench`, so that ``--help`` and shell completion are
instant; each command imports the module beside it that does the work.
"""
