"""KCE from Python: the commands as functions of the same names, with keyword arguments of the same names.

One file a command: it looks components up, calls what does the work, and returns a small result. The command line
parses words, calls these, and prints. Nothing here prints to standard output, and nothing heavy is imported before it
is needed.
"""
