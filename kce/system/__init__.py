"""The operating system as KCE uses it: atomic files, locks, signals, worker processes, reproducible random numbers.

Nothing here knows about faces, plugins or runs. Code that talks to the operating
system and would be useful to any program belongs here.
"""
