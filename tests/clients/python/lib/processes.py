"""Worker processes of a driver: started here, ended by their pids, and with the driver should it be killed."""

import ctypes
import os
import signal
import subprocess
import tempfile
from pathlib import Path

from use_case import at_end

_LIBRARY = str(Path(__file__).resolve().parent)
_PR_SET_PDEATHSIG = 1
_started = []


def start(*command, **environment):
    """Starts a process in the folder of the drivers' library. What it says goes to a file, `said` reads it."""
    log = tempfile.TemporaryFile()
    libc = ctypes.CDLL(None) if os.uname().sysname == "Linux" else None

    def die_with_parent():
        if libc:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    process = subprocess.Popen(command, cwd=_LIBRARY, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
    process.log = log
    _started.append(process)
    return process


def said(process):
    process.log.seek(0)
    return process.log.read().decode(errors="replace")


def end(process, patience=10):
    """Asks it to end, and makes it end when it does not."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_all():
    for process in _started:
        if process.poll() is None:
            process.terminate()
    for process in _started:
        end(process, 5)


at_end(_end_all)
