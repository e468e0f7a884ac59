"""redis-cli and valkey-cli as people use them: one command, a pipe, or a terminal with a person at it."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from use_case import CLIENT, HOST, PORT

PEERS = Path(os.environ.get("RUSSET_PEERS") or Path.home() / ".cache/russet-peers")
PROGRAM = next((str(path) for path in [PEERS / "bin" / CLIENT] if path.exists()), None) or shutil.which(CLIENT)

# The tools read these, and the person who runs the tests may have them set.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("REDISCLI_AUTH", "VALKEYCLI_AUTH", "FAKETTY")}


def run_cli(*args, stdin=b"", port=PORT, env=None, timeout=15):
    """Runs the tool to its end. Output is bytes, since values may be anything."""
    command = [PROGRAM, "-h", HOST, "-p", str(port), *args]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, env={**ENVIRONMENT, **(env or {})})


def says(*args, **more):
    """What the tool prints for these arguments, as text without the last end of line."""
    return run_cli(*args, **more).stdout.decode().removesuffix("\n")


def start(case, *args):
    """Starts the tool in the background, for what never ends by itself."""
    process = subprocess.Popen([PROGRAM, "-h", HOST, "-p", str(PORT), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=ENVIRONMENT)
    case.later(process.wait)
    case.later(process.kill)
    return process


class Terminal:
    """A person at a terminal: what is typed goes in, what the screen was sent comes out."""

    def __init__(self, case, *args, port=PORT):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            # Without a width the tool asks the terminal itself, and here nobody would answer.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
            # A home that is not there, so that no history or settings of the person who runs the tests are touched.
            os.environ.clear()
            os.environ.update({**ENVIRONMENT, "TERM": "xterm", "HOME": "/nonexistent"})
            os.execv(PROGRAM, [PROGRAM, "-h", HOST, "-p", str(port), *args])
        self.text = ""
        case.later(self._end)

    def type(self, keys):
        os.write(self.screen, keys.encode())

    def enter(self, line, pattern=""):
        """Types a line, waits for its reply and then for the next prompt: what is typed before that, the terminal still edits itself."""
        self.type(line + "\r")
        return self.expect(pattern + rf".*?\r\n(not connected|{re.escape(HOST)}:{PORT}\S*)> ")

    def expect(self, pattern, patience=30):
        """Waits until the screen has shown this since the last time we looked, and forgets all up to it."""
        end = time.monotonic() + patience
        while True:
            found = re.search(pattern, self.text, re.DOTALL)
            if found:
                self.text = self.text[found.end() :]
                return found
            ready, _, _ = select.select([self.screen], [], [], max(0, end - time.monotonic()))
            try:
                piece = os.read(self.screen, 65536) if ready else b""
            except OSError:
                piece = b""
            if not piece:
                raise AssertionError(f"the terminal never showed {pattern!r}, but {self.text[-300:]!r}")
            # Colours would sit between the words we look for.
            self.text = re.sub(r"\x1b\[[0-9;]*m", "", self.text + piece.decode(errors="replace"))

    def _end(self):
        os.close(self.screen)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def absent():
    """Prints why nothing is run when the tool is not on this machine."""
    if PROGRAM is None:
        print(f'{{"absent": "{CLIENT} is neither in {PEERS}/bin nor on the PATH"}}')
        sys.exit(0)


absent()
