"""What viewers of the page cost its server, while a rollout goes on: share of one core.

`--viewers` browsers, in a process of their own, keep an event stream open and load the rollout's
page again whenever it tells a new entry, as the page's script does. Every `--every` seconds an
entry is appended, as often as a plan of that interval looks. The CPU time of the server's process
is measured, which holds nothing else: `python -m benchmarks.page_viewers`.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from benchmarks.page_speed import fill
from rollout.decide.record.facts import Lived
from rollout.demo.servers.process import free_ports
from rollout.journal.sql.store import SqlJournal, open_journal
from rollout.page.access import PageAccess, names_of
from rollout.page.pages import PageSet
from rollout.page.reader import JournalReader
from rollout.page.render import Links
from rollout.page.serve import PageListener, serving_beside
from rollout.wire.clock import SystemClock

BAR = 0.1  # of a core
_TOKEN = "a-token-of-the-benchmark"  # noqa: S105 - of a server that ends with it


def view(port: int, path: str, loads: multiprocessing.sharedctypes.Synchronized[int]) -> None:
    """Follow the events, and load the page at each."""
    headers = {"authorization": f"Bearer {_TOKEN}"}
    stream = http.client.HTTPConnection("127.0.0.1", port)
    stream.request("GET", "/events", headers=headers)
    for line in stream.getresponse():
        if line.startswith(b"data:"):
            page = http.client.HTTPConnection("127.0.0.1", port)
            page.request("GET", path, headers=headers)
            assert page.getresponse().read()
            page.close()
            with loads.get_lock():
                loads.value += 1


def view_all(
    count: int, port: int, path: str, loads: multiprocessing.sharedctypes.Synchronized[int]
) -> None:
    """Be so many viewers, until the process is ended."""
    for _ in range(count):
        threading.Thread(target=view, args=(port, path, loads), daemon=True).start()
    time.sleep(3600)


def measure(where: Path, viewers: int, seconds: float, every: float) -> tuple[float, int]:
    """Return the share of a core that the server took, and how many pages it answered."""
    (port,) = free_ports(1)
    listener = PageListener("127.0.0.1", port)
    context = multiprocessing.get_context("spawn")
    loads = context.Value("l", 0)
    with closing(SqlJournal(where, readonly=True)) as journal:
        reader = JournalReader(journal, SystemClock().now)
        last = reader.refresh()
        going = next(name for name, own in reader.states().items() if not own.is_terminal)
        pages = PageSet(reader, journal, Links())
        with serving_beside(pages, listener, PageAccess(_TOKEN, names_of(listener.address))):
            path = pages.links.rollout(going)
            browsers = context.Process(target=view_all, args=(viewers, port, path, loads))
            browsers.start()
            while loads.value < viewers:  # each has loaded it once
                time.sleep(0.2)
            begun, loaded, ends = time.process_time(), loads.value, time.monotonic() + seconds
            with closing(open_journal(where)) as writer:
                while time.monotonic() < ends:
                    time.sleep(every)
                    lived = reader.states()[going].lived + every
                    fact = Lived(rollout=going, at=SystemClock().now(), lived=lived)
                    last = writer.append([fact], after=last)[-1].seq
            time.sleep(2)  # the last entry is told, too
            share = (time.process_time() - begun) / seconds
            browsers.terminate()
            browsers.join()
            return share, loads.value - loaded


def main() -> None:
    """Fill a journal, let viewers look, print; exit code 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--decisions", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=15.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "journal.db"
        fill(where, options.decisions)
        share, loads = measure(where, options.viewers, options.seconds, options.every)
    print(
        f"{options.viewers} viewers: {share:.3f} of a core (bar: {BAR:g}), {loads:,} pages in "
        f"{options.seconds:g} s"
    )
    raise SystemExit(0 if share <= BAR else 1)


if __name__ == "__main__":
    main()
