// ioredis, in whichever version the runner asks for: 6 speaks RESP3, or RESP2 when told so, and 5 knows RESP2 alone. The drivers are
// the same for all three, because apps upgrade without rewriting their calls.
import { client as asked, server } from "./use_case.mjs";

export const version = asked.startsWith("ioredis5") ? 5 : 6;
export const protocol = version === 6 && !asked.endsWith("-resp2") ? 3 : 2;

const { Redis, ReplyError } = await import(`ioredis${version}`);
export { Redis, ReplyError };

/** The options an app would give, with the protocol only where the library has such an option. */
export function options(more = {}) {
  return { ...server, ...(version === 6 ? { protocol } : {}), ...more };
}

/** A client that is closed when the use case ends. */
export function open(t, more = {}) {
  const redis = new Redis(options(more));
  t.later(() => redis.disconnect());
  return redis;
}

/** Does the server know this command? Servers differ in what they have beyond the common set. */
export async function has(redis, command) {
  const [info] = await redis.call("COMMAND", "INFO", command);
  return Array.isArray(info);
}

/** One line of CLIENT LIST or CLIENT INFO as an object. */
export function fieldsOf(line) {
  return Object.fromEntries(line.trim().split(" ").map((field) => [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)]));
}
