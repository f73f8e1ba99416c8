/**
 * Goal: what a simulated disk loses is what a real one may lose. Method: writes, flushes and power failures on a clock of the test; the
 * durable image is compared over many seeds.
 */
import t from "tap";
import { createClock, type SimClock } from "../../harness/sim/clock.ts";
import { createDisk, type SimDisk } from "../../harness/sim/disk.ts";
import { forkDraws } from "../../harness/sim/draws.ts";

const SEEDS = Array.from({ length: 60 }, (_, index) => index + 1);
const BLOCK = 4_096;
const SECTOR = 512;

function make(seed: number): { readonly clock: SimClock; readonly disk: SimDisk } {
  const clock = createClock(forkDraws(seed, "ties"));
  return { clock, disk: createDisk({ clock, draws: forkDraws(seed, "disk") }) };
}

const filled = (value: number): Uint8Array => new Uint8Array(BLOCK).fill(value);

function drain(clock: SimClock): void {
  while (clock.next() !== null) clock.step();
}

await t.test("reads see the cache, the durable image only what was flushed", (t) => {
  const { clock, disk } = make(1);
  disk.write(BLOCK, filled(7));
  t.equal(disk.size, 2 * BLOCK);
  t.equal(disk.read(BLOCK + 5, 1)[0], 7);
  t.equal(disk.source("a").read(BLOCK + 5, 1)[0], 0);
  let done: string | null | undefined;
  disk.flush((error) => {
    done = error;
  });
  t.equal(done, undefined, "never inside the call");
  drain(clock);
  t.equal(done, null);
  t.equal(disk.source("a").read(BLOCK + 5, 1)[0], 7);
  t.end();
});

await t.test(
  "flushes end in the order of their calls, and cover what was written before them",
  (t) => {
    for (const seed of SEEDS) {
      const { clock, disk } = make(seed);
      const ends: number[] = [];
      for (let index = 1; index <= 5; index += 1) {
        disk.write(index * BLOCK, filled(index));
        disk.flush(() => {
          t.equal(disk.source("a").read(index * BLOCK, 1)[0], index);
          ends.push(index);
        });
      }
      drain(clock);
      t.same(ends, [1, 2, 3, 4, 5]);
      t.ok(disk.isIdle());
    }
    t.end();
  },
);

await t.test(
  "a power failure keeps what was flushed and tears the rest at sector borders only",
  (t) => {
    const remains = new Set<string>();
    for (const seed of SEEDS) {
      const { clock, disk } = make(seed);
      disk.write(0, filled(1));
      disk.flush(() => undefined);
      drain(clock);
      disk.write(0, filled(2));
      let isDone = false;
      disk.flush(() => {
        isDone = true;
      });
      disk.powerOff();
      drain(clock);
      t.notOk(isDone, "nobody is told of a flush that the failure cut short");
      const bytes = disk.source("a").read(0, BLOCK);
      const sectors = Array.from({ length: 8 }, (_, index) => {
        const sector = new Set(bytes.subarray(index * SECTOR, (index + 1) * SECTOR));
        t.equal(sector.size, 1, "a sector is old or new");
        return sector.has(2) ? "n" : "o";
      });
      remains.add(sectors.join(""));
      t.same(disk.read(0, BLOCK), bytes, "the next life reads what is left");
    }
    t.ok(remains.has("oooooooo"), "some failures lose all of it");
    t.ok(remains.size > 10, "the seeds tear differently");
    t.end();
  },
);
