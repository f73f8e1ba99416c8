/**
 * Goal: the guest in line is fast enough that a bed's numbers are about the bed, and a boot is short beside a failover.
 * Method: many commands in one entry and one in each; a boot from a log of 1 MiB. The numbers are comments: a shared core makes them
 * vary, so only an order of magnitude is asserted.
 */
import t from "tap";
import { command, startRig, volumeAfter } from "./rig.ts";

const KEYS = 1000;
const key = (index: number): string => `key-${String(index % KEYS).padStart(8, "0")}`;
const LARGE = { memoryPages: 64, volumeBlocks: 65_536 };

function perSecond(count: number, run: () => void): number {
  const start = performance.now();
  run();
  return Math.round((count * 1000) / (performance.now() - start));
}

await t.test("commands in line are not what a bed waits for", async (t) => {
  const rig = startRig(LARGE);
  rig.open(1);
  const value = "v".repeat(100);
  const sets = Array.from({ length: 64 }, (_, index) => command("SET", key(index * 7), value));
  const gets = Array.from({ length: 64 }, (_, index) => command("GET", key(index * 7)));
  for (const [name, texts] of [
    ["SET", sets],
    ["GET", gets],
  ] as const) {
    const batch = texts.join("");
    const many = perSecond(64 * 1000, () => {
      for (let turn = 0; turn < 1000; turn += 1) rig.ask(1, batch);
    });
    const single = perSecond(10_000, () => {
      for (let turn = 0; turn < 10_000; turn += 1) rig.ask(1, texts[turn % 64] ?? "");
    });
    t.comment(`${name}: ${many} per second 64 to an entry, ${single} one to an entry`);
    t.ok(many > 20_000, `${name} 64 to an entry`);
    t.ok(single > 2000, `${name} one to an entry`);
  }
});

await t.test("a boot from a log of 1 MiB is short", async (t) => {
  const rig = startRig(LARGE);
  rig.open(1);
  const batch = Array.from({ length: 50 }, (_, at) => command("SET", key(at), "v".repeat(100)));
  while (new Set(rig.writes.map(({ lba }) => lba)).size < 257) rig.ask(1, batch.join(""));
  const volume = volumeAfter([], rig.writes);
  const start = performance.now();
  const next = startRig({ ...LARGE, seed: 2 }, volume);
  const bootMs = performance.now() - start;
  t.comment(`boot from ${volume.length} blocks in ${bootMs.toFixed(1)} ms`);
  next.open(1);
  t.match(next.ask(1, command("GET", key(1))), /^\$100/, "its keys are there");
  t.ok(bootMs < 500, "within half a second");
});
