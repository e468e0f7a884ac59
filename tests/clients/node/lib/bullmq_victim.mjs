// A worker in a process of its own, which takes one job and never ends it: the driver kills it in the middle of it.
import { worker } from "./bullmq.mjs";

const [, , queueName] = process.argv;
await worker({ later() {} }, queueName, () => {
  process.send("working");
  return new Promise(() => {});
}, { lockDuration: 300, skipStalledCheck: true });
