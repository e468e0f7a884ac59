"""redis.asyncio, as web apps in Python use it: one loop, many tasks, a pool of connections, waiting workers and subscribers among them."""

import asyncio

import redis.asyncio
from redis_py import PROTOCOL
from use_case import HOST, PORT, equal, ok, run, use_case


def in_loop(body):
    """Runs an async use case in a loop of its own, with a client that is closed in it."""

    def wrapped(case):
        async def main():
            client = redis.asyncio.Redis(host=HOST, port=PORT, protocol=PROTOCOL, decode_responses=True)
            try:
                await body(client)
            finally:
                await client.aclose()

        asyncio.run(main())

    return wrapped


async def eventually(what, question, patience=3.0):
    end = asyncio.get_running_loop().time() + patience
    while not await question():
        ok(asyncio.get_running_loop().time() < end, f"still not true after {patience} s: {what}")
        await asyncio.sleep(0.01)


async def waiting(client, count):
    async def blocked():
        return (await client.info("clients"))["blocked_clients"] == count

    await eventually(f"{count} clients wait", blocked)


@use_case("B15.async ninety requests at once count in one pool")
@in_loop
async def counting(client):
    replies = await asyncio.gather(*[client.incr("hits") for _ in range(90)])
    equal(sorted(replies), list(range(1, 91)))
    async with client.pipeline() as pipe:
        equal(await pipe.hset("page:1", mapping={"views": 1}).hincrby("page:1", "views", 1).zincrby("pages", 1, "page:1").sadd("seen", "ann").execute(), [1, 2, 1.0, 1])


@use_case("B28.async ten tasks work off what three push: each job exactly once")
@in_loop
async def queue(client):
    async def work():
        mine = []
        while (job := (await client.brpop("jobs", 0))[1]) != "stop":
            mine.append(job)
        return mine

    async def push(number):
        for job in range(100):
            await client.lpush("jobs", f"{number}:{job}")

    workers = [asyncio.create_task(work()) for _ in range(10)]
    await waiting(client, 10)
    await asyncio.gather(*[push(number) for number in range(3)])
    await client.lpush("jobs", *["stop"] * 10)
    done = await asyncio.gather(*workers)
    equal(sorted(sum(done, [])), sorted(f"{number}:{job}" for number in range(3) for job in range(100)))
    for mine in done:
        for number in range(3):
            jobs = [int(job.split(":")[1]) for job in mine if job.startswith(f"{number}:")]
            equal(jobs, sorted(jobs), "each producer's jobs in order")


@use_case("B28.cancelled a task that gives up waiting takes no job with it")
@in_loop
async def cancelled(client):
    impatient = asyncio.create_task(client.blpop("jobs:2", 0))
    await waiting(client, 1)
    impatient.cancel()
    equal(await asyncio.gather(impatient, return_exceptions=True) and impatient.cancelled(), True)
    # The client closes the connection of a call that was given up, and the server notices.
    await waiting(client, 0)
    equal([await client.rpush("jobs:2", "kept"), await client.lrange("jobs:2", 0, -1)], [1, ["kept"]])


@use_case("B19.async subscribers in tasks of their own hear what requests publish")
@in_loop
async def subscribers(client):
    async def listen(count):
        messages = []
        async with client.pubsub() as subscription:
            await subscription.subscribe("news")
            await subscription.psubscribe("chat:*")
            async for message in subscription.listen():
                if message["type"] in ("message", "pmessage"):
                    messages.append((message["type"], message["channel"], message["data"]))
                if len(messages) == count:
                    return messages

    tasks = [asyncio.create_task(listen(150)) for _ in range(5)]

    async def everybody():
        return (await client.pubsub_numsub("news"))[0][1] == 5 and (await client.pubsub_numpat()) == 1

    await eventually("all five listen", everybody)
    for number in range(50):
        equal(await client.publish("news", number), 5)
        await asyncio.gather(*[client.publish(f"chat:{room}", number) for room in range(2)])
    for messages in await asyncio.gather(*tasks):
        for channel in ["news", "chat:0", "chat:1"]:
            equal([data for _, where, data in messages if where == channel], [str(number) for number in range(50)], channel)


run()
