/**
 * Goal: a host takes each client byte once, whichever way the switches send it, and says again what did not arrive (LAN5, LAN6, LAN7).
 * Method: a core that runs the VM in the small world (world.ts) is told frames of two switches; what it gives the machine and says to them is
 * read as lines. Client 7 of site 1 has session 113.
 */
import t from "tap";
import type { HostCore } from "../../node/core/host/host.ts";
import type { VmBoot } from "../../node/core/identity.ts";
import type { Entry } from "../../node/core/machine/entry.ts";
import type { FromSwitch, ToSwitch } from "../../node/core/switch/frames.ts";
import { homeOf, sessionOf } from "../../node/core/switch/home.ts";
import { boot, openAll } from "./world.ts";
import { tell } from "./world-effects.ts";
import { at, createWorld, HOSTS, runTo } from "./world-state.ts";

const SWITCHES = { s1: 901, s2: 902 } as const;
type Switch = keyof typeof SWITCHES;
const SEVEN = sessionOf(1, 7);

interface Lan {
  readonly vmBoot: VmBoot;
  /** Tells the host, lets it finish, and returns what it did since the last call. */
  say(from: Switch, frame: Told): readonly string[];
  reconnect(to: Switch): readonly string[];
}

type Told = FromSwitch extends infer Frame
  ? Frame extends FromSwitch
    ? Omit<Frame, "vm" | "vmBoot">
    : never
  : never;

/** Host a runs the VM and both switches are connected. */
function running(): Lan {
  const world = createWorld();
  for (const host of HOSTS) boot(world, host);
  at(world, 5, () => openAll(world));
  runTo(world, 400);
  const host = world.hosts.a;
  const lines: string[] = [];
  host.core = watched(host.core, lines);
  const up = (id: Switch): void => {
    tell(world, host, { kind: "switch-up", switch: id, conn: SWITCHES[id] });
  };
  for (const id of ["s1", "s2"] as const) up(id);
  const { vmBoot } = host.core.peek();
  if (vmBoot === null) throw new Error("host a runs the VM");
  const since = (): readonly string[] => {
    runTo(world, world.now + 100);
    return lines.splice(0);
  };
  since();
  return {
    vmBoot,
    say(from, told) {
      const frame = { vm: "vm1", vmBoot, ...told } as FromSwitch;
      tell(world, host, { kind: "switch-frame", switch: from, conn: SWITCHES[from], frame });
      return since();
    },
    reconnect(to) {
      tell(world, host, { kind: "switch-down", switch: to, conn: SWITCHES[to] });
      up(to);
      return since();
    },
  };
}

/** The small world's guest acknowledges nothing: its machine is given the marks of a real one. */
function watched(core: HostCore, lines: string[]): HostCore {
  let run: readonly Entry[] = [];
  return {
    ...core,
    step(event) {
      const isResult = event.kind === "machine-result";
      const receives = isResult ? run.flatMap(marksOf) : [];
      const effects = core.step(
        isResult ? { ...event, result: { ...event.result, receives } } : event,
      );
      for (const effect of effects) {
        if (effect.kind === "machine-run") {
          run = effect.entries;
          lines.push(...run.flatMap(entryLine));
        }
        if (effect.kind === "send-switch")
          lines.push(`${effect.switch} < ${frameLine(effect.frame)}`);
      }
      return effects;
    },
  };
}

function marksOf(entry: Entry): readonly { readonly session: number; readonly position: number }[] {
  if (entry.kind === "session") return [{ session: entry.session, position: 1 }];
  if (entry.kind !== "input") return [];
  return entry.segments.map(({ session, position, bytes }) => {
    return { session, position: position + bytes.length };
  });
}

function entryLine(entry: Entry): readonly string[] {
  if (entry.kind === "session") return [`machine: ${entry.what} ${entry.session}`];
  if (entry.kind !== "input") return [];
  return entry.segments.map(({ session, position, bytes }) => {
    return `machine: ${session} ${position} ${Buffer.from(bytes).toString()}`;
  });
}

function frameLine(frame: ToSwitch): string {
  return "session" in frame ? `${frame.kind} ${frame.session} ${frame.position}` : frame.kind;
}

const positions = (route: number, ...sessions: readonly (readonly [number, number])[]): Told => ({
  kind: "positions",
  term: 1,
  home: 1,
  route,
  sessions: sessions.map(([session, freed]) => {
    return { session, delivered: 1, freed, received: 9 };
  }),
});

const open = (route: number, session = SEVEN): Told => ({
  kind: "client",
  route,
  session,
  position: 0,
  what: "open",
  bytes: new Uint8Array(0),
});

const data = (route: number, position: number, text: string): Told => ({
  kind: "client",
  route,
  session: SEVEN,
  position,
  what: "data",
  bytes: Buffer.from(text),
});

await t.test("a session's number tells its home, and no two sites share one", async (t) => {
  for (const site of [1, 2, 15]) {
    for (const index of [0, 7, 2 ** 28 - 1]) t.equal(homeOf(sessionOf(site, index)), site);
  }
  t.equal(sessionOf(15, 2 ** 28 - 1), 2 ** 32 - 1, "32 bits are enough");
  t.equal(SEVEN, 113);
});

await t.test("it announces to every switch, and answers a beat at once", async (t) => {
  const lan = running();
  t.strictSame(lan.reconnect("s2"), ["s2 < announce"]);
  t.strictSame(lan.say("s1", { kind: "beat" }), ["s1 < beat-ok"]);
  t.strictSame(lan.say("s2", { kind: "beat" }), ["s2 < beat-ok"]);
});

await t.test(
  "client bytes before any positions, or under a route that was left, are late",
  async (t) => {
    const lan = running();
    t.strictSame(lan.say("s1", open(5)), []);
    lan.say("s1", positions(5));
    t.strictSame(lan.say("s1", open(5)), ["machine: open 113", "s1 < rack 113 1"]);
    t.strictSame(lan.say("s2", positions(6, [SEVEN, 1])), []);
    t.strictSame(lan.say("s1", data(5, 1, "late")), []);
    t.strictSame(lan.say("s1", positions(5, [SEVEN, 1])), [], "late positions as well");
    t.strictSame(lan.say("s1", data(5, 1, "late")), []);
    t.match(lan.say("s2", data(6, 1, "new")), ["machine: 113 1 new", "s2 < rack 113 4"]);
  },
);

await t.test("a session that ended does not come back with a jam", async (t) => {
  const lan = running();
  lan.say("s1", positions(1));
  lan.say("s2", positions(2));
  lan.say("s2", open(2));
  lan.say("s2", data(2, 1, "SET"));
  // The client left; its site's switch has forgotten it and turns back to its own link.
  t.strictSame(lan.say("s1", positions(3)), ["machine: reset 113"]);
  t.strictSame(lan.say("s2", open(2)), []);
  t.strictSame(lan.say("s2", data(2, 1, "SET")), []);
});

await t.test("the routes of two homes are counted apart", async (t) => {
  const lan = running();
  lan.say("s1", positions(9));
  t.strictSame(lan.say("s2", { kind: "positions", term: 1, home: 2, route: 1, sessions: [] }), []);
  t.match(lan.say("s2", open(1, sessionOf(2, 7))), ["machine: open 114", "s2 < rack 114 1"]);
  t.match(lan.say("s1", open(9)), ["machine: open 113", "s1 < rack 113 1"]);
});

await t.test("acknowledgements that were lost are said again, by the new way", async (t) => {
  const lan = running();
  lan.say("s1", positions(1));
  lan.say("s1", open(1));
  t.match(lan.say("s1", data(1, 1, "hello")), ["machine: 113 1 hello", "s1 < rack 113 6"]);
  t.strictSame(lan.say("s2", positions(2, [SEVEN, 1])), ["s2 < rack 113 6"]);
  t.strictSame(lan.say("s2", positions(3, [SEVEN, 6])), []);
});

await t.test("positions for another runner of the boot are not this one's", async (t) => {
  const lan = running();
  const other = { kind: "positions", term: 2, home: 1, route: 4, sessions: [] } as const;
  lan.say("s1", other);
  t.strictSame(lan.say("s1", open(4)), []);
});
