"""Plugins of strangers: what they may do at import, or when they are asked. Each also offers a clusterer, if it can."""

from __future__ import annotations

GOOD = '''
from kce import hookimpl


class Halves:
    """Cuts at the mean of one axis."""

    def __init__(self, axis: int = 0) -> None:
        self.axis = axis

    def fit_predict(self, x):
        return (x[:, self.axis] > x[:, self.axis].mean()).astype(int)


@hookimpl
def kce_clusterers():
    return {"NAME": Halves}
'''


def good(name: str) -> str:
    """The source of a plugin that offers a clusterer of this name."""
    return GOOD.replace("NAME", name)


HANGS = {
    "sleeps": "import time; time.sleep(1000)",
    "loops": "while True: pass",
    "loops_in_c": "sum(range(10**13))",
    "stops_itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "waits_for_a_lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "ignores_the_alarm": "import signal, time; signal.signal(signal.SIGALRM, signal.SIG_IGN); time.sleep(1000)",
    "opens_a_pipe": "import os, tempfile\np = tempfile.mkdtemp() + '/p'\nos.mkfifo(p)\nopen(p).read()",
    "regular_expression": "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
}
"""They never end. Name -> what a plugin does first."""

ENDS = {
    "exits_0": ("import os; os._exit(0)", "exit status 0"),
    "exits_3": ("import os; os._exit(3)", "exit status 3"),
    "segfaults": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "aborts": ("import os; os.abort()", "SIGABRT"),
    "kills_itself": ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    "terminates_itself": ("import os; os.kill(os.getpid(), 15)", "SIGTERM"),
    "kills_its_parent": ("import os, time; os.kill(os.getppid(), 9); time.sleep(1000)", "SIGKILL"),
    "kills_its_group": ("import os; os.killpg(0, 9)", "SIGKILL"),
    "closes_all_files": ("import os; os.closerange(0, 4096)", "exit status"),
    "sets_an_alarm": ("import signal, time; signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(1000)", "SIGALRM"),
    "out_of_time": ("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass", "SIG"),
    "exits_in_a_hook": (good("exits_in_a_hook") + "\ndef kce_reducers():\n    import os; os._exit(4)\n"
                        "kce_reducers = hookimpl(kce_reducers)", "exit status 4"),
}  # fmt: skip
"""They end their process. Name -> (what they do first, what is said of them)."""

RAISES = {
    "system_exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "keyboard_interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "generator_exit": ("raise GeneratorExit", "GeneratorExit"),
    "base_exception": ("class Odd(BaseException): pass\nraise Odd('no')", "Odd: no"),
    "interrupts_itself": ("import os, time; os.kill(os.getpid(), 2); time.sleep(1)", "KeyboardInterrupt"),
    "cancelled": ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
    "unprintable_error": ("class Odd(Exception):\n    def __str__(self): raise OSError\nraise Odd", "Odd"),
    "endless_error": ("raise ValueError('x' * 10**7)", "ValueError: xxx"),
    "coloured_error": (r"raise ValueError('\x1b[31mred\x1b[0m \u202e [bold]')", "ValueError"),
    "stop_iteration": ("raise StopIteration", "StopIteration"),
    "recursion": ("def f(): return f()\nf()", "RecursionError"),
    "no_memory": ("x = bytearray(10**16)", "MemoryError"),
    "missing_module": ("import nothing_of_this_name", "nothing_of_this_name"),
    "syntax": ("def broken(:", "SyntaxError"),
    "null_byte": ("x = 1\0", "null bytes"),
    "nested_brackets": ("(" * 5000 + ")" * 5000, "nested"),
    "encoding": ("# -*- coding: nonsense -*-\nx = 1", "SyntaxError"),
    "reads_input": ("input()", "EOFError"),
    "exception_group": ("raise ExceptionGroup('many', [ValueError(1)])", "ExceptionGroup"),
    "mistyped_hook": (good("m").replace("kce_clusterers", "kce_clusterer"), "Did you mean"),
    "returns_a_list": (good("m").replace('{"m": Halves}', "[Halves]"), "must return a dict"),
    "returns_the_odd": (good("m").replace('{"m": Halves}', "Odd()")
                        + "\nclass Odd:\n    def __repr__(self): raise OSError", "OSError"),
    "many_names": (good("m").replace('{"m": Halves}', "{str(n): Halves for n in range(10**5)}"), "more than"),
    "odd_names": (good("m").replace('{"m"', r'{"\x1b[31m"'), "printable"),
    "names_of_bytes": (good("m").replace('{"m"', '{b"m"'), "must return a dict"),
    "tracing": ("import sys; sys.settrace(lambda *a: 1 / 0)", "ZeroDivisionError"),
    "kce_api": ("KCE_API = '9' * 10000", "KCE_API"),
    "newer": ("KCE_API = '7.0'", "a newer version"),
    "hook_raises": (good("m").replace('return {"m": Halves}', "raise KeyboardInterrupt"), "KeyboardInterrupt"),
}  # fmt: skip
"""They cannot be used. Name -> (what they do first, what is said of them)."""

TOUCHES = {
    "prints": "print('{\"kind\": 1}' * 1000)",
    "prints_raw": "import os; os.write(1, b'junk'); os.write(2, b'\\x1b[2J')",
    "closes_stdout": "import sys; sys.stdout.close(); sys.stderr.close()",
    "no_stdout": "import sys; sys.stdout = sys.__stdout__ = sys.stderr = None",
    "closes_files": "import os; os.close(0); os.close(1); os.close(2)",
    "replaces_dumps": "import json; json.dumps = json.JSONEncoder.encode = lambda *a, **k: 'nonsense'",
    "replaces_print": "import builtins; builtins.print = builtins.open = lambda *a, **k: 1 / 0",
    "replaces_str": "import builtins; builtins.sorted = builtins.set = None",
    "no_import": "import builtins; builtins.__import__ = lambda *a, **k: 1 / 0",
    "signals": "import signal as s; s.signal(s.SIGINT, s.SIG_IGN); s.signal(s.SIGTERM, s.SIG_IGN)",
    "moves": "import os; os.chdir('/'); os.environ.clear()",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, 'C')",
    "no_path": "import sys; sys.path.clear()",
    "no_modules": "import sys\nfor n in list(sys.modules):\n    if n.startswith(('kce.r', 'json')): del sys.modules[n]",
    "low_recursion": "import sys; sys.setrecursionlimit(120)",
    "thread": "import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start()",
    "at_exit": "import atexit, time; atexit.register(time.sleep, 1000); atexit.register(print, 'junk')",
    "forks": "import os; os.fork()",
    "forks_and_stays": "import os, time\nif os.fork() == 0:\n    time.sleep(1000)",
    "starts_a_program": "import subprocess; subprocess.Popen(['sleep', '1000'])",
    "excepthook": "import sys; sys.excepthook = sys.unraisablehook = None",
    "warns": "import warnings; warnings.simplefilter('error'); warnings.warn_explicit = None",
    "getattr": "def __getattr__(name): return lambda: 1 / 0",
    "annotation": "class Odd:\n    def __init__(self, a: '1/0' = 1, b: 'no such' = 2): pass",
}
"""They touch what belongs to everybody, and can be used. Name -> what a plugin does first."""
