"""A container without an engine: namespaces of its own, the image's tree for a root, and a program in it."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
PATIENCE = 20
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Besides that of the machine itself: one of a private network, and one that anybody might have.
ADDRESSES = ["127.0.0.1", "10.9.8.7", "8.8.8.8"]


class Failed(Exception):
    """The image does not do what it promises."""


def check(is_so, text):
    if not is_so:
        raise Failed(text)


def is_possible():
    """Why there can be no containers here; nothing, if there can be."""
    if os.geteuid() != 0:
        return "root is needed"
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "unshare and nsenter are needed"
    made = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], capture_output=True)
    return None if made.returncode == 0 else "no namespaces: " + made.stderr.decode().strip()


class Image:
    """The tree that the Dockerfile makes, with the libraries of a binary that is not static."""

    def __init__(self, binary):
        self.folder = Path(tempfile.mkdtemp(prefix="russet-image-"))
        # A container may run as anybody.
        self.folder.chmod(0o755)
        subprocess.run([TOP / "docker/tree", binary, self.folder], check=True)
        for name in self._libraries(binary):
            to = self.folder / name.lstrip("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, to)

    @staticmethod
    def _libraries(binary):
        listed = subprocess.run(["ldd", binary], capture_output=True, text=True)
        words = (word for line in listed.stdout.splitlines() for word in line.split())
        return [word for word in words if word.startswith("/") and ".so" in word]

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Container:
    def __init__(self, image, *args, env=None, user=None, volume=None, seeds=None, files=None, secret=None, tight=False):
        """`volume` is a folder that is kept; `seeds` and `files` are texts by their names, of which `secret` is root's alone. `tight`
        is a root without capabilities, on a disk that is for reading but for the volume."""
        self.folder = Path(tempfile.mkdtemp(prefix="russet-container-"))
        self.folder.chmod(0o755)
        self.root = self.folder / "root"
        subprocess.run(["cp", "-al", image.folder, self.root], check=True)
        # Hard links may not be changed, but these are folders.
        self.data = self.root / "data"
        for name, text in {**{"docker-entrypoint-initdb.d/" + name: text for name, text in (seeds or {}).items()}, **(files or {})}.items():
            to = self.root / name
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(text if isinstance(text, bytes) else text.encode())
        if secret:
            (self.root / secret).chmod(0o600)
        self.log_path = self.folder / "log"
        command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", sys.executable, HERE / "container.py", self.root, str(volume or ""), str(user or 0), "tight" if tight else "", *args]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, env={"PATH": PATH, **(env or {})}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def _first_pid(self):
        """The process that is the first one inside."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = path.read_text().split() if path.exists() else []
        return children[0] if children else None

    def _is_begun(self):
        self.pid = self.pid or self._first_pid()
        return self.pid or self.process.poll() is not None

    def run(self, *command, user=None, env=None):
        """What `docker exec` does."""
        until(self._is_begun, lambda: "the container does not begin")
        check(self.pid, "the container has ended:\n" + self.log())
        inside = ["nsenter", "--target", self.pid, "--mount", "--pid", "--net", "--root", "--wd"]
        if user is not None:
            inside += ["--setuid", str(user), "--setgid", str(user)]
        done = subprocess.run([*inside, *command], env={"PATH": PATH, **(env or {})}, capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stdout.rstrip("\n"), done.stderr.rstrip("\n")

    def cli(self, *words, **more):
        code, out, error = self.run("/usr/local/bin/redis-cli", *words, **more)
        check(code == 0, f"redis-cli {words} ended with {code}: {out} {error}\n{self.log()}")
        return out

    def health(self):
        code, out, _ = self.run("/usr/local/bin/russet-server", "healthcheck")
        return code, out

    def await_health(self):
        until(lambda: self.health() == (0, "ok"), lambda: f"not healthy: {self.health()}\n{self.log()}")

    def await_log(self, text):
        until(lambda: text in self.log(), lambda: f"no {text!r} in the log:\n{self.log()}")

    def await_end(self):
        """The code that it ends with."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed("it does not end:\n" + self.log()) from None

    def stop(self):
        """What `docker stop` does; the code that it ends with."""
        until(self._is_begun, lambda: "the container does not begin")
        os.kill(int(self.pid), 15)
        return self.await_end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Its first process goes with it, and all others go with that.
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def until(is_so, why):
    end = time.monotonic() + PATIENCE
    while not is_so():
        check(time.monotonic() < end, why())
        time.sleep(0.05)


def enter(root, volume, user, tight, *args):
    """Inside of the namespaces: what an engine does before it runs the entrypoint."""
    os.umask(0o022)
    put_addresses()
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    os.makedirs(root + "/proc", exist_ok=True)
    subprocess.run(["mount", "-t", "proc", "proc", root + "/proc"], check=True)
    put_devices(root)
    if tight:
        subprocess.run(["mount", "--rbind", root, root], check=True)
    if volume:
        subprocess.run(["mount", "--bind", volume, root + "/data"], check=True)
    if tight:
        subprocess.run(["mount", "--bind", "-o", "remount,ro", root], check=True)
    os.chroot(root)
    os.chdir("/data")
    if tight:
        PR_CAPBSET_DROP, CAPABILITIES = 24, 64
        libc = ctypes.CDLL(None)
        # Those that the kernel does not have are refused.
        for number in range(CAPABILITIES):
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    if user != "0":
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    os.execvpe("docker-entrypoint.sh", ["docker-entrypoint.sh", *(args or ["redis-server"])], os.environ)


def put_devices(root):
    """Those that every engine puts there; a static binary has its dice from them."""
    os.makedirs(root + "/dev", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", root + "/dev"], check=True)
    for name in ["null", "zero", "random", "urandom"]:
        Path(root, "dev", name).touch()
        subprocess.run(["mount", "--bind", "/dev/" + name, f"{root}/dev/{name}"], check=True)


def put_addresses():
    SIOCSIFADDR, SIOCGIFFLAGS, SIOCSIFFLAGS, UP = 0x8916, 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        for number, address in enumerate(ADDRESSES):
            name = b"lo" if number == 0 else b"lo:%d" % number
            fcntl.ioctl(it, SIOCSIFADDR, struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address)))
        flags = struct.unpack("16sH", fcntl.ioctl(it, SIOCGIFFLAGS, struct.pack("16sH", b"lo", 0) + b"\0" * 14)[:18])[1]
        fcntl.ioctl(it, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | UP))


if __name__ == "__main__":
    enter(*sys.argv[1:])
