"""`tests.support.llm_server` as a process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running_llm() -> Iterator[str]:
    """The server's URL, while it runs."""
    process = subprocess.Popen([sys.executable, "-m", "tests.support.llm_server"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
