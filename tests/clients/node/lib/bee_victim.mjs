// A worker in a process of its own, which takes one job and never ends it: the driver kills it in the middle of it.
import Queue from "bee-queue";
import { server } from "./use_case.mjs";

const [, , queueName] = process.argv;
new Queue(queueName, { redis: server, stallInterval: 200 }).process(() => {
  process.send("working");
  return new Promise(() => {});
});
