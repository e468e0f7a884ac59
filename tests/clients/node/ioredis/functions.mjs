// Functions: libraries of Lua that stay in the server, called by their names.
import { equal, fails, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/ioredis.mjs";

const LIBRARY = (version) => `#!lua name=shop
local VERSION = ${version}
local function reserve(keys, args)
  local left = tonumber(redis.call("HGET", keys[1], args[1]) or 0)
  if left < tonumber(args[2]) then return redis.error_reply("SOLD only " .. left .. " left") end
  return redis.call("HINCRBY", keys[1], args[1], -args[2])
end
redis.register_function("reserve", reserve)
redis.register_function{function_name = "left", callback = function(keys, args) return redis.call("HGET", keys[1], args[1]) end, flags = {"no-writes"}, description = "what is left"}
redis.register_function("version", function() return VERSION end)`;

useCase("B25.functions a library is loaded, called, replaced and taken away", async (t) => {
  const redis = open(t);
  await redis.function("FLUSH");
  equal(await redis.function("LOAD", LIBRARY(1)), "shop");
  await fails(redis.function("LOAD", LIBRARY(1)), /^ERR Library 'shop' already exists$/);
  await redis.hset("stock", "screws", 10);
  equal([await redis.fcall("reserve", 1, "stock", "screws", 3), await redis.fcall_ro("left", 1, "stock", "screws"), await redis.fcall("version", 0)], [7, "7", 1]);
  await fails(redis.fcall("reserve", 1, "stock", "screws", 8), /^SOLD only 7 left$/);
  await fails(redis.fcall_ro("reserve", 1, "stock", "screws", 1), /^ERR Can not execute a script with write flag using \*_ro command\.$/);
  await fails(redis.fcall("nothing", 0), /^ERR Function not found$/);
  equal([await redis.function("LOAD", "REPLACE", LIBRARY(2)), await redis.fcall("version", 0)], ["shop", 2]);
  const [library] = await redis.function("LIST", "LIBRARYNAME", "sh*");
  const at = (flat, name) => (Array.isArray(flat) ? flat[flat.indexOf(name) + 1] : flat[name]);
  equal([at(library, "library_name"), at(library, "engine"), at(library, "functions").map((each) => at(each, "name")).sort()], ["shop", "LUA", ["left", "reserve", "version"]]);
  equal((await redis.function("LIST", "LIBRARYNAME", "none")), []);
  // Moved to another server by its bytes.
  const dump = await redis.functionBuffer("DUMP");
  equal([await redis.function("FLUSH"), await redis.function("RESTORE", dump), await redis.fcall("version", 0)], ["OK", "OK", 2]);
  equal(await redis.multi().fcall("reserve", 1, "stock", "screws", 1).fcall("version", 0).exec(), [[null, 6], [null, 2]]);
  equal(await redis.function("DELETE", "shop"), "OK");
  await fails(redis.function("DELETE", "shop"), /^ERR Library not found$/);
  await fails(redis.function("LOAD", "return 1"), /^ERR Missing library metadata$/);
});
