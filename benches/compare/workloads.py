"""The workloads: a command for the load generator, and the data that must be there for it."""

import hashlib
import shlex

from servers import chunks_of, encode

# Both load generators put a number of twelve digits here, another one in each request.
RANDOM = "__rand_int__"
VALUE = "xxx"


class Workload:
    def __init__(self, name, line, fill=None, refill=None):
        """`fill(keys)` says what is there before the first round; `refill(requests)` before each."""
        self.name, self.line, self.fill, self.refill = name, shlex.split(line), fill, refill

    def prepare(self, server, keys):
        """Empties the server and fills it; says whether the server knows the command."""
        with server.connect() as client:
            client.ask("FLUSHALL")
            sample = [word.replace(RANDOM, "000000000001") for word in self.line]
            if client.ask(*sample).startswith(b"-ERR unknown command"):
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


def stream(prepared):
    """A stream with a group. Its ids are 0-N, so that the load generator can name them."""

    def fill(count):
        yield encode(("DEL", "stream"))
        yield encode(("XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM"))
        for number in range(1, count + 1):
            yield encode(("XADD", "stream", f"0-{number}", "field", VALUE))
        if prepared == "delivered":
            # By a script, so that the entries need not be sent.
            yield encode(("EVAL", READ_ALL, "1", "stream", count))

    return fill


READ_ALL = "redis.call('XREADGROUP','GROUP','group','reader','COUNT',ARGV[1],'STREAMS',KEYS[1],'>') return 1"


def places(count):
    """Points in an area of about a hundred kilometres, spread evenly and in no order."""
    yield encode(("DEL", "places"))
    for number in range(count):
        longitude, latitude = 13 + (number * 7919 % 10007) / 10007, 52 + (number * 104729 % 10009) / 10009
        yield encode(("GEOADD", "places", f"{longitude:.6f}", f"{latitude:.6f}", element(number)))


NEARBY = "GEOSEARCH places FROMLONLAT 13.5 52.5 BYRADIUS"


def visitors(keys):
    """Two dense counters, and one that is sparse."""
    for name, count in (("visitors:1", 50_000), ("visitors:2", 50_000), ("visitors:few", 100)):
        for first in range(0, count, 100):
            yield encode(("PFADD", name, *(f"{name}:{number}" for number in range(first, min(first + 100, count)))))


INCR_SCRIPT = "return redis.call('INCR',KEYS[1])"
# What queues do on each job, in small: several commands, arguments and a table.
JOB_SCRIPT = (
    "local id = redis.call('INCR', KEYS[1]) redis.call('HSET', KEYS[2], 'id', id, 'data', ARGV[1]) "
    "redis.call('LPUSH', KEYS[3], id) redis.call('LTRIM', KEYS[3], 0, 99) return {id, ARGV[1]}"
)


def digest(script):
    return hashlib.sha1(script.encode()).hexdigest()


def loaded(script):
    return lambda _: [encode(("SCRIPT", "LOAD", script))]


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
    Workload("XADD", f"XADD stream * field {VALUE}", refill=emptied("stream")),
    Workload("XADD with MAXLEN ~", f"XADD stream MAXLEN ~ 1000 * field {VALUE}", refill=emptied("stream")),
    Workload("XRANGE of 100", "XRANGE stream - + COUNT 100", fill=of_size(stream("new"), 1000)),
    Workload("XREADGROUP", "XREADGROUP GROUP group reader COUNT 1 STREAMS stream >", refill=stream("new")),
    Workload("XACK", f"XACK stream group 0-{RANDOM}", refill=stream("delivered")),
    Workload("EVAL of 1", "EVAL 'return 1' 0"),
    Workload("EVAL of INCR", f'EVAL "{INCR_SCRIPT}" 1 counter:{RANDOM}'),
    Workload("EVALSHA of INCR", f"EVALSHA {digest(INCR_SCRIPT)} 1 counter:{RANDOM}", fill=loaded(INCR_SCRIPT)),
    Workload(
        "EVALSHA of a job", f"EVALSHA {digest(JOB_SCRIPT)} 3 ids job:{RANDOM} jobs {VALUE}", fill=loaded(JOB_SCRIPT)
    ),
    Workload("GEOADD", f"GEOADD places 13.5 52.5 element:{RANDOM}", refill=emptied("places")),
    Workload("GEOSEARCH of 30", f"{NEARBY} 9 km ASC", fill=of_size(places, 1000)),
    Workload("GEOSEARCH of 10 in 100 k", f"{NEARBY} 0.5 km ASC", fill=of_size(places, 100_000)),
    Workload("PFADD", f"PFADD visitors element:{RANDOM}", refill=emptied("visitors")),
    Workload("PFCOUNT", "PFCOUNT visitors:1", fill=visitors),
    Workload("PFCOUNT of 3", "PFCOUNT visitors:1 visitors:2 visitors:few", fill=visitors),
    Workload("PFMERGE of 3", "PFMERGE visitors:all visitors:1 visitors:2 visitors:few", fill=visitors),
]
QUICK = ["SET", "GET", "LPUSH", "HSET", "ZADD", "LRANGE of 100"]
