// A queue and a cache on one server whose memory is full all the time: the cache has a rule of its own and loses its oldest keys, and
// the queue's producers are refused until there is room. No job that was accepted is lost or done twice, and nobody is stuck.
import { equal, eventually, ok, skip, sleep, spares, useCase } from "../lib/use_case.mjs";
import { name, queue, redisOf, worker } from "../lib/bullmq.mjs";

const MIB = 1 << 20;
// CLIENT_TEST_LIMIT_MIB says more, for a longer drill.
const LIMIT_MIB = Number(process.env.CLIENT_TEST_LIMIT_MIB) || 8;
const LONGER = Math.max(1, LIMIT_MIB / 8);
const CACHE_MIB = LIMIT_MIB / 4;
const PAYLOAD = 40_000;
// Ten times what the server may keep, in jobs, and as much again in what is cached.
const JOBS = Math.ceil((10 * LIMIT_MIB * MIB) / PAYLOAD);
const PRODUCERS = 8;

const isFull = (error) => /OOM command not allowed/.test(error.message);

/** A server which is this use case's own, full as soon as it holds so much. */
async function small(t) {
  if (spares.length < 1) skip("wants a server of its own, which the runner has when it starts the servers itself");
  const [server] = spares;
  const redis = redisOf(t, server);
  await redis.flushall();
  try {
    await redis.config("SET", "maxmemory-rule", `cache:* allkeys-lru ${CACHE_MIB * MIB}`);
  } catch (error) {
    if (!/Unknown option|unsupported/i.test(error.message)) throw error;
    skip("the server has no rules for a part of its keys");
  }
  await redis.config("SET", "maxmemory-policy", "noeviction", "maxmemory", `${LIMIT_MIB}mb`);
  return redis;
}

async function figure(redis, section, field) {
  return Number((await redis.info(section)).match(new RegExp(`^${field}:(\\d+)`, "m"))?.[1]);
}

useCase(
  "B8.eviction a queue and a cache share a full server, and each gets ten times what fits",
  async (t) => {
    const redis = await small(t);
    const at = { connection: redisOf(t, spares[0]) };
    const q = await queue(t, name("full"), { ...at, defaultJobOptions: { removeOnComplete: true, attempts: 1 } });
    const payload = "j".repeat(PAYLOAD);
    const done = new Map();
    let [refused, most, open] = [0, 0, true];

    // Workers begin when it is full: the memory that a job takes comes back only when one is done.
    const work = async (job) => {
      equal(job.data.payload.length, PAYLOAD, "what a job brings");
      done.set(job.data.number, (done.get(job.data.number) ?? 0) + 1);
    };
    const workers = [];
    for (let number = 0; number < 3; number += 1) workers.push(await worker(t, q.name, work, { connection: redisOf(t, spares[0]), concurrency: 4, autorun: false }));

    // Every fourth is urgent and every fifth is for later, so that all ways into the queue are taken.
    const options = (number) => ({ ...(number % 4 ? {} : { priority: 1 + (number % 3) }), ...(number % 5 ? {} : { delay: 1 + (number % 50) }) });
    let next = 0;
    const produce = async () => {
      for (let number = (next += 1); number <= JOBS; number = next += 1) {
        for (;;) {
          try {
            await q.add("n", { number, payload }, options(number));
            break;
          } catch (error) {
            if (!isFull(error)) throw error;
            refused += 1;
            await sleep(5);
          }
        }
      }
    };

    let [stored, denied, hits] = [0, 0, 0];
    const own = redisOf(t, spares[0]);
    const value = "c".repeat(PAYLOAD);
    const cache = async () => {
      for (let key = 0; open || stored < JOBS; key += 1) {
        // What was cached just now, and what a busier cache has lost long ago.
        if (await own.get(`cache:${Math.max(0, key - 1)}`)) hits += 1;
        try {
          await own.set(`cache:${key}`, value);
          stored += 1;
        } catch (error) {
          // All that may be evicted is gone, since the queue has taken it all.
          if (!isFull(error)) throw error;
          denied += 1;
          await sleep(5);
        }
        most = key % 50 ? most : Math.max(most, await figure(redis, "memory", "used_memory"));
      }
    };

    const filling = Promise.all(Array.from({ length: PRODUCERS }, produce)).finally(() => { open = false; });
    const caching = cache();
    // Nobody waits for these yet, and their failure is told below.
    for (const each of [filling, caching]) each.catch(() => {});
    await eventually("the queue is full", () => refused > 50, 30_000 * LONGER);
    equal(done.size, 0);
    for (const each of workers) each.run().catch(() => {});

    await filling;
    await eventually("every job is done", async () => done.size === JOBS, 30_000 * LONGER);
    await caching;
    equal([...done.values()].filter((times) => times !== 1), [], "jobs that were done more than once");
    await eventually("nothing is left in the queue", async () => Object.values(await q.getJobCounts()).every((count) => count === 0));
    ok(hits > 0, "the cache was never of any use");
    ok((await figure(redis, "stats", "evicted_keys")) > 0, "nothing was evicted from the cache");
    // A hundredth, and what a few commands bring that were under way.
    ok(most < LIMIT_MIB * MIB * 1.01 + PRODUCERS * 4 * PAYLOAD, `it held ${most} bytes`);
    // It is as good as new.
    const last = await q.add("n", { number: JOBS + 1, payload });
    await eventually("the last job is done", () => done.has(JOBS + 1));
    equal([await own.set("cache:last", value), await own.get("cache:last"), last.id], ["OK", value, String(JOBS + 1)]);
  },
  100_000 * LONGER,
);
