// A server that a use case starts itself, to end it in the middle and start it again on the same data.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, program, skip } from "./use_case.mjs";

export function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

// Its standard input ends with the driver, however that ends, and the server with it.
const GUARD = '"$@" 3<&- >/dev/null 2>&1 & server=$!; echo $server; { cat >/dev/null; kill -9 $server; } <&3 >/dev/null & guard=$!; wait $server; kill $guard';

const listens = (port) => new Promise((resolve) => {
  const socket = connect(port, "127.0.0.1", () => {
    socket.destroy();
    resolve(true);
  });
  socket.once("error", () => resolve(false));
});

/** Starts one with the app's own settings behind the runner's; `restart` ends it by a signal and starts it anew. */
export async function ownServer(t, ...settings) {
  if (!program) skip("wants to start a server, which it can when the runner does");
  const [port, folder] = [await freePort(), mkdtempSync(join(tmpdir(), "clients-own-"))];
  t.later(() => rmSync(folder, { recursive: true, force: true }));
  const [command, ...words] = program.map((word) => word.replaceAll("{port}", port).replaceAll("{dir}", folder));
  let ended, pid;
  const end = async (signal) => {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
    await ended;
  };
  const start = async () => {
    const guard = spawn("sh", ["-c", `exec 3<&0; ${GUARD}`, "sh", command, ...words, "--dir", folder, ...settings], { cwd: folder, stdio: ["pipe", "pipe", "ignore"] });
    ended = new Promise((resolve) => guard.once("exit", resolve));
    pid = Number(await new Promise((resolve, reject) => guard.stdout.once("data", resolve).once("error", reject)));
    guard.stdout.resume();
    await eventually("the server listens", () => listens(port), 15_000);
  };
  t.later(() => end("SIGKILL"));
  await start();
  return {
    at: { host: "127.0.0.1", port },
    async restart(signal) {
      await end(signal);
      await start();
    },
  };
}
