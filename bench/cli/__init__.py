"""The commands: the only place that prints and exits.

`app` defines the options of each command and imports nothing heavy, so that ``--help`` and shell completion are
instant. When a command is called, it imports the module of its name, which does the work.
"""
