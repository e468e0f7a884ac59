"""Publish and subscribe: notifications, events about keys; what is delivered to whom, in which order, and when not at all."""

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from redis_py import PROTOCOL, open_client, together
from use_case import EVERY_BYTE, equal, eventually, fails, ok, run, use_case


def listen(case, client, *channels, patterns=()):
    """A subscription whose confirmations are read already."""
    subscription = client.pubsub()
    case.later(subscription.close)
    if channels:
        subscription.subscribe(*channels)
    if patterns:
        subscription.psubscribe(*patterns)
    for number in range(len(channels) + len(patterns)):
        confirmed = subscription.get_message(timeout=5)
        equal([confirmed["type"] in ("subscribe", "psubscribe"), confirmed["data"]], [True, number + 1])
    return subscription


def heard(subscription, count):
    """The next messages: type, channel and data of each."""
    messages = []

    def listen():
        # None also stands for a confirmation, which is not what we wait for.
        while message := subscription.get_message(ignore_subscribe_messages=True, timeout=0.1):
            messages.append((message["type"], message["channel"], message["data"]))
        return len(messages) >= count

    eventually(f"{count} messages have come", listen, patience=5)
    return messages


@use_case("B19 subscribe to notifications and publish from another connection")
def notifications(case):
    client = open_client(case)
    subscription = listen(case, client, "notifications", "orders")
    equal([client.publish("notifications", "hello"), client.publish("orders", "привет"), client.publish("notification", "no"), client.publish("orders", "")], [1, 1, 0, 1])
    equal(heard(subscription, 3), [("message", "notifications", "hello"), ("message", "orders", "привет"), ("message", "orders", "")])
    subscription.unsubscribe("notifications")
    equal(subscription.get_message(timeout=5)["data"], 1, "channels left")
    equal([client.publish("notifications", "x"), client.publish("orders", "last")], [0, 1])
    equal(heard(subscription, 1), [("message", "orders", "last")])


@use_case("B19.bytes any byte in a channel and in a message, and a message of a megabyte")
def any_bytes(case):
    client = open_client(case, decode_responses=False)
    subscription, big = listen(case, client, EVERY_BYTE), EVERY_BYTE * 4000
    equal([client.publish(EVERY_BYTE, EVERY_BYTE), client.publish(EVERY_BYTE, big)], [1, 1])
    ok([data for _, _, data in heard(subscription, 2)] == [EVERY_BYTE, big], "the same bytes")


@use_case("B19.patterns a pattern hears what fits it, and hears it besides the channel itself")
def patterns(case):
    client = open_client(case)
    subscription = listen(case, client, "chat:room:45", patterns=["chat:room:*", "h[ae]llo?"])
    equal([client.publish("chat:room:45", "both"), client.publish("chat:rooms", "no"), client.publish("hallo!", "1")], [2, 0, 1])
    equal(heard(subscription, 3), [("message", "chat:room:45", "both"), ("pmessage", "chat:room:45", "both"), ("pmessage", "hallo!", "1")])
    equal([client.pubsub_channels(), client.pubsub_numpat(), [tuple(entry) for entry in client.pubsub_numsub("chat:room:45", "x")]], [["chat:room:45"], 2, [("chat:room:45", 1), ("x", 0)]])


@use_case("B19.reconnect after its connection was lost a subscriber hears its channels and patterns again")
def reconnect(case):
    client = open_client(case)
    own = open_client(case, client_name="subscriber", retry=Retry(ConstantBackoff(0.02), 5))
    subscription = listen(case, own, "jobs", patterns=["chat:*"])
    before = next(line["id"] for line in client.client_list() if line["name"] == "subscriber")
    equal(client.client_kill_filter(_id=before), 1)

    def back():
        # The client notices while it looks for messages.
        subscription.get_message(timeout=0.01)
        return [line for line in client.client_list() if line["name"] == "subscriber" and line["id"] != before and (line["sub"], line["psub"]) == ("1", "1")]

    eventually("a new connection has it all", back)
    equal([client.publish("jobs", "1"), client.publish("chat:1", "2")], [1, 1])
    equal(heard(subscription, 2), [("message", "jobs", "1"), ("pmessage", "chat:1", "2")])


@use_case("B19.mode what a subscriber may do besides")
def mode(case):
    client = open_client(case, single_connection_client=True)
    connection = client.connection
    if PROTOCOL == 2:
        # Past the client's own guard, over its connection.
        connection.send_command("SUBSCRIBE", "mode")
        equal(connection.read_response(), ["subscribe", "mode", 1])
        for command in [["GET", "k"], ["PUBLISH", "mode", "x"], ["MULTI"], ["BLPOP", "k", "0"]]:
            connection.send_command(*command)
            fails(redis.ResponseError, f"Can't execute '{command[0].lower()}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", connection.read_response)
        connection.send_command("PING", "x")
        equal(connection.read_response(), ["pong", "x"])
        connection.send_command("UNSUBSCRIBE")
        equal(connection.read_response(), ["unsubscribe", "mode", 0])
        connection.send_command("UNSUBSCRIBE")
        equal(connection.read_response(), ["unsubscribe", None, 0], "nothing to leave")
    else:
        connection.send_command("SUBSCRIBE", "mode")
        equal(connection.read_response(push_request=True), ["subscribe", "mode", 1])
        connection.send_command("SET", "k", "v")
        equal(connection.read_response(), "OK")
        connection.send_command("PUBLISH", "mode", "to myself")
        # A message to oneself comes after the reply to PUBLISH.
        equal([connection.read_response(push_request=True), connection.read_response(push_request=True)], [1, ["message", "mode", "to myself"]])
        connection.send_command("UNSUBSCRIBE")
        equal(connection.read_response(push_request=True), ["unsubscribe", "mode", 0])
    equal([client.set("k", "v"), client.get("k")], [True, "v"], "an ordinary connection again")


@use_case("B19.shard shard channels are a world of their own")
def shard(case):
    client = open_client(case)
    subscription = client.pubsub()
    case.later(subscription.close)
    subscription.ssubscribe("orders")
    eventually("subscribed", lambda: client.pubsub_shardchannels() == ["orders"])
    equal([client.spublish("orders", "by shard"), client.publish("orders", "no"), client.spublish("none", "x")], [1, 0, 0])
    equal(heard(subscription, 1), [("smessage", "orders", "by shard")])
    equal([tuple(entry) for entry in client.pubsub_shardnumsub("orders", "x")], [("orders", 1), ("x", 0)])


@use_case("B20 fire and forget: who was not there has missed it")
def forget(case):
    client = open_client(case)
    equal(client.publish("chat:room123", '{"user":"charan"}'), 0, "nobody listens")
    subscription = listen(case, client, "chat:room123")
    equal(client.pipeline().publish("chat:room123", "in a transaction").set("k", "v").execute(), [1, True])
    equal(heard(subscription, 1), [("message", "chat:room123", "in a transaction")])
    equal(subscription.get_message(timeout=0.05), None, "nothing else")


@use_case("B20.order four publishers, three subscribers: everybody hears everything, each publisher in its order")
def order(case):
    client = open_client(case)
    subscriptions = [listen(case, client, "news") for _ in range(3)]

    def speak(number):
        pipe = client.pipeline(transaction=False)
        for index in range(500):
            pipe.publish("news", f"{number}:{index}")
        return pipe.execute()

    equal(together(4, speak), [[3] * 500] * 4)
    everything = [[data for _, _, data in heard(subscription, 2000)] for subscription in subscriptions]
    equal([everything[1] == everything[0], everything[2] == everything[0]], [True, True], "one order for all")
    for number in range(4):
        equal([data for data in everything[0] if data.startswith(f"{number}:")], [f"{number}:{index}" for index in range(500)])


@use_case("B20.slow a subscriber that does not read is cut, the others hear everything")
def slow(case):
    client = open_client(case)
    before = client.config_get("client-output-buffer-limit")["client-output-buffer-limit"]
    case.later(lambda: client.config_set("client-output-buffer-limit", before))
    client.config_set("client-output-buffer-limit", "pubsub 2mb 0 0")
    listen(case, client, "flood")
    message, sent, receivers = "x" * 10_000, 0, 1
    while receivers == 1 and sent < 5000:
        pipe = client.pipeline(transaction=False)
        for _ in range(50):
            pipe.publish("flood", message)
        receivers = pipe.execute()[-1]
        sent += 50
    ok(receivers == 0 and sent > 200, f"{receivers} receivers after {sent} messages")
    equal([tuple(entry) for entry in client.pubsub_numsub("flood")], [("flood", 0)])


@use_case("B6.events a cache that is told when its keys run out or are deleted")
def events(case):
    client = open_client(case)
    before = client.config_get("notify-keyspace-events")["notify-keyspace-events"]
    case.later(lambda: client.config_set("notify-keyspace-events", before))
    client.config_set("notify-keyspace-events", "Egx$l")
    subscription = listen(case, client, patterns=["__keyevent@0__:*"])
    client.psetex("product:1", 500, "{}")
    client.rpush("list", "x")
    client.delete("list", "none")
    said = [(channel.split(":")[1], data) for _, channel, data in heard(subscription, 5)]
    equal(said, [("set", "product:1"), ("expire", "product:1"), ("rpush", "list"), ("del", "list"), ("expired", "product:1")])


run()
