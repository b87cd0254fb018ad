"""The operating system as KCE uses it: whole or no files, locks, signals, worker processes, repeatable random numbers.

Nothing in here knows of faces, plugins or runs. What asks the system for something
and would be useful to any program enters here.
"""
