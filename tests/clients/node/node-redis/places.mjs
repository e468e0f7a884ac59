// Drivers nearby, and unique visitors: GEO and HyperLogLog.
import { equal, fails, ok, useCase } from "../lib/use_case.mjs";
import { open } from "../lib/node_redis.mjs";

const near = (actual, wanted, by = 1e-9) => ok(Math.abs(Number(actual) - wanted) < by, `${actual} is not ${wanted}`);

useCase("B31 drivers within five kilometres, with distance and place", async (t) => {
  const client = await open(t);
  const places = [["driver:1", -122.4194, 37.7749], ["driver:2", -122.4094, 37.7849], ["driver:3", -122.5, 38.5]].map(([member, longitude, latitude]) => ({ member, longitude, latitude }));
  equal(await client.geoAdd("drivers", places), 3);
  const centre = { longitude: -122.415, latitude: 37.78 };
  for (const found of [await client.geoRadiusWith("drivers", centre, 5, "km", ["WITHDIST", "WITHCOORD"]), await client.geoSearchWith("drivers", centre, { radius: 5, unit: "km" }, ["WITHDIST", "WITHCOORD"], { SORT: "ASC" })]) {
    equal(found.map(({ member, distance }) => [member, distance]).sort(), [["driver:1", 0.6867], ["driver:2", 0.7342]]);
    const { coordinates } = found.find(({ member }) => member === "driver:1");
    near(coordinates.longitude, -122.41940170526505);
    near(coordinates.latitude, 37.77490001056578);
  }
  near(await client.geoDist("drivers", "driver:1", "driver:2", "km"), 1.4176);
  equal([await client.geoDist("drivers", "driver:1", "none"), await client.geoHash("drivers", ["driver:1", "none"]), (await client.geoPos("drivers", "none"))[0]], [null, ["9q8yyk8ytp0", null], null]);
  equal([await client.geoSearch("drivers", "driver:1", { width: 10, height: 10, unit: "km" }, { SORT: "DESC", COUNT: 1 }), await client.geoSearchStore("near", "drivers", centre, { radius: 5, unit: "km" }), await client.zCard("near")], [["driver:2"], 2, 2]);
  await fails(client.geoAdd("drivers", { member: "far", longitude: 181, latitude: 1 }), /^ERR invalid longitude,latitude pair/);
});

useCase("B23 unique visitors of a day, and of a week", async (t) => {
  const client = await open(t);
  equal([await client.pfAdd("mon", ["ann", "bob", "ann"]), await client.pfAdd("mon", "ann"), await client.pfAdd("tue", ["bob", "cid"]), await client.pfCount("mon"), await client.pfCount("none")], [1, 0, 1, 2, 0]);
  equal([await client.pfCount(["mon", "tue"]), await client.pfMerge("week", ["mon", "tue"]), await client.pfCount("week")], [3, "OK", 3]);
  for (let from = 0; from < 10_000; from += 1000) await client.pfAdd("visitors", Array.from({ length: 1000 }, (_, index) => `u${from + index}`));
  equal(await client.pfCount("visitors"), 9977);
  await client.set("text", "x");
  await fails(client.pfAdd("text", "a"), /^WRONGTYPE Key is not a valid HyperLogLog string value\.$/);
});
