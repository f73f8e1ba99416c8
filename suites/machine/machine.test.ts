/**
 * Goal: a machine gives its guest nothing but entries, and whatever the guest does comes back as a result.
 * Method: guests of a few bytes that misbehave or echo; the key-value guest for what needs a disk.
 */
import t from "tap";
import type { EntryPayload, MachineSpec } from "../../node/core/machine/entry.ts";
import { GuestRefused } from "../../node/machine/guest-refused.ts";
import { createMachineFactory } from "../../node/machine/machine.ts";
import { command, startRig } from "./rig.ts";
import { assembleGuest, type TinyGuest, type TinyImport } from "./tiny-guest.ts";

const SPEC: MachineSpec = { guest: "tiny", memoryPages: 2, volumes: [{ id: 0, blocks: 8 }] };
const start = (guest: TinyGuest) =>
  startRig({}, [], createMachineFactory(assembleGuest(guest), SPEC));

const UNREACHABLE = [0x00];
const FIRST_IMPORT = [0x10, 0];
const SEND: TinyImport = { module: "faultline", name: "send", signature: "(i32,i32,i32)" };
const CLOSE: TinyImport = { module: "faultline", name: "close", signature: "(i32)" };
/** Sends each piece back as it comes. */
const ECHO: TinyGuest = {
  imports: [SEND],
  bodies: { session_data: [0x20, 0, 0x41, 0, 0x20, 1, ...FIRST_IMPORT] },
};

const segment = (position: number, text: string): EntryPayload => ({
  kind: "input",
  segments: [{ session: 7, position, bytes: Buffer.from(text) }],
});
const session = (what: "open" | "fin" | "reset"): EntryPayload => ({
  kind: "session",
  session: 7,
  what,
});

await t.test("what cannot be a guest is refused before any of it runs", async (t) => {
  const refusals = [
    { code: "GUEST_NOT_WASM", wasm: Uint8Array.of(1, 2, 3) },
    {
      code: "GUEST_IMPORT",
      wasm: assembleGuest({ imports: [{ module: "env", name: "seed", signature: "()i32" }] }),
    },
    {
      code: "GUEST_IMPORT",
      wasm: assembleGuest({ imports: [{ module: "faultline", name: "fetch", signature: "()" }] }),
    },
    { code: "GUEST_MEMORY", wasm: assembleGuest({ ownsMemory: true }) },
    { code: "GUEST_EXPORT", wasm: assembleGuest({ bodies: { session_data: null } }) },
    { code: "GUEST_ABI_VERSION", wasm: assembleGuest({ bodies: { abi_version: [0x41, 2] } }) },
  ];
  for (const { code, wasm } of refusals) {
    let found: unknown = null;
    try {
      createMachineFactory(wasm, SPEC).start([]);
    } catch (error) {
      found = error;
    }
    t.ok(found instanceof GuestRefused, `${code} is thrown`);
    t.equal(found instanceof GuestRefused && found.code, code);
  }
});

await t.test("a guest that traps leaves a result, and its machine is dead", async (t) => {
  const traps: Readonly<Record<string, TinyGuest>> = {
    "an unreachable instruction": { bodies: { session_data: UNREACHABLE } },
    // The exports come after the imports: function 5 is session_data itself.
    "a recursion without end": { bodies: { session_data: [0x20, 0, 0x20, 1, 0x10, 5] } },
    "a pointer outside memory": {
      imports: [SEND],
      bodies: { session_data: [0x20, 0, 0x41, 0x7f, 0x41, 16, ...FIRST_IMPORT] },
    },
    "a block outside the volume": {
      imports: [{ module: "faultline", name: "block_write", signature: "(i32,i32,i32)" }],
      bodies: { session_data: [0x41, 0, 0x41, 8, 0x41, 0, ...FIRST_IMPORT] },
    },
    "an abort": {
      imports: [{ module: "env", name: "abort", signature: "()" }],
      bodies: { session_data: FIRST_IMPORT },
    },
  };
  for (const [name, guest] of Object.entries(traps)) {
    const rig = start(guest);
    rig.open(7);
    const digest = rig.machine.digest();
    const result = rig.enter(segment(1, "x"), session("fin"));
    t.equal(result.trap?.at, 3, `${name} traps in its entry`);
    t.equal(result.exec, 2, "the entry before is the last one executed");
    t.same(result.outputs, [], "nothing leaves the entry that trapped");
    t.same(result.receives, [], "its input was not taken");
    t.same(rig.enter(session("reset")), { ...result }, "nothing is executed any more");
    t.not(rig.machine.digest(), digest, "the trap is part of the evidence");
  }
});

await t.test("a guest that traps in a flush's entry leaves no block behind", async (t) => {
  const rig = start({
    imports: [{ module: "faultline", name: "block_write", signature: "(i32,i32,i32)" }],
    bodies: { session_data: [0x41, 0, 0x41, 1, 0x41, 0, ...FIRST_IMPORT, ...UNREACHABLE] },
  });
  rig.open(7);
  const result = rig.enter(segment(1, "x"));
  t.same([result.writes.length, result.flushes], [0, 0]);
});

await t.test("an open is accepted at position 0, and bytes start at 1", async (t) => {
  const rig = start(ECHO);
  const opened = rig.enter(session("open"));
  t.match(opened.outputs, [{ session: 7, position: 0, what: "accept", cause: 2, barrier: 0 }]);
  t.same(opened.receives, [{ session: 7, position: 1 }]);
  const echoed = rig.enter(segment(1, "hello"));
  t.match(echoed.outputs, [{ session: 7, position: 1, what: "data", cause: 3 }]);
  t.equal(rig.sent(echoed, 7), "hello");
  t.same(echoed.receives, [{ session: 7, position: 6 }]);
  t.same(rig.enter(session("open")).outputs, [], "a second open changes nothing");
});

await t.test("input longer than the guest's buffer comes in pieces, as one output", async (t) => {
  const rig = start(ECHO);
  rig.open(7);
  const long = "0123456789".repeat(10);
  const result = rig.enter(segment(1, long));
  t.equal(result.outputs.length, 1, "one entry's sends of one session are one output");
  t.equal(rig.sent(result, 7), long);
});

await t.test("bytes received before are trimmed, bytes beyond a gap are ignored", async (t) => {
  const rig = start(ECHO);
  rig.open(7);
  const turns: readonly (readonly [number, string, string])[] = [
    [1, "abc", "abc"],
    [1, "abc", ""],
    [2, "bcde", "de"],
    [7, "zz", ""],
    [6, "f", "f"],
  ];
  for (const [position, text, fresh] of turns) {
    t.equal(rig.sent(rig.enter(segment(position, text)), 7), fresh, `${text} at ${position}`);
  }
  t.same(rig.enter(session("fin")).receives, [{ session: 7, position: 8 }], "fin takes one");
  t.same(rig.enter(session("fin")).receives, [], "a second fin changes nothing");
  t.equal(rig.sent(rig.enter(segment(8, "late")), 7), "", "nothing comes after fin");
});

await t.test("a session that is unknown or reset receives nothing", async (t) => {
  const rig = start(ECHO);
  t.same(rig.enter(segment(1, "x")).outputs, []);
  rig.open(7);
  rig.enter(session("reset"));
  t.same(rig.enter(segment(1, "x")).outputs, []);
});

await t.test("what the client's side took is forgotten, what is kept is evidence", async (t) => {
  const through = (position: number): EntryPayload => ({
    kind: "sent-through",
    session: 7,
    position,
  });
  const [whole, half] = [start(ECHO), start(ECHO)];
  for (const rig of [whole, half]) rig.enter(session("open"), segment(1, "hello"));
  t.equal(whole.machine.digest(), half.machine.digest());
  whole.enter(through(3));
  half.enter(through(4));
  t.not(whole.machine.digest(), half.machine.digest(), "the machine keeps what was not taken");
});

await t.test("a session is over when both sides closed and all was taken", async (t) => {
  const rig = start({ imports: [CLOSE], bodies: { session_fin: [0x20, 0, ...FIRST_IMPORT] } });
  rig.open(7);
  const closed = rig.enter(session("fin"));
  t.match(closed.outputs, [{ session: 7, position: 1, what: "fin" }]);
  rig.enter({ kind: "sent-through", session: 7, position: 2 });
  t.match(rig.enter(session("open")).outputs, [{ what: "accept" }], "its number is free again");
});

await t.test("a timer wants one tick, and a tick before it is ignored", async (t) => {
  const rig = start({
    imports: [{ module: "faultline", name: "set_timer", signature: "(i64)" }, CLOSE],
    bodies: {
      boot: [0x42, 25, ...FIRST_IMPORT],
      tick: [0x41, 7, 0x10, 1],
    },
  });
  t.equal(rig.last().timerAt, 25);
  rig.open(7);
  t.equal(rig.enter({ kind: "tick" }).outputs.length, 1, "due: entry 3 is at 30");
  t.equal(rig.last().timerAt, null, "a tick takes the timer away");
  t.same(rig.enter({ kind: "tick" }).outputs, []);

  const early = start({
    imports: [{ module: "faultline", name: "set_timer", signature: "(i64)" }],
    bodies: { boot: [0x42, 25, ...FIRST_IMPORT], tick: UNREACHABLE },
  });
  t.equal(early.enter({ kind: "tick" }).timerAt, 25, "not due: entry 2 is at 20");
});

await t.test("an output's barrier is the flush that makes its writes durable", async (t) => {
  const rig = startRig();
  rig.open(1);
  rig.open(2);
  const result = rig.feed([
    [1, command("SET", "a", "1")],
    [2, command("SET", "b", "2")],
  ]);
  t.equal(result.flushes, 1, "one flush for all sessions of an entry");
  t.same(
    result.outputs.map(({ session: id, barrier }) => [id, barrier]),
    [
      [1, 1],
      [2, 1],
    ],
  );
  t.ok(
    result.writes.every(({ epoch }) => epoch === 1),
    "and all writes come before it",
  );
  const numbers = rig.writes.map(({ number }) => number);
  t.same(
    numbers,
    numbers.map((_, index) => index + 1),
    "writes are numbered without a gap",
  );
});

await t.test("equal entries give equal results and equal digests", async (t) => {
  const run = (seed: number) => {
    const rig = startRig({ seed });
    rig.open(1);
    for (let turn = 0; turn < 200; turn += 1) {
      rig.ask(1, command("SET", `k${turn % 50}`, `${turn}`) + command("RPUSH", "list", `${turn}`));
    }
    return { digest: rig.machine.digest(), outputs: rig.outputs, writes: rig.writes };
  };
  const first = run(1);
  t.same(run(1), first);
  t.not(run(2).digest, first.digest, "another seed gives other random bytes");
});
