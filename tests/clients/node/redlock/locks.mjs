// Redlock over three servers: a lock is held where most of them agree. One of them hangs or dies, as servers do.
import { Redis as Redis5 } from "ioredis5";
import { Redis as Redis6 } from "ioredis6";
import Redlock, { ExecutionError, ResourceLockedError } from "redlock";
import { equal, eventually, oneTo, ok, skip, sleep, spares, useCase } from "../lib/use_case.mjs";

let resources = 0;
/** A resource nobody else locks. */
const resource = (word) => `${word}:${(resources += 1)}`;

/** A client for each server. What a hung server does not answer must not hold up a lock for ever. */
function clients(t, Redis) {
  if (spares.length < 3) skip("wants three servers of its own, which the runner has when it starts the servers itself");
  return spares.map(({ host, port }) => {
    const redis = new Redis({ host, port, commandTimeout: 1000, maxRetriesPerRequest: 0, retryStrategy: () => 50 });
    redis.on("error", () => {});
    t.later(() => redis.disconnect());
    return redis;
  });
}

function redlock(redises, settings = {}) {
  const made = new Redlock(redises, { retryCount: 0, ...settings });
  made.on("error", () => {});
  return made;
}

/** Fails because others hold the lock, and says so for most of the servers. */
async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    ok(error instanceof ExecutionError, `an ExecutionError: ${error}`);
    const { votesAgainst } = await error.attempts[0];
    return [...votesAgainst.values()].filter((reason) => reason instanceof ResourceLockedError).length;
  }
  throw new Error("somebody else got the lock, too");
}

/** Waits until all of them have this under the key; a lock is held, or free, as soon as most of them have answered. */
async function everywhere(redises, key, value) {
  await eventually(`${key} is ${value}`, async () => (await Promise.all(redises.map((redis) => redis.get(key)))).every((each) => each === value));
}

for (const [version, Redis] of [[5, Redis5], [6, Redis6]]) {
  useCase(`B26 one holder at a time, on all three servers, with ioredis ${version}`, async (t) => {
    const redises = clients(t, Redis);
    const [mine, yours] = [redlock(redises), redlock(redises)];
    const key = resource("order");
    const lock = await mine.acquire([key], 5000);
    await everywhere(redises, key, lock.value);
    for (const redis of redises) ok((await redis.pttl(key)) > 3000, "it has a deadline");
    equal(await refused(yours.acquire([key], 5000)), 3);
    await lock.release();
    await everywhere(redises, key, null);
    const next = await yours.acquire([key], 5000);
    // Who was late cannot free it, nor prolong it.
    await lock.release().then(() => { throw new Error("freed what is not his"); }, () => {});
    await lock.extend(1000).then(() => { throw new Error("prolonged what is not his"); }, () => {});
    await everywhere(redises, key, next.value);
    await next.release();
  });

  useCase(`B26.extend a lock prolonged in time, and gone after its time, with ioredis ${version}`, async (t) => {
    const redises = clients(t, Redis);
    const [mine, yours] = [redlock(redises), redlock(redises)];
    const key = resource("extend");
    let lock = await mine.acquire([key], 400);
    const first = lock.expiration;
    lock = await lock.extend(2000);
    ok(lock.expiration > first + 1000, "its own idea of the end");
    await eventually("the deadline has moved", async () => (await Promise.all(redises.map((redis) => redis.pttl(key)))).every((rest) => rest > 1000));
    lock = await lock.extend(300);
    equal(await refused(yours.acquire([key], 300)), 3);
    // When it has run out, the other one is the first to know, and nobody has to release anything.
    const end = lock.expiration;
    const next = await redlock(redises, { retryCount: 200, retryDelay: 10, retryJitter: 0 }).acquire([key], 1000);
    ok(Date.now() >= end - 20, "not before its end");
    await next.release();
  });

  useCase(`B26.several more resources at once, all or none, with ioredis ${version}`, async (t) => {
    const redises = clients(t, Redis);
    const [mine, yours] = [redlock(redises), redlock(redises)];
    const [from, to, other] = [resource("account"), resource("account"), resource("account")];
    const lock = await mine.acquire([from, to], 5000);
    equal(await refused(yours.acquire([other, to], 5000)), 3);
    await everywhere(redises, other, null);
    await lock.release();
    await (await yours.acquire([other, to], 5000)).release();
  });

  useCase(`B26.contest eight runners, one lock: never two of them at once, with ioredis ${version}`, async (t) => {
    const key = resource("contest");
    let [inside, entered] = [0, 0];
    await Promise.all(oneTo(8).map(async () => {
      // Tries of its own and not those of the library, which keeps a single vote from one try to the next: three runners with one vote
      // each would all wait until their votes have run out.
      const mine = redlock(clients(t, Redis));
      let lock;
      while (!lock) lock = await mine.acquire([key], 5000).catch(() => sleep(5 + Math.random() * 20));
      inside += 1;
      equal(inside, 1, "how many are inside");
      entered += 1;
      await sleep(2);
      inside -= 1;
      await lock.release();
    }));
    equal(entered, 8);
  });

  useCase(`B26.using work in a lock that is prolonged as long as it takes, with ioredis ${version}`, async (t) => {
    const redises = clients(t, Redis);
    const key = resource("using");
    const mine = redlock(redises, { automaticExtensionThreshold: 600 });
    const result = await mine.using([key], 1000, async (signal) => {
      for (let step = 0; step < 5; step += 1) {
        await sleep(250);
        ok(!signal.aborted, `${signal.error}`);
        equal(await refused(redlock(redises).acquire([key], 100)), 3);
      }
      return "done";
    });
    equal(result, "done");
    await everywhere(redises, key, null);
  });

  useCase(`B26.scripts a server that forgot its scripts is told them again, with ioredis ${version}`, async (t) => {
    const redises = clients(t, Redis);
    await Promise.all(redises.map((redis) => redis.script("FLUSH")));
    const lock = await redlock(redises).acquire([resource("scripts")], 5000);
    await redises[1].script("FLUSH");
    await (await lock.extend(5000)).release();
  });
}

useCase("B26.hung one server does not answer: two of three are enough, one of three is not", async (t) => {
  const redises = clients(t, Redis5);
  await Promise.all(redises.map((redis) => redis.ping()));
  const [first, second] = spares;
  const key = resource("hung");
  t.later(() => spares.forEach(({ pid }) => process.kill(pid, "SIGCONT")));
  process.kill(first.pid, "SIGSTOP");
  let lock = await redlock(redises).acquire([key], 5000);
  lock = await lock.extend(5000);
  ok((await refused(redlock(redises).acquire([key], 1000))) >= 2, "the other two refuse");
  await lock.release();
  process.kill(second.pid, "SIGSTOP");
  await refused(redlock(redises).acquire([resource("hung")], 1000));
  process.kill(first.pid, "SIGCONT");
  process.kill(second.pid, "SIGCONT");
  await eventually("all answer", async () => (await Promise.allSettled(redises.map((redis) => redis.ping()))).every(({ status }) => status === "fulfilled"));
  // What was asked of them while they slept they have done late; it ends with its time.
  const next = await redlock(redises, { retryCount: 100, retryDelay: 50 }).acquire([key], 1000);
  await next.release();
}, 30_000);

// This one comes last: the server does not come back.
useCase("B26.down one server is dead: locks are taken, kept and freed all the same", async (t) => {
  const redises = clients(t, Redis6);
  await Promise.all(redises.map((redis) => redis.ping()));
  const key = resource("down");
  const before = await redlock(redises).acquire([key], 5000);
  process.kill(spares[2].pid, "SIGKILL");
  await eventually("its client has seen it", () => redises[2].status !== "ready");
  ok((await refused(redlock(redises).acquire([key], 1000))) >= 2, "still held");
  await (await before.extend(5000)).release();
  const after = await redlock(redises).acquire([key], 5000);
  await everywhere(redises.slice(0, 2), key, after.value);
  await after.release();
});
