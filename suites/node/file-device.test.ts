/**
 * Goal: a disk file loses exactly what was not flushed, and nothing else.
 * Method: a device beside a plain array of bytes, opened again without its cache; a process of its own that is killed.
 */
import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import t, { type Test } from "tap";
import { type FileDevice, openFileDevice } from "../../node/io/file-device.ts";

const SIZE = 64 * 1024;
const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

function deviceOf(t: Test, name = "disk"): { readonly path: string; readonly device: FileDevice } {
  const path = join(t.testdirName, name);
  return { path, device: openFileDevice(path, null) };
}

const flush = (device: FileDevice): Promise<string | null> =>
  new Promise((resolve) => device.flush(resolve));

await t.test("a read sees every write before it, flushed or not", async (t) => {
  t.testdir();
  const { device } = deviceOf(t);
  t.strictSame(device.read(100, 8), filled(8, 0));
  device.write(4_000, filled(200, 1));
  t.equal(device.size, 4_200);
  t.strictSame(device.read(3_999, 4), Uint8Array.of(0, 1, 1, 1));
  t.equal(await flush(device), null);
  device.write(4_100, filled(4, 2));
  t.strictSame(device.read(4_098, 8), Uint8Array.of(1, 1, 2, 2, 2, 2, 1, 1));
  device.close();
});

await t.test(
  "what was written and read agrees with an array of bytes, across flushes and power cuts",
  async (t) => {
    t.testdir();
    const step = fc.oneof(
      fc.record({
        at: fc.nat(SIZE - 1),
        length: fc.integer({ min: 1, max: 10_000 }),
        byte: fc.integer({ min: 1, max: 255 }),
      }),
      fc.constant("flush" as const),
      fc.constant("cut" as const),
    );
    let nth = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        nth += 1;
        const path = join(t.testdirName, `p${nth}`);
        let device = openFileDevice(path, null);
        let seen = new Uint8Array(SIZE);
        let durable = seen.slice();
        for (const it of steps) {
          if (it === "flush") {
            if ((await flush(device)) !== null) return false;
            durable = seen.slice();
          } else if (it === "cut") {
            device.close();
            device = openFileDevice(path, null);
            seen = durable.slice();
          } else {
            const bytes = filled(Math.min(it.length, SIZE - it.at), it.byte);
            device.write(it.at, bytes);
            seen.set(bytes, it.at);
          }
          if (!Buffer.from(seen).equals(device.read(0, SIZE))) return false;
        }
        device.close();
        return true;
      }),
      { numRuns: 100 },
    );
    t.pass("100 histories agree");
  },
);

await t.test("what goes early is read, overwritten and flushed like everything else", async (t) => {
  t.testdir();
  const SECTOR = 512;
  const step = fc.record({
    sector: fc.nat(SIZE / SECTOR - 1),
    count: fc.integer({ min: 1, max: 16 }),
    byte: fc.integer({ min: 1, max: 255 }),
    isFlushed: fc.boolean(),
  });
  let nth = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.array(step, { maxLength: 40 }), async (seed, steps) => {
      nth += 1;
      const path = join(t.testdirName, `p${nth}`);
      const device = openFileDevice(path, seed);
      const seen = new Uint8Array(SIZE);
      for (const { sector, count, byte, isFlushed } of steps) {
        const at = sector * SECTOR;
        const bytes = filled(Math.min(count * SECTOR, SIZE - at), byte);
        device.write(at, bytes);
        seen.set(bytes, at);
        if (!Buffer.from(seen).equals(device.read(0, SIZE))) return false;
        if (isFlushed && (await flush(device)) !== null) return false;
      }
      if ((await flush(device)) !== null || !device.isIdle) return false;
      device.close();
      const reopened = openFileDevice(path, null);
      const isSame = Buffer.from(seen).equals(reopened.read(0, SIZE));
      reopened.close();
      return isSame;
    }),
    { numRuns: 100 },
  );
  t.pass("100 histories agree");
});

await t.test("flushes that wait share one, and end in their order", async (t) => {
  t.testdir();
  const { device } = deviceOf(t);
  const ended: number[] = [];
  device.write(0, filled(4_096, 1));
  const first = new Promise<void>((resolve) =>
    device.flush(() => {
      ended.push(1);
      resolve();
    }),
  );
  const others = Array.from({ length: 5 }, (_, index) => {
    device.write(4_096 * (index + 1), filled(4_096, 2));
    return new Promise<void>((resolve) =>
      device.flush(() => {
        ended.push(index + 2);
        resolve();
      }),
    );
  });
  t.strictSame(ended, [], "no flush ends inside its call");
  t.notOk(device.isIdle);
  await Promise.all([first, ...others]);
  t.strictSame(ended, [1, 2, 3, 4, 5, 6]);
  t.strictSame(device.figures, { asked: 6, made: 2 });
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(device.isIdle);
  device.close();
});

await t.test("a write during a flush belongs to the next one", async (t) => {
  t.testdir();
  const { path, device } = deviceOf(t);
  device.write(0, filled(512, 1));
  const first = flush(device);
  device.write(512, filled(512, 2));
  t.equal(await first, null);
  t.strictSame(new Uint8Array(readFileSync(path)), filled(512, 1));
  t.equal(await flush(device), null);
  t.equal(statSync(path).size, 1_024);
  device.close();
});

await t.test("after a failure every flush fails", async (t) => {
  t.testdir();
  const { device } = deviceOf(t);
  device.close();
  device.write(0, filled(512, 1));
  t.equal(await flush(device), "EBADF");
  t.equal(await flush(device), "EBADF");
});

await t.test("a file stays sparse", async (t) => {
  t.testdir();
  const { path, device } = deviceOf(t);
  device.write(64 * 1024 * 1024, filled(512, 1));
  t.equal(await flush(device), null);
  t.ok(statSync(path).blocks * 512 < 1024 * 1024);
  t.equal(openFileDevice(path, null).size, 64 * 1024 * 1024 + 512);
  device.close();
});

await t.test("a disk that cannot be opened has a name", (t) => {
  t.throws(() => openFileDevice(join(t.testdir(), "missing", "disk"), null), {
    message: /^disk file .*ENOENT/,
  });
  t.end();
});

const KILLED = `
  const { openFileDevice } = await import(process.argv[1]);
  const device = openFileDevice(process.argv[2], null);
  device.write(0, new Uint8Array(4096).fill(1));
  device.flush(() => {
    device.write(2048, new Uint8Array(4096).fill(2));
    console.log("written");
  });
  setInterval(() => {}, 1000);
`;

await t.test("a killed process has lost what it did not flush", async (t) => {
  const path = join(t.testdir(), "disk");
  const module = new URL("../../dist/node/io/file-device.js", import.meta.url);
  const args = ["--input-type=module", "-e", KILLED, pathToFileURL(module.pathname).href, path];
  const child = spawn("/usr/bin/env", ["-u", "NODE_OPTIONS", process.execPath, ...args]);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGKILL");
  await ended;
  t.strictSame(new Uint8Array(readFileSync(path)), filled(4_096, 1));
});

await t.test(
  "what is not flushed reaches the file early in part, by a choice of the seed",
  async (t) => {
    t.testdir();
    const WRITES = 400;
    /** Of each write how many of its eight sectors are in the file although nothing was flushed. */
    const leftOf = (seed: number, name: string): readonly number[] => {
      const path = join(t.testdirName, name);
      const device = openFileDevice(path, seed);
      for (let write = 0; write < WRITES; write += 1) device.write(write * 4_096, filled(4_096, 7));
      const file = readFileSync(path);
      device.close();
      return Array.from({ length: WRITES }, (_, write) => {
        const sectors = Array.from({ length: 8 }, (_, at) => file[write * 4_096 + at * 512] === 7);
        return sectors.filter((isThere) => isThere).length;
      });
    };
    const left = leftOf(5, "one");
    t.strictSame(leftOf(5, "same"), left, "equal seeds leave the same");
    t.notSame(leftOf(6, "other"), left);
    for (const [what, fits] of [
      ["nothing", (count: number) => count === 0],
      ["all", (count: number) => count === 8],
      ["some", (count: number) => count > 0 && count < 8],
    ] as const) {
      const many = left.filter(fits).length;
      t.ok(many > WRITES / 50, `${what} of ${many} writes`);
    }
  },
);
