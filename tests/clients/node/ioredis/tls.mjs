// rediss:// with an authority of the app's own, without and with certificates for clients.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { equal, everyByte, ok, server, skip, useCase } from "../lib/use_case.mjs";
import { open, protocol, Redis, version } from "../lib/ioredis.mjs";
import { freePort } from "../lib/server.mjs";

/** An authority, and a certificate of each kind that it signed, as an operator makes them. */
function certificates(t) {
  const folder = mkdtempSync(join(tmpdir(), "clients-tls-"));
  t.later(() => rmSync(folder, { recursive: true }));
  const at = (file) => join(folder, file);
  const openssl = (...args) => execFileSync("openssl", args, { stdio: "pipe" });
  const key = (name) => ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", at(`${name}.key`), "-subj", `/CN=${name}`];
  try {
    openssl("req", "-x509", ...key("authority"), "-out", at("authority.crt"), "-days", "2", "-addext", "basicConstraints=critical,CA:TRUE");
    for (const [name, usage] of [["server", "serverAuth"], ["client", "clientAuth"]]) {
      writeFileSync(at("extensions"), `subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=${usage}\n`);
      openssl("req", ...key(name), "-out", at(`${name}.csr`));
      openssl("x509", "-req", "-in", at(`${name}.csr`), "-CA", at("authority.crt"), "-CAkey", at("authority.key"), "-CAcreateserial", "-days", "2", "-extfile", at("extensions"), "-out", at(`${name}.crt`));
    }
  } catch (error) {
    if (error.code === "ENOENT") skip("openssl is not on the PATH");
    throw new Error(`${error.message} ${error.stderr}`);
  }
  return at;
}

/** Switches TLS on while the server runs, and off at the end; hands back where, and the certificates. */
async function tls(t, auth) {
  if (server.host !== "127.0.0.1") skip("the server cannot read files of this machine");
  const [at, admin, port] = [certificates(t), open(t), await freePort()];
  const settings = { "tls-cert-file": at("server.crt"), "tls-key-file": at("server.key"), "tls-ca-cert-file": at("authority.crt"), "tls-auth-clients": auth, "tls-port": port };
  try {
    equal(await admin.config("SET", ...Object.entries(settings).flat().map(String)), "OK");
  } catch (error) {
    if (!/Unknown option|not built with TLS/i.test(error.message)) throw error;
    skip("the server has no TLS");
  }
  t.later(() => admin.config("SET", "tls-port", "0"));
  return { at, port };
}

function connect(t, port, more) {
  const redis = new Redis(`rediss://localhost:${port}`, { tls: more, family: 4, retryStrategy: null, maxRetriesPerRequest: 0, lazyConnect: true, ...(version === 6 ? { protocol } : {}) });
  redis.on("error", () => {});
  t.later(() => redis.disconnect());
  return redis;
}

/** Is the client refused, before or just after the handshake? */
async function refused(redis) {
  try {
    await redis.connect();
    await redis.ping();
  } catch {
    return true;
  }
  return false;
}

useCase("A4 rediss:// with an authority of one's own", async (t) => {
  const { at, port } = await tls(t, "no");
  const ca = readFileSync(at("authority.crt"));
  const redis = connect(t, port, { ca });
  await redis.connect();
  equal(await redis.set("tls:key", everyByte), "OK");
  equal(await redis.getBuffer("tls:key"), everyByte);
  // More than a record, in both directions, and many at once.
  const large = "0123456789".repeat(200_000);
  equal(await redis.set("tls:large", large), "OK");
  ok((await redis.get("tls:large")) === large, "two megabytes");
  const numbers = redis.pipeline();
  for (let number = 0; number < 2000; number += 1) numbers.incr("tls:counter");
  equal((await numbers.exec()).at(-1), [null, 2000]);
  const listener = redis.duplicate();
  t.later(() => listener.disconnect());
  const heard = new Promise((resolve) => listener.once("message", (_, message) => resolve(message)));
  await listener.subscribe("tls:news");
  equal(await redis.publish("tls:news", "hi"), 1);
  equal(await heard, "hi");
  // Who does not know the authority does not trust the server, and who speaks in plain text is not heard.
  ok(await refused(connect(t, port, {})), "an authority that nobody knows");
  const plain = new Redis({ ...server, port, retryStrategy: null, maxRetriesPerRequest: 0, lazyConnect: true });
  plain.on("error", () => {});
  t.later(() => plain.disconnect());
  ok(await refused(plain), "plain text");
});

useCase("A4.mutual only clients with a certificate are let in", async (t) => {
  const { at, port } = await tls(t, "yes");
  const ca = readFileSync(at("authority.crt"));
  ok(await refused(connect(t, port, { ca })), "without a certificate");
  const redis = connect(t, port, { ca, cert: readFileSync(at("client.crt")), key: readFileSync(at("client.key")) });
  await redis.connect();
  equal([await redis.set("tls:mutual", "x"), await redis.get("tls:mutual")], ["OK", "x"]);
});
