"""Cutting on the machines of an engine: the same files as a local cut, whatever happens to machines in the meantime."""

from __future__ import annotations

import logging
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from kce.errors import KCEError, MachineFault
from kce.faces import cut_worker, engine_pool
from kce.faces.cut_worker import PieceResult, cut_piece, wait_for_files
from kce.faces.engine_pool import EnginePool
from kce.system.machine_faults import read_fault
from tests.faces.test_cut import Corpus, contents, quick, script

if TYPE_CHECKING:
    from kce.system.job import Job

LOCAL = "local:runs=2,threads=1"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path / "data", videos=2)


class Machines:
    """An engine of machines that are threads; a real piece of work is done for each job.

    Args:
        hosts: Their names; they take the jobs in turn.
        blind: Those that do not see the files.
        lost: Those that are lost with every job.
    """

    def __init__(self, *hosts: str, blind: str = "", lost: str = "") -> None:
        self.slots = len(hosts)
        self.hosts, self.blind, self.lost = hosts, blind, lost
        self.jobs: list[tuple[str, Job]] = []
        self._threads = ThreadPoolExecutor(1)  # a worker is one process, which does one job after another
        self._turn = count()

    def submit(self, job: Job) -> Future[Any]:
        host = self.hosts[next(self._turn) % len(self.hosts)]
        self.jobs.append((host, job))
        return self._threads.submit(self._do, host, job)

    def _do(self, host: str, job: Job) -> PieceResult:
        if host == self.lost:
            raise KCEError(f"the worker of {job.name} was lost 4 times", "check that its machine has enough memory")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "gethostname", lambda: host)
            if host == self.blind:
                patch.setattr(cut_worker, "wait_for_files", _none_is_there)
            result: PieceResult = cut_piece(**job.parameters)
        return result

    def stop(self) -> None:
        self._threads.submit(cut_worker._end_workers).result()
        self._threads.shutdown()


def _none_is_there(paths: list[str], _: float) -> dict[str, MachineFault]:
    return {path: read_fault(FileNotFoundError(2, "No such file"), path) for path in paths}


@pytest.fixture
def cutting(monkeypatch: pytest.MonkeyPatch) -> Callable[[Machines], None]:
    """Makes a cut use these machines, and wait for no file."""

    def use(machines: Machines) -> None:
        monkeypatch.setattr(engine_pool, "_WAIT", 0.0)
        monkeypatch.setattr(
            "kce.faces.cut._on_machines",
            lambda _, arguments: EnginePool(machines, arguments),  # type: ignore[arg-type]
        )

    return use


def test_an_engine_cuts_the_files_that_this_process_cuts(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    corpus.picture("real/black.png", "real", np.zeros((30, 30, 3), np.uint8))
    corpus.picture("real/white.png", "real", np.full((30, 30, 3), 255, np.uint8))
    one = quick(corpus, tmp_path / "one", home, per_category=7)
    two = quick(corpus, tmp_path / "two", home, per_category=7, workers=None, engine=LOCAL)
    assert one == two
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    # What is there is reused, whoever made it.
    assert quick(corpus, tmp_path / "one", home) == quick(corpus, tmp_path / "two", home)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_settings_that_cannot_be_are_refused_before_anything_is_cut(
    corpus: Corpus, tmp_path: Path, home: Path, cutting: Callable[[Machines], None]
) -> None:
    for wrong, words in (
        ({"engine": "locl"}, "no engine named"),
        ({"engine": LOCAL, "workers": 2}, "an engine has its own"),
    ):
        with pytest.raises(KCEError, match=words) as raised:
            quick(corpus, tmp_path / "a", home, **{"workers": None, **wrong})
        assert raised.value.hint
    assert not (tmp_path / "a").exists()
    cutting(Machines("node7"))
    with pytest.raises(KCEError, match="on node7: this detector wants something") as raised:
        quick(corpus, tmp_path / "b", home, workers=None, engine=LOCAL, detector="half:refuse=true")
    assert raised.value.hint == "give it that"
    assert not list((tmp_path / "b").glob("*/*.png"))


def test_no_more_is_handed_out_than_the_machines_need(
    corpus: Corpus, tmp_path: Path, home: Path, cutting: Callable[[Machines], None]
) -> None:
    """Whole pieces where there is much to do; no file that a category with a limit does not need."""
    machines = Machines("a", "b")
    cutting(machines)
    quick(corpus, tmp_path / "all", home, workers=None, engine=LOCAL)
    sizes = [len(job.parameters["paths"]) for _, job in machines.jobs]
    assert sizes == [0, 8, 8, 8, 2]
    machines = Machines("a", "b")
    cutting(machines)
    quick(corpus, tmp_path / "some", home, workers=None, engine=LOCAL, per_category=3)
    assert sum(len(job.parameters["paths"]) for _, job in machines.jobs) == 3 + 3 + 1
    many = EnginePool(Machines("a", "b"), ("half", str(home), 300, 1.25))
    assert many.ahead == 2 * 2  # a video of 300 frames is a piece
    many.__exit__()


def test_files_that_one_machine_does_not_see_are_cut_by_another(
    corpus: Corpus, tmp_path: Path, home: Path, cutting: Callable[[Machines], None], caplog: pytest.LogCaptureFixture
) -> None:
    quick(corpus, tmp_path / "whole", home)
    cutting(Machines("good", "bad", blind="bad"))
    with caplog.at_level(logging.WARNING):
        quick(corpus, tmp_path / "a", home, workers=None, engine=LOCAL, skip_failing=True)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "bad has a fault, and its files are tried again"  # once, not for every file
    ]


def test_files_that_no_machine_sees_are_an_error_that_names_the_machine_and_nothing_is_recorded(
    corpus: Corpus, tmp_path: Path, home: Path, cutting: Callable[[Machines], None]
) -> None:
    cutting(Machines("node7", blind="node7"))
    with pytest.raises(MachineFault, match=r"node7: .*is missing") as raised:
        quick(corpus, tmp_path / "a", home, workers=None, engine=LOCAL, skip_failing=True)
    assert "mount the folder on node7" in raised.value.hint
    assert not (tmp_path / "a" / "faces.csv").exists()
    quick(corpus, tmp_path / "a", home)
    quick(corpus, tmp_path / "whole", home)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_a_file_that_is_gone_everywhere_is_what_it_is_to_a_local_cut(
    corpus: Corpus, tmp_path: Path, home: Path, cutting: Callable[[Machines], None]
) -> None:
    gone = corpus.root / "real/03 (a).png"
    gone.unlink()
    machines = Machines("a", "b")
    cutting(machines)
    with pytest.raises(MachineFault) as raised:
        quick(corpus, tmp_path / "a", home, workers=None, engine=LOCAL)
    assert raised.value.message == f"{gone}: is missing"
    assert sum(str(gone) in job.parameters["paths"] for _, job in machines.jobs) == 1
    report = quick(corpus, tmp_path / "b", home, skip_failing=True)
    cutting(Machines("a", "b"))
    assert quick(corpus, tmp_path / "a", home, workers=None, engine=LOCAL, skip_failing=True) == report


def test_the_files_of_a_machine_that_is_lost_are_not_blamed(
    corpus: Corpus, tmp_path: Path, home: Path, cutting: Callable[[Machines], None]
) -> None:
    cutting(Machines("good", "bad", lost="bad"))
    with pytest.raises(MachineFault, match=r"cutting files 1 to 8 was lost 4 times") as raised:
        quick(corpus, tmp_path / "a", home, workers=None, engine=LOCAL, skip_failing=True)
    assert "enough memory" in raised.value.hint
    quick(corpus, tmp_path / "a", home)
    quick(corpus, tmp_path / "whole", home)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


@pytest.mark.parametrize(("kills", "faults"), [(2, 0), (99, 1)])
def test_a_file_whose_process_is_killed_is_tried_elsewhere_and_then_an_error_that_names_the_machine(
    corpus: Corpus,
    tmp_path: Path,
    home: Path,
    cutting: Callable[[Machines], None],
    monkeypatch: pytest.MonkeyPatch,
    kills: int,
    faults: int,
) -> None:
    """Two kills use up the tries of one piece; the next attempt succeeds."""
    monkeypatch.chdir(home)
    corpus.samples = corpus.samples[:4]
    corpus.picture("real/white.png", "real", np.full((30, 30, 3), 255, np.uint8))
    monkeypatch.setattr(engine_pool, "_ATTEMPTS", 2)
    cutting(Machines("a"))
    settings = {"detector": f"half:kills={kills}", "workers": None, "engine": LOCAL}
    if not faults:
        assert quick(corpus, tmp_path / "a", home, **settings).problems == ()
        return
    with pytest.raises(MachineFault, match=r"white\.png: its process was killed from outside") as raised:
        quick(corpus, tmp_path / "a", home, **settings)
    assert raised.value.hint.startswith("on a: ")


def test_a_file_that_appears_in_time_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    late = tmp_path / "late"
    timer = threading.Timer(0.2, lambda: late.write_text("x"))
    timer.start()
    assert wait_for_files([str(tmp_path / "there"), str(late)], 20.0) == {}
    timer.join()
    begun = time.monotonic()
    assert list(wait_for_files([str(late), str(tmp_path / "never")], 0.6)) == [str(tmp_path / "never")]
    assert time.monotonic() - begun > 0.5


def test_a_disk_that_does_not_answer_is_a_fault_and_blocks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()

    def hang(_: str) -> Any:
        answer.wait()
        raise FileNotFoundError(2, "No such file")

    monkeypatch.setattr(cut_worker, "open_regular", hang)
    monkeypatch.setattr(cut_worker, "_ANSWER", 0.05)
    (fault,) = wait_for_files([str(tmp_path / "a")], 5.0).values()
    assert "does not answer" in fault.message
    answer.set()


def test_a_machine_that_does_not_see_the_registry_cuts_nothing_with_another_detector_of_that_name(
    corpus: Corpus, home: Path
) -> None:
    paths = [str(corpus.root / "real/03 (a).png")]
    there, missing = str(home / "registry.toml"), str(home / "elsewhere" / "registry.toml")
    try:
        assert cut_piece(paths, "half", str(home), 5, 1.25, [there]).results[0][1] == []
        (unseen,) = cut_piece(paths, "half", str(home), 5, 1.25, [missing]).results
    finally:
        cut_worker._end_workers()
    assert unseen.fault.message == f"{missing}: is missing"


# ------------------------------------------------------------------------------------------------- kills and interrupts


def workers_at_work(parent: int, word: str) -> Iterator[psutil.Process]:
    """The processes below another one that have the processes which cut."""
    for process in psutil.Process(parent).children(recursive=True):
        try:
            words = " ".join(process.cmdline())
            if word in words and process.children():
                yield process
        except psutil.Error:
            continue


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended within some seconds; Python's own tracker of shared resources ends with its parent."""
    psutil.wait_procs(processes, timeout=10)
    return [
        process
        for process in processes
        if process.is_running()
        and process.status() != psutil.STATUS_ZOMBIE
        and "resource_tracker" not in " ".join(process.cmdline())
    ]


def test_a_killed_worker_costs_nothing_but_its_piece(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    quick(corpus, tmp_path / "whole", home, detector="half:slow=0.02")
    killed: list[int] = []

    def kill(what: str, done: int, _: int | None) -> None:
        if what == "cutting faces" and done and not killed:
            worker = next(workers_at_work(os.getpid(), "spawn_main"))
            killed.append(worker.pid)
            worker.kill()

    quick(corpus, tmp_path / "a", home, detector="half:slow=0.02", workers=None, engine=LOCAL, progress=kill)
    assert killed
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_an_interrupted_cut_ends_its_workers_and_goes_on(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    quick(corpus, tmp_path / "whole", home)
    workers: list[psutil.Process] = []

    def interrupt(what: str, done: int, _: int | None) -> None:
        if what == "cutting faces" and done:
            workers.extend(psutil.Process().children(recursive=True))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(corpus, tmp_path / "a", home, workers=None, engine=LOCAL, progress=interrupt)
    assert len(workers) >= 2
    assert not still_running(workers)
    quick(corpus, tmp_path / "a", home)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_an_interrupted_cut_leaves_no_process_and_goes_on(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    settings = {"detector": "half:slow=0.02"}
    quick(corpus, tmp_path / "whole", home, **settings)
    folder = tmp_path / "a"
    command = script(corpus, folder, home, engine=LOCAL, **settings)
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(folder.glob("*/*.png")):
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    os.kill(process.pid, signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert not still_running(workers)
    quick(corpus, folder, home, workers=None, engine=LOCAL, **settings)
    assert contents(folder) == contents(tmp_path / "whole")


# Ray leaves its log files to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_ray_cluster_whose_worker_is_killed_cuts_the_files_of_a_local_cut(
    corpus: Corpus, tmp_path: Path, home: Path
) -> None:
    pytest.importorskip("ray")
    settings = {"detector": "half:slow=0.05"}
    report = quick(corpus, tmp_path / "whole", home, **settings)
    killed: list[int] = []

    def kill(what: str, done: int, _: int | None) -> None:
        if what == "cutting faces" and done and not killed:
            for worker in islice(workers_at_work(os.getpid(), "ray::cutting"), 1):  # none between two pieces
                killed.append(worker.pid)
                worker.kill()

    engine = "ray:runs=2"
    assert quick(corpus, tmp_path / "a", home, workers=None, engine=engine, progress=kill, **settings) == report
    assert killed
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


@contextmanager
def ray_nodes(environment: dict[str, str], *starts: tuple[list[str], list[str]]) -> Iterator[None]:
    """The nodes of a Ray cluster, with one core each: what comes before the words that start it, and its options."""
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1", "--disable-usage-stats"]
    with tempfile.TemporaryDirectory(prefix="kce-ray-", ignore_cleanup_errors=True) as sockets:  # their paths are short
        try:
            for before, options in starts:
                words = [*before, *ray, *options, *([f"--temp-dir={sockets}"] if "--head" in options else [])]
                subprocess.run(words, env=environment, check=True, capture_output=True, timeout=120)
            yield
        finally:
            for process in psutil.process_iter():  # those whose words name this folder are of this cluster
                with suppress(psutil.Error):
                    if any(sockets in word for word in process.cmdline()):
                        process.kill()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("unshare") or os.geteuid() != 0, reason="needs to hide a folder from a process")
def test_a_ray_worker_that_loses_the_shared_folder_is_named_and_the_other_cuts_its_files(
    corpus: Corpus, tmp_path: Path, home: Path
) -> None:
    """Two nodes of a real cluster; over the folder of one lies an empty file system, as where nothing is mounted."""
    pytest.importorskip("ray")
    quick(corpus, tmp_path / "whole", home, detector="half:slow=0.05")
    ports = random.SystemRandom().sample(range(20_000, 30_000), 2)
    head = ["--head", "--node-ip-address=127.0.0.1", f"--port={ports[0]}", f"--ray-client-server-port={ports[1]}"]
    hide = ["unshare", "-m", "bash", "-c", f'mount -t tmpfs none "{corpus.root}" && exec "$@"', "bash"]
    address = f"127.0.0.1:{ports[0]}"
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with ray_nodes(environment, ([], [*head, "--include-dashboard=false"]), (hide, [f"--address={address}"])):
        command = script(corpus, tmp_path / "a", home, engine=f"ray:address='{address}'", detector="half:slow=0.05")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"{socket.gethostname()} has a fault, and its files are tried again: ") == 1
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")
