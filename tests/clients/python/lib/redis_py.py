"""redis-py, which speaks RESP3 unless told otherwise: how the drivers beside this file open their clients."""

import threading

import redis
from use_case import CLIENT, HOST, PORT

PROTOCOL = 2 if CLIENT.endswith("-resp2") else 3


def open_client(case, **more):
    """A client with one pool of connections, closed when the use case ends."""
    options = {"host": HOST, "port": PORT, "protocol": PROTOCOL, "decode_responses": True, **more}
    client = redis.Redis(**options)
    case.later(client.close)
    return client


def has(client, command):
    """Does the server know this command? Servers differ in what they have beyond the common set."""
    return command in client.command_list()


def together(count, body):
    """Runs `body(number)` in as many threads at once and hands back their results; the first error of any of them is raised."""
    results, errors = [None] * count, []
    start = threading.Barrier(count)

    def work(number):
        try:
            start.wait()
            results[number] = body(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
