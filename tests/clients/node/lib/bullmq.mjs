// BullMQ in both versions that are in use. Version 6 is given the client an app installs beside it today, ioredis 6 with RESP3, and
// version 5 only says where the server is, and makes clients of ioredis 5 from that.
import { client as asked, server } from "./use_case.mjs";

export const version = asked.startsWith("bullmq5") ? 5 : 6;

/** Whatever the library had to say on the console: it warns about versions and policies of servers which it does not like. */
export const complaints = [];
for (const way of ["log", "info", "warn", "error"]) console[way] = (...words) => complaints.push(words.join(" "));
process.on("warning", (warning) => complaints.push(String(warning)));

const bullmq = await import(`bullmq${version}`);
const { Redis } = await import(version === 6 ? "ioredis6" : "ioredis5");
export const { Job, UnrecoverableError, DelayedError, RateLimitError, WaitingChildrenError } = bullmq;

let count = 0;
/** A name no other queue has. */
export const name = (word) => `${word}-${(count += 1)}`;

/** A client of the app's own, to look at the data from outside. */
export const open = (t) => redisOf(t, server);

/** The same at a server which is not the one that all drivers share. */
export function redisOf(t, { host, port }) {
  const redis = new Redis({ host, port, maxRetriesPerRequest: null });
  redis.on("error", () => {});
  t.later(() => redis.disconnect());
  return redis;
}

function connection(t) {
  return version === 6 ? open(t) : server;
}

async function ready(t, thing) {
  thing.on("error", () => {});
  t.later(() => thing.close());
  await thing.waitUntilReady();
  return thing;
}

export const queue = (t, word, more = {}) => ready(t, new bullmq.Queue(word, { connection: connection(t), ...more }));
export const flows = (t, more = {}) => ready(t, new bullmq.FlowProducer({ connection: connection(t), ...more }));
export const queueEvents = (t, word, more = {}) => ready(t, new bullmq.QueueEvents(word, { connection: connection(t), ...more }));
export const eventsProducer = (t, word) => ready(t, new bullmq.QueueEventsProducer(word, { connection: connection(t) }));

/** A worker that is closed by force: what it still works on is nobody's any more. */
export async function worker(t, word, process, more = {}) {
  const made = new bullmq.Worker(word, process, { connection: connection(t), ...more });
  made.on("error", () => {});
  t.later(() => made.close(true));
  await made.waitUntilReady();
  return made;
}
