"""The workloads: a command for the load generator, and the data that must be there for it."""

from servers import chunks_of, encode

# Both load generators put a number of twelve digits here, another one in each request.
RANDOM = "__rand_int__"
VALUE = "xxx"


class Workload:
    def __init__(self, name, line, fill=None, refill=None):
        """`fill(keys)` says what is there before the first round; `refill(requests)` before each."""
        self.name, self.line, self.fill, self.refill = name, line.split(), fill, refill

    def prepare(self, server, keys):
        """Empties the server and fills it; says whether the server knows the command."""
        with server.connect() as client:
            client.ask("FLUSHALL")
            sample = [word.replace(RANDOM, "000000000001") for word in self.line]
            if client.ask(*sample).startswith(b"-"):
                return False
            client.ask("FLUSHALL")
            if self.fill:
                client.send_all(chunks_of(self.fill(keys)))
        return True

    def prepare_round(self, server, requests):
        if self.refill:
            with server.connect() as client:
                client.send_all(chunks_of(self.refill(requests)))


def key(number):
    return "key:%012d" % number


def strings(keys):
    return (encode(("SET", key(number), VALUE)) for number in range(keys))


def collection(command, name, element):
    """Fills one key with elements, a hundred in a request."""

    def fill(count):
        yield encode(("DEL", name))
        for first in range(0, count, 100):
            words = [command, name]
            for number in range(first, min(first + 100, count)):
                words += element(number)
            yield encode(words)

    return fill


def emptied(name):
    return lambda _: [encode(("DEL", name))]


def element(number):
    return "element:%012d" % number


def of_size(fill, count):
    return lambda _: fill(count)


LIST = collection("RPUSH", "list", lambda number: [VALUE])
SET = collection("SADD", "set", lambda number: [element(number)])
HASH = collection("HSET", "hash", lambda number: [element(number), VALUE])
# Scores in no order.
SORTED = collection("ZADD", "sorted", lambda number: [number * 7919 % 1_000_003, element(number)])
BOARD = collection("ZADD", "sorted", lambda number: [number, element(number)])

ALL = [
    Workload("PING", "PING"),
    Workload("SET", f"SET key:{RANDOM} {VALUE}"),
    Workload("SET, over another", f"SET key:{RANDOM} {VALUE}", fill=strings),
    Workload("SET with EX", f"SET key:{RANDOM} {VALUE} EX 3600"),
    Workload("GET", f"GET key:{RANDOM}", fill=strings),
    Workload("INCR", f"INCR counter:{RANDOM}"),
    Workload("MSET of 10", "MSET" + f" key:{RANDOM} {VALUE}" * 10),
    Workload("LPUSH", f"LPUSH list {VALUE}", refill=emptied("list")),
    Workload("RPUSH", f"RPUSH list {VALUE}", refill=emptied("list")),
    Workload("LPOP", "LPOP list", refill=LIST),
    Workload("RPOP", "RPOP list", refill=LIST),
    Workload("LRANGE of 100", "LRANGE list 0 99", fill=of_size(LIST, 600)),
    Workload("LRANGE of 300", "LRANGE list 0 299", fill=of_size(LIST, 600)),
    Workload("LRANGE of 600", "LRANGE list 0 599", fill=of_size(LIST, 600)),
    Workload("SADD", f"SADD set element:{RANDOM}", refill=emptied("set")),
    Workload("SISMEMBER", f"SISMEMBER set element:{RANDOM}", fill=SET),
    Workload("SPOP", "SPOP set", refill=SET),
    Workload("HSET", f"HSET hash element:{RANDOM} {VALUE}", refill=emptied("hash")),
    Workload("HGET", f"HGET hash element:{RANDOM}", fill=HASH),
    Workload("HGETALL of 20", "HGETALL hash", fill=of_size(HASH, 20)),
    Workload("ZADD", f"ZADD sorted {RANDOM} element:{RANDOM}", refill=emptied("sorted")),
    Workload("ZSCORE", f"ZSCORE sorted element:{RANDOM}", fill=SORTED),
    Workload("ZRANK", f"ZRANK sorted element:{RANDOM}", fill=SORTED),
    Workload("ZPOPMIN", "ZPOPMIN sorted", refill=SORTED),
    Workload("ZRANGE of 100", "ZRANGE sorted 100 199", fill=of_size(BOARD, 1000)),
    Workload("ZRANGEBYSCORE of 100", "ZRANGEBYSCORE sorted 100 199", fill=of_size(BOARD, 1000)),
]
QUICK = ["SET", "GET", "LPUSH", "HSET", "ZADD", "LRANGE of 100"]
