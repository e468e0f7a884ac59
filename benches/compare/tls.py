"""TLS: what a request and a handshake cost the server, with one cipher and one certificate for all servers.

Run by itself: `python3 benches/compare/tls.py [--quick]`. Requests come from redis-benchmark (`--tls`), handshakes
from OpenSSL through Python's ssl, in full and resumed. Only the server's processor time is compared, as elsewhere.
"""

import argparse
import socket
import ssl
import subprocess
import tempfile
import time

from figures import interleaved, median
from servers import Kind, Machine, cpu_us, find_program
from throughput import Generator

CIPHER = "TLS_AES_256_GCM_SHA384"
LINES = {
    "GET 64 B": ["GET", "key:__rand_int__"],
    "SET 64 B": ["SET", "key:__rand_int__", "x" * 64],
    "GET 4 KiB": ["GET", "large"],
}
KEYS = 100_000


class Certificates:
    """A certificate that vouches for itself, with a key of the kind that is asked for."""

    def __init__(self, folder, kind):
        self.certificate, self.key = f"{folder}/{kind}.crt", f"{folder}/{kind}.key"
        algorithm = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-keyout", self.key, "-out", self.certificate,
             "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip

    def options(self, port):
        return ["--tls-port", str(port), "--tls-cert-file", self.certificate, "--tls-key-file", self.key,
                "--tls-ca-cert-file", self.certificate, "--tls-auth-clients", "no", "--tls-ciphersuites", CIPHER]  # fmt: skip


class Secure:
    """A server as the generator and `cpu_us` need it, by its other port."""

    def __init__(self, kind, machine, certificates, extra):
        self.port = machine.ports.free()
        self.server = kind.start(machine, [*certificates.options(self.port), *extra])
        self.name = kind.name

    def cpu_us(self):
        return cpu_us(self.server.pid)


class SecureGenerator(Generator):
    """redis-benchmark over TLS."""

    def __init__(self, program, clients, certificates):
        super().__init__(program, clients, KEYS)
        self.certificates = certificates

    def run(self, server, line, requests, depth):
        options = ["--tls", "--cacert", self.certificates.certificate, "--tls-ciphersuites", CIPHER]
        return super().run(server, [*options, *line], requests, depth)


def requests(servers, generator, depths, rounds, count):
    rows = []
    for name, line in LINES.items():
        for depth in depths:
            found = {server.name: [] for server in servers}
            for order in interleaved(servers, rounds):
                for server in order:
                    # The first requests pay for connections and handshakes.
                    figures = generator.run(server, line, count * (4 if depth > 1 else 1), depth)
                    if figures:
                        found[server.name].append(figures["cpu"])
            rows.append((f"{name}, P={depth}", {name: median(values) for name, values in found.items() if values}))
            say_row("µs per request", *rows[-1])
    return rows


def handshakes(servers, kind, seconds, rounds, version):
    rows = []
    for resumed in (False, True):
        found = {server.name: [] for server in servers}
        for order in interleaved(servers, rounds):
            for server in order:
                found[server.name].append(handshake_rate(server, seconds, resumed, version))
        name = f"{kind}, {version.name.replace('v', ' ').replace('_', '.')}{', resumed' if resumed else ''}"
        rows.append((name, {name: median(values) for name, values in found.items()}))
        say_row("handshakes per second of processor time", *rows[-1])
    return rows


def handshake_rate(server, seconds, resumed, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if version == ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ECDHE+AESGCM")
    session = connect(context, server.port, None)[0] if resumed else None
    before, end, count, reused = server.cpu_us(), time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        _, was_reused = connect(context, server.port, session)
        count += 1
        reused += was_reused
    used = server.cpu_us() - before
    if resumed and reused < count:
        raise SystemExit(f"tls: {server.name} resumed {reused} of {count} sessions")
    return count / (used / 1e6)


def connect(context, port, session):
    with socket.create_connection(("127.0.0.1", port), 30) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(plain, session=session) as secure:
            # With TLS 1.3 the ticket comes with the first answer.
            secure.sendall(b"PING\r\n")
            if secure.recv(64) != b"+PONG\r\n":
                raise SystemExit("tls: no PONG")
            return secure.session, secure.session_reused


def idle_memory(servers, count, kind_of_read="VmRSS"):
    """KiB that a connection takes which has said PING and is silent since."""
    found = {}
    for server in servers:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        held = []
        for number in range(2 * count):
            if number == count:
                before = server.server.memory_kib(kind_of_read)
            plain = socket.create_connection(("127.0.0.1", server.port), 30)
            secure = context.wrap_socket(plain)
            secure.sendall(b"PING\r\n")
            secure.recv(64)
            held.append(secure)
        time.sleep(0.5)
        found[server.name] = (server.server.memory_kib(kind_of_read) - before) / count
        for secure in held:
            secure.close()
    say_row("KiB per idle connection", f"{count} more connections", found)


def say_row(what, name, figures):
    ours = figures.get("russet")
    peers = [value for peer, value in figures.items() if peer != "russet"]
    best = None
    if ours and peers:
        best = ours / (max(peers) if what.startswith("handshakes") else min(peers))
    shown = " / ".join(f"{peer} {value:.2f}" if value < 100 else f"{peer} {value:.0f}" for peer, value in figures.items())
    print(f"{name}: {what}: {shown}" + (f": {best:.2f} of the better peer" if best else ""), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="tls", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--russet"), parser.add_argument("--redis"), parser.add_argument("--valkey")
    parser.add_argument("--generator", help="redis-benchmark")
    parser.add_argument("--ports", help="such as 7000-7099")
    parser.add_argument("--unpinned", action="store_true")
    parser.add_argument("--only", choices=["requests", "handshakes", "idle"])
    given = parser.parse_args()
    machine = Machine(given.ports, not given.unpinned)
    programs = {name: find_program(f"{name}-server", getattr(given, name)) for name in ("russet", "redis", "valkey")}
    kinds = [Kind(name, program) for name, program in programs.items() if program]
    print(" / ".join(f"{kind.name} {kind.version()}" for kind in kinds), CIPHER)
    with tempfile.TemporaryDirectory() as folder:
        for key in ("rsa", "ec"):
            certificates = Certificates(folder, key)
            servers = [Secure(kind, machine, certificates, ()) for kind in kinds]
            try:
                if key == "rsa" and given.only in (None, "requests"):
                    generator = SecureGenerator(find_program("redis-benchmark", given.generator), 20, certificates)
                    for server in servers:
                        server.server.ask("SET", "large", "x" * 4096)
                    count, rounds = (30_000, 3) if given.quick else (100_000, 7)
                    requests(servers, generator, (1, 16), rounds, count)
                if given.only in (None, "handshakes"):
                    seconds, rounds = (1.5, 3) if given.quick else (3, 7)
                    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                        handshakes(servers, key, seconds, rounds, version)
                if key == "ec" and given.only in (None, "idle"):
                    idle_memory(servers, 100 if given.quick else 400)
            finally:
                for server in servers:
                    server.server.stop()


if __name__ == "__main__":
    main()
