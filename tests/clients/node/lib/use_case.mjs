// What every driver in this folder shares: it declares use cases with `useCase(name, body)`, and this file runs them one after the
// other and prints one JSON line for each. A driver is a process of its own, so that a hung or crashed client costs one file and
// not the whole run; the first line names all use cases, so that the runner knows what a crash swallowed.
import { cpus, loadavg } from "node:os";
import { isDeepStrictEqual, inspect } from "node:util";
import { Worker } from "node:worker_threads";

const job = JSON.parse(process.env.CLIENT_TEST ?? '{"client":"","host":"127.0.0.1","port":6379}');

/** Which client library is asked for, and with which protocol. */
export const client = job.client;
/** Where the server without a password listens. */
export const server = { host: job.host, port: job.port };
/** Servers which only this driver uses, as { host, port, pid }; none when the runner did not start the servers itself. */
export const spares = job.spares ?? [];
/** How a server is started, as words in which {port} and {dir} are to be filled in; undefined when the runner did not start any. */
export const program = job.program;
/** The second server, which wants a password; undefined when the runner was given none. */
export const guarded = job.authPort ? { host: job.host, port: job.authPort, password: job.password } : undefined;

// A use case that waits longer than this has hung; most take less than two seconds.
const PATIENCE_MS = 20_000;
// So much later than its time a delayed job may begin. It is five times as much on a machine where more processes wait for a processor
// than there are twice over: a compiler beside us, for example. CLIENT_TEST_LATE_MS says another number for both.
const LATE_MS = 50;
const lateMs = () => Number(process.env.CLIENT_TEST_LATE_MS) || (loadavg()[0] > 2 * cpus().length ? 5 * LATE_MS : LATE_MS);
// So much of a pause counts: while the whole machine stands still, as virtual ones do now and then, nobody's patience ends.
const PAUSE_MAX_MS = 500;
/** Milliseconds, as far as this process was given time; it goes on by itself. */
const patienceClock = (() => {
  let [at, last] = [0, performance.now()];
  const read = () => {
    const now = performance.now();
    at += Math.min(now - last, PAUSE_MAX_MS);
    last = now;
    return at;
  };
  setInterval(read, 100).unref();
  return read;
})();
const declared = [];
// Fails the use case that is under way; before there is one, it is the driver's end.
let unhandled = (error) => {
  process.stderr.write(`unhandled: ${error?.stack ?? error}\n`);
  process.exit(1);
};

/**
 * Declares one use case. Its first word is the number in the list of use cases, the rest says what an app does. One that has a lot
 * to do takes a patience of its own.
 */
export function useCase(name, body, patience = PATIENCE_MS) {
  if (declared.length === 0) setImmediate(runAll);
  declared.push({ name, body, patience });
}

/** Thrown by `skip`: the server or the machine cannot do this, and that is no fault. */
class Skip extends Error {}

export function skip(reason) {
  throw new Skip(reason);
}

export function equal(actual, expected, what = "value") {
  if (!isDeepStrictEqual(actual, expected)) throw new Error(`${what}: got ${brief(actual)}, wanted ${brief(expected)}`);
}

export function ok(condition, what) {
  if (!condition) throw new Error(what);
}

/** Awaits a failure and hands back the error, whose message must match. */
export async function fails(promise, pattern) {
  let reply;
  try {
    reply = await promise;
  } catch (error) {
    if (!pattern.test(error.message)) throw new Error(`failed with "${error.message}", wanted ${pattern}`);
    return error;
  }
  throw new Error(`got ${brief(reply)}, wanted an error like ${pattern}`);
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks again and again until the answer is true: for what the server does a moment after its reply. */
export async function eventually(what, question, patience = 3000) {
  const end = patienceClock() + patience;
  while (!(await question())) {
    if (patienceClock() > end) throw new Error(`still not true after ${patience} ms: ${what}`);
    await sleep(10);
  }
}

/**
 * Judges when something happened that was to happen at `due`, both in milliseconds of Date.now(): never before it, and not much after.
 * `lag` is a stopwatch started before, whose own lateness is taken off: who was not given the processor blames nobody else.
 */
export function onTime(due, happened, lag, what = "it") {
  // The clocks of two processes agree, but each of them counts whole milliseconds.
  if (happened < due - 1) throw new Error(`${what} happened ${due - happened} ms too early`);
  const late = happened - due - lag.between(due, happened);
  if (late > lateMs()) throw new Error(`${what} happened ${happened - due} ms too late, of which timers on this machine were held up for ${happened - due - late} ms`);
}

/**
 * Measures how late timers come on this machine, until the use case ends: in this thread, and in another one, which waits for a
 * processor as a server does. While either was held up nobody else is to blame.
 */
export function lagOf(t) {
  const stops = [];
  const timer = watchTimers((stop) => stops.push(stop));
  t.later(() => clearInterval(timer));
  const witness = new Worker(`(${watchTimers})(${(stop) => require("node:worker_threads").parentPort.postMessage(stop)})`, { eval: true });
  witness.on("message", (stop) => stops.push(stop));
  t.later(() => witness.terminate());
  return {
    between: (from, to) => {
      let [sum, seen] = [0, from];
      for (const stop of stops.toSorted((one, other) => one.from - other.from)) {
        const end = Math.min(stop.to, to);
        sum += Math.max(0, end - Math.max(stop.from, seen));
        seen = Math.max(seen, end);
      }
      return sum;
    },
  };
}

/** Tells of each time at which a timer came much later than it should have. */
function watchTimers(tell) {
  const STEP = 5;
  let last = Date.now();
  return setInterval(() => {
    const now = Date.now();
    if (now - last > 2 * STEP) tell({ from: last + STEP, to: now });
    last = now;
  }, STEP);
}

/** All 256 byte values, so that nothing in a key or value can be taken for an end of line, a length or bad UTF-8. */
export const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** Every number from 1 to `count`, sorted: what concurrent counters must have handed out when none was lost or given twice. */
export function oneTo(count) {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/**
 * Watches a key reach its deadline by reading it. `set` sends the command that gives it `ttl` milliseconds, `read` gets its value.
 * The clock starts somewhere between sending and receiving, so a reply that came before the earliest possible deadline must have
 * the value, and a read sent after the latest one must not. This holds on a machine of any speed.
 */
export async function goneAtDeadline(ttl, set, read) {
  const sent = performance.now();
  await set();
  const received = performance.now();
  let alive = 0;
  for (;;) {
    const asked = performance.now();
    const value = await read();
    const answered = performance.now();
    // Two milliseconds on either side are the server's clock, which counts whole milliseconds and only moves on between commands.
    if (value === null && answered < sent + ttl - 2) throw new Error(`gone ${Math.round(sent + ttl - answered)} ms too early`);
    if (value !== null && asked > received + ttl + 2) throw new Error(`still readable ${Math.round(asked - received - ttl)} ms after its deadline`);
    if (value === null) break;
    alive += 1;
    await sleep(1);
  }
  return alive;
}

async function runAll() {
  const wanted = declared.filter(({ name }) => chosen(name));
  print({ plan: wanted.map(({ name }) => name) });
  for (const { name, body, patience } of wanted) {
    const later = job.later?.find((entry) => covers(entry.use_case, idOf(name)));
    if (later) {
      print({ use_case: name, result: "skipped", ms: 0, note: `later: ${later.waits_for}` });
      continue;
    }
    await runOne(name, body, patience);
  }
  // Whatever a client library still holds open must not keep the process, and with it the run, from ending.
  process.exit(0);
}

async function runOne(name, body, patience) {
  const cleanups = [];
  const started = performance.now();
  const report = (result, note) => print({ use_case: name, result, ms: Math.round(performance.now() - started), note });
  let timer;
  try {
    const cutShort = new Promise((_, reject) => {
      unhandled = reject;
      const end = patienceClock() + patience;
      timer = setInterval(() => patienceClock() > end && reject(new Error(`no end after ${patience} ms`)), 50);
    });
    await Promise.race([body({ later: (cleanup) => cleanups.push(cleanup) }), cutShort]);
    report("passed");
  } catch (error) {
    if (error instanceof Skip) report("skipped", error.message);
    else report("failed", error?.stack ? `${error.message} ${placeOf(error)}` : String(error));
  } finally {
    clearInterval(timer);
    // What was still waited for fails now, and is nobody's fault any more.
    unhandled = () => {};
    for (const cleanup of cleanups.reverse()) await Promise.resolve().then(cleanup).catch(() => {});
    await sleep(5);
  }
}

function chosen(name) {
  return !job.use_cases?.length || job.use_cases.some((entry) => covers(entry, idOf(name)));
}

function idOf(name) {
  return name.split(" ", 1)[0];
}

// "B13" stands for itself and for its parts, "B13.getdel" and so on.
function covers(entry, id) {
  return id === entry || id.startsWith(`${entry}.`);
}

function placeOf(error) {
  const line = error.stack.split("\n").find((frame) => frame.includes("/node/") && !frame.includes("node_modules") && !frame.includes("lib/use_case"));
  return line ? `(${line.trim().replace(/^at /, "").replace(/^.*\/node\//, "")})` : "";
}

function brief(value) {
  const text = inspect(value, { depth: 4, breakLength: Infinity, maxArrayLength: 20, maxStringLength: 200 });
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// A failure that nobody waits for yet: it ends the use case which is under way, as it would end an app.
process.on("unhandledRejection", (error) => unhandled(error));
