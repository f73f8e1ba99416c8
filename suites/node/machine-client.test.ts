/**
 * Goal: a machine in a thread of its own is the same machine, and one that hangs or dies stops nothing but itself.
 * Method: the key-value guest, and guests of a few bytes that misbehave, through the client that a host uses.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import type { EntryPayload, MachineResult } from "../../node/core/machine/entry.ts";
import type { EndProcess } from "../../node/io/end-process.ts";
import type { MachineClient } from "../../node/io/machine-client.ts";
import { assembleGuest } from "../machine/tiny-guest.ts";
import { within } from "./small-cluster.ts";

// As built: a thread that compiles TypeScript first takes two seconds.
const built: unknown = await import(
  new URL("../../dist/node/io/machine-client.js", import.meta.url).href
);
const { createMachineClient } = built as typeof import("../../node/io/machine-client.ts");

const KV = new Uint8Array(
  readFileSync(fileURLToPath(new URL("../../node/guests/kv.wasm", import.meta.url))),
);
/** `loop br 0 end` */
const FOREVER = [0x03, 0x40, 0x0c, 0x00, 0x0b];
const BOOT = { id: "1".repeat(32), n: 1 };
const SECOND = { id: "2".repeat(32), n: 2 };

interface Driven {
  readonly client: MachineClient;
  /** Resolves with the next of each. */
  readonly ready: () => Promise<string>;
  readonly result: () => Promise<MachineResult>;
  readonly fatal: () => Promise<EndProcess>;
}

function drive(t: Test, wasm: Uint8Array, memoryPages = 64): Driven {
  const inbox = {
    ready: mailbox<string>(),
    result: mailbox<MachineResult>(),
    fatal: mailbox<EndProcess>(),
  };
  const client = createMachineClient({
    wasm,
    spec: { guest: "guest.wasm", memoryPages, volumes: [{ id: 0, blocks: 4_096 }] },
    ready: (boot) => inbox.ready.put(boot.id),
    result: (_boot, result) => inbox.result.put(result),
    fatal: (error) => inbox.fatal.put(error),
  });
  t.teardown(() => client.close());
  return {
    client,
    ready: () => within(inbox.ready.next(), "a ready machine"),
    result: () => within(inbox.result.next(), "a result"),
    fatal: () => within(inbox.fatal.next(), "a refusal"),
  };
}

function mailbox<Item>() {
  const items: Item[] = [];
  const takers: ((item: Item) => void)[] = [];
  return {
    put(item: Item): void {
      const taker = takers.shift();
      if (taker === undefined) items.push(item);
      else taker(item);
    },
    next(): Promise<Item> {
      const item = items.shift();
      if (item !== undefined) return Promise.resolve(item);
      return new Promise((resolve) => takers.push(resolve));
    },
  };
}

function entry(i: number, payload: EntryPayload) {
  return { i, t: i, ...payload };
}
const boot = entry(1, { kind: "boot", vmBoot: BOOT, seed: new Uint8Array(32) });
const open = entry(2, { kind: "session", session: 7, what: "open" });

await t.test(
  "a guest answers through its thread; segments may be views of larger buffers",
  async (t) => {
    const { client, ready, result } = drive(t, KV);
    client.start(BOOT, [], 0);
    t.equal(await ready(), BOOT.id);
    t.ok(client.isIdle);
    const larger = Buffer.from("....*1\r\n$4\r\nPING\r\n....");
    const bytes = larger.subarray(4, -4);
    const input = entry(3, { kind: "input", segments: [{ session: 7, position: 1, bytes }] });
    client.run(BOOT, [boot, open, input]);
    t.notOk(client.isIdle);
    const { exec, outputs, trap } = await result();
    t.strictSame({ exec, trap }, { exec: 3, trap: null });
    t.equal(Buffer.concat(outputs.map((it) => it.bytes)).toString(), "+PONG\r\n");
    t.equal(larger.length, 22, "the sender's buffer is still the sender's");
  },
);

await t.test("a machine is not ready before its boot delay", async (t) => {
  const { client, ready } = drive(t, KV);
  const startedAt = performance.now();
  client.start(BOOT, [], 200);
  t.notOk(client.isIdle);
  await ready();
  t.ok(performance.now() - startedAt >= 199);
});

await t.test("a standby's boot takes the thread that waits", async (t) => {
  const { client, ready } = drive(t, KV);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const startedAt = performance.now();
  client.start(BOOT, [], 0);
  await ready();
  t.comment(`ready in ${(performance.now() - startedAt).toFixed(1)} ms`);
});

await t.test(
  "a guest that never returns is ended with its thread, and the next boot runs",
  async (t) => {
    const { client, ready, result } = drive(
      t,
      assembleGuest({ bodies: { session_open: FOREVER } }),
      1,
    );
    client.start(BOOT, [], 0);
    await ready();
    client.run(BOOT, [boot, open]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.notOk(client.isIdle);
    client.start(SECOND, [], 0);
    t.equal(await ready(), SECOND.id);
    client.run(BOOT, [boot]);
    client.run(SECOND, [boot]);
    t.match(await result(), { exec: 1, trap: null });
    client.stop();
    t.ok(client.isIdle);
  },
);

await t.test("a program that is no guest is refused with its name", async (t) => {
  const { fatal } = drive(t, Uint8Array.of(1, 2, 3));
  t.match(await fatal(), { exit: "badFile", message: /guest\.wasm: GUEST_NOT_WASM/ });
});

await t.test("a thread that dies looks like a guest that trapped", async (t) => {
  const { client, ready, result } = drive(t, KV);
  client.start(BOOT, [], 0);
  await ready();
  // A gap in the entries is a bug of the host: the machine throws.
  client.run(BOOT, [boot, entry(9, { kind: "tick" })]);
  t.match(await result(), { exec: 0, trap: { at: 1, why: "entries have no gap" } });
  client.run(BOOT, [open]);
  t.match(await result(), { trap: { at: 2 } });
});
