"""Publish and subscribe: what one delivery costs the server, with one publisher and many subscribers.

The subscribers are a process of their own, which reads whatever arrives, so that the publisher waits for nobody
but the server. A round is over when all subscribers have everything.
"""

import multiprocessing
import selectors

from figures import measured
from servers import Client, encode

FORK = multiprocessing.get_context("fork")
CHANNEL = "news"
PAYLOAD = "x" * 64


def measure(servers, subscribers, depth, messages, rounds):
    """Microseconds of the server's processor time per delivery, by server."""
    parties = [Party(server, subscribers) for server in servers]
    publish = lambda count: lambda party: party.publish(count, depth)
    return measured(parties, rounds, publish(messages // 10), publish(messages))


class Party:
    def __init__(self, server, subscribers):
        self.server, self.subscribers = server, subscribers
        self.publisher = Client(server.port)
        self.wire, theirs = FORK.Pipe()
        self.reader = FORK.Process(target=read_all, args=(server.port, subscribers, theirs), daemon=True)
        self.reader.start()
        self.wire.recv()
        self.frame = len(encode(("message", CHANNEL, PAYLOAD)))

    def publish(self, messages, depth):
        request = encode(("PUBLISH", CHANNEL, PAYLOAD))
        batches = messages // depth
        answer = len(b":%d\r\n" % self.subscribers) * depth
        self.wire.send(batches * depth * self.frame * self.subscribers)
        before = self.server.cpu_us()
        for _ in range(batches):
            self.publisher.socket.sendall(request * depth)
            left = answer
            while left > 0:
                read = len(self.publisher.socket.recv(left))
                if read == 0:
                    raise SystemExit(f"compare: {self.server.name} closed the connection of the publisher")
                left -= read
        if not self.wire.poll(60):
            raise SystemExit(f"compare: {self.server.name} does not deliver what it says it did")
        self.wire.recv()
        return (self.server.cpu_us() - before) / (batches * depth * self.subscribers)

    def end(self):
        self.reader.terminate()
        self.reader.join()
        self.publisher.socket.close()


def read_all(port, count, wire):
    """The subscribers: told how many bytes will come, they say when all are there."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        client = Client(port)
        client.ask("SUBSCRIBE", CHANNEL)
        client.socket.setblocking(False)
        selector.register(client.socket, selectors.EVENT_READ)
    wire.send("ready")
    buffer = bytearray(1 << 16)
    while True:
        left = wire.recv()
        while left > 0:
            for ready, _ in selector.select():
                try:
                    read = ready.fileobj.recv_into(buffer)
                except BlockingIOError:
                    continue
                if read == 0:
                    return
                left -= read
        wire.send("all there")
