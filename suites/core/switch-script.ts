/**
 * Plays lines of text as events to a switch, or to two with a trunk: two hosts `a` and `b` of one VM, clients as numbers, ids as one letter. What
 * a switch says over the trunk waits until a line lets it pass.
 */
import type { Generation, VmBoot } from "../../node/core/identity.ts";
import { unreachable } from "../../node/core/invariant.ts";
import type { SwitchEffect, SwitchEvent, SwitchNote } from "../../node/core/switch/contract.ts";
import type {
  Announcement,
  FromSwitch,
  ToSwitch,
  TrunkFrame,
} from "../../node/core/switch/frames.ts";
import { sessionOf } from "../../node/core/switch/home.ts";
import type { SwitchState } from "../../node/core/switch/state.ts";
import { createSwitch, stepSwitch } from "../../node/core/switch/switch.ts";

const VM = "vm1";
const HOSTS: Readonly<Record<string, number>> = { a: 1, b: 2 };
const text = (bytes: Uint8Array): string =>
  bytes.length > 40 ? `${bytes.length} bytes` : Buffer.from(bytes).toString().replace("\0", "\\0");

/** Ids are digits repeated, so that scenarios say them with one letter: gen `2x`, boot `1y`. */
const gen = (word: string): Generation => ({
  n: Number(word[0]),
  id: String(word[1]).repeat(32),
  kind: "alone",
  by: "a",
});
const boot = (word: string): VmBoot => ({ n: Number(word[0]), id: String(word[1]).repeat(32) });
const letter = (id: unknown): string => String(id).slice(0, 1);

interface Side {
  readonly name: string;
  readonly site: number;
  readonly state: SwitchState;
  /** Said over the trunk and not passed yet, with the connection. */
  readonly said: { readonly conn: number; readonly frame: TrunkFrame }[];
}

interface Scene {
  readonly sides: readonly Side[];
  nowUs: number;
  trunks: number;
}

type Content = SwitchEvent extends infer Event
  ? Event extends SwitchEvent
    ? Omit<Event, "nowUs">
    : never
  : never;

const TICK_MS = 20;

function happen(scene: Scene, line: string): readonly string[] {
  const words = line.split(" ");
  const [who = "", verb = ""] = words;
  if (who === "wait") {
    scene.nowUs += Number(verb) * 1_000;
    return [];
  }
  if (who === "ticks") return tickFor(scene, Number(verb));
  if (who === "trunk") {
    if (verb === "up") scene.trunks += 1;
    const event: Content = { kind: verb === "up" ? "trunk-up" : "trunk-down", conn: scene.trunks };
    return scene.sides.flatMap((side) => step(scene, side, event));
  }
  const named = scene.sides.find(({ name }) => name === who);
  const [first] = scene.sides;
  const side = named ?? first;
  if (side === undefined) throw new Error("a scene has a switch");
  if (named !== undefined && verb === "passes") return pass(scene, named);
  const rest = named === undefined ? words : words.slice(1);
  return step(scene, side, contentOf(side, rest[0] ?? "", rest[1] ?? "", rest.slice(2)));
}

/** Hosts that are `up` answer nothing by themselves: a tick without a line that a host says is silence. */
function tickFor(scene: Scene, ms: number): readonly string[] {
  const lines: string[] = [];
  for (let left = ms; left > 0; left -= TICK_MS) {
    scene.nowUs += TICK_MS * 1_000;
    for (const side of scene.sides) lines.push(...step(scene, side, { kind: "tick" }));
  }
  return lines;
}

function step(scene: Scene, side: Side, content: Content): readonly string[] {
  const effects = stepSwitch(side.state, { nowUs: scene.nowUs, ...content } as SwitchEvent);
  const prefix = scene.sides.length > 1 ? `${side.name} ` : "";
  return effects.flatMap((effect) => {
    if (effect.kind === "send-trunk") side.said.push(effect);
    const line = lineOf(effect, prefix !== "");
    return line === "" ? [] : [prefix + line];
  });
}

/** The other switch takes what was said until now. */
function pass(scene: Scene, from: Side): readonly string[] {
  const to = scene.sides.find((side) => side !== from);
  if (to === undefined) throw new Error("a trunk has two ends");
  const said = from.said.splice(0);
  return said.flatMap(({ conn, frame }) => step(scene, to, { kind: "trunk-frame", conn, frame }));
}

function contentOf(side: Side, who: string, verb: string, rest: readonly string[]): Content {
  if (who === "turn" || who === "tick" || who === "report") return { kind: who };
  const conn = HOSTS[who];
  if (conn === undefined) return clientEvent(side, Number(who), verb, rest[0] ?? "");
  if (verb === "up") return { kind: "host-up", host: who, conn };
  if (verb === "down") return { kind: "host-down", conn };
  return { kind: "host-frame", conn, frame: hostFrame(side, who, verb, rest) };
}

function clientEvent({ site }: Side, client: number, verb: string, word: string): Content {
  const session = sessionOf(site, client);
  switch (verb) {
    case "connects":
      return { kind: "client-accepted", vm: VM, session };
    case "says":
      return { kind: "client-data", session, bytes: Buffer.from(word) };
    case "floods":
      return { kind: "client-data", session, bytes: new Uint8Array(Number(word)) };
    case "took":
      return { kind: "client-drained", session, upTo: Number(word) };
    case "ends":
      return { kind: "client-fin", session };
    case "dies":
      return { kind: "client-gone", session };
    default:
      throw new Error(`no such verb: ${verb}`);
  }
}

/** A client of the other site is `7'`. */
function hostFrame({ site }: Side, host: string, verb: string, words: readonly string[]): ToSwitch {
  const [first = "", second = "", third = "", fourth = ""] = words;
  const home = second.endsWith("'") ? 3 - site : site;
  const session = sessionOf(home, Number(second.replace("'", "")));
  switch (verb) {
    case "lives":
      return { kind: "beat-ok", vm: VM };
    case "announces": {
      const announcement = {
        vm: VM,
        gen: gen(first),
        vmBoot: boot(second),
        term: Number(third || 1),
      };
      return { kind: "announce", announcement: { ...announcement, host: fourth || host } };
    }
    case "withdraws":
      return { kind: "withdraw", vm: VM, vmBoot: boot(first) };
    case "racks":
      return {
        kind: "rack",
        vm: VM,
        vmBoot: boot(first),
        session,
        position: Number(third),
      };
    default: {
      // `a data 1x 100 1 bytes [gen]`: boot, session, position.
      const what = verb === "accept" || verb === "fin" || verb === "reset" ? verb : "data";
      const bytes = what === "data" ? Buffer.from(fourth) : new Uint8Array(0);
      const where = {
        vm: VM,
        vmBoot: boot(first),
        session,
        position: Number(third),
      };
      return {
        kind: "data",
        ...where,
        gen: gen(words[4] ?? "2g"),
        what,
        bytes,
        intakeAtUs: Number(words[5] ?? 0),
      };
    }
  }
}

const client = (session: number): number => Math.floor(session / 16);

/** @param isFull with the ways of announcements and the routes of positions */
function lineOf(effect: SwitchEffect, isFull: boolean): string {
  switch (effect.kind) {
    case "send-host":
      return `${effect.conn === 1 ? "a" : "b"} < ${frameLine(effect.frame, isFull)}`;
    case "send-trunk":
      return `> ${trunkLine(effect.frame)}`;
    case "write-client":
      return `${client(effect.session)} < ${text(effect.bytes)} to ${effect.upTo}`;
    case "end-client":
      return `${client(effect.session)} end to ${effect.upTo}`;
    case "note":
      return noteLine(effect.note, isFull);
    case "mark":
    case "want-turn":
      return "";
    case "reset-client":
    case "pause-client":
    case "resume-client":
      return `${client(effect.session)} ${effect.kind.slice(0, -"-client".length)}`;
    default:
      return unreachable(effect);
  }
}

function frameLine(frame: FromSwitch, isFull: boolean): string {
  switch (frame.kind) {
    case "positions": {
      const list = frame.sessions.map(
        (it) => ` ${client(it.session)}:${it.delivered}/${it.freed}/${it.received}`,
      );
      return `positions${isFull ? ` r${frame.route}` : ""}${list.join("")}`;
    }
    case "ignored":
    case "beat":
      return frame.kind;
    case "taken":
      return `taken ${client(frame.session)} ${frame.position}`;
    case "client": {
      const said = frame.what === "data" ? ` ${text(frame.bytes)}` : "";
      return `${frame.what} ${client(frame.session)} ${frame.position}${said}`;
    }
    default:
      return unreachable(frame);
  }
}

function trunkLine(frame: TrunkFrame): string {
  switch (frame.kind) {
    case "heard":
      return `heard ${frame.announcement.host} ${announced(frame.announcement)}`;
    case "unheard":
      return `unheard ${frame.host}`;
    case "from": {
      const { session, position } = frame.frame;
      const what = frame.frame.kind === "rack" ? "rack" : frame.frame.what;
      return `from ${frame.host} ${what} ${client(session)} ${position}`;
    }
    case "to":
      return `to ${frame.host} ${frameLine(frame.frame, true)}`;
    case "beat":
    case "beat-ok":
      return frame.kind;
    default:
      return unreachable(frame);
  }
}

const announced = ({ gen: { n, id }, vmBoot }: Announcement): string =>
  `${n}${letter(id)} ${vmBoot.n}${letter(vmBoot.id)}`;

function noteLine(note: SwitchNote, isFull: boolean): string {
  switch (note.what) {
    case "announce":
      return `note ${note.host} ${note.state}${isFull ? ` ${note.n}${letter(note.gen)} by ${note.via}` : ""}`;
    case "way":
      return `note ${note.host} by ${note.via}`;
    case "unfollowed":
      return `note ${note.host} ${note.why}`;
    case "sessions-reset":
      return `note ${note.count} sessions reset`;
    case "byte-conflict":
      return `note conflict ${client(note.session)} at ${note.position}`;
    case "outputs": {
      const times = `${note.maxIntakeAtUs} ${note.firstAtUs} ${note.lastAtUs}`;
      return `note outputs ${letter(note.boot)} ${letter(note.gen)} ${note.host} ${times} ${note.bytes}`;
    }
    default:
      return unreachable(note);
  }
}

interface Played {
  readonly found: readonly string[];
  readonly wanted: readonly string[];
}

/** Each line is an event, the lines with `-` behind it all its effects. Events before `---` are not looked at. */
export function play(script: string): Played {
  return playOn(["s1"], script);
}

/** Events name their switch first: `s1 a up`; `trunk up`, `trunk down` and `ticks 400` concern both. `s1 passes`: s2 takes what s1 said. */
export function playTwo(script: string): Played {
  return playOn(["s1", "s2"], script);
}

function playOn(names: readonly string[], script: string): Played {
  const sides = names.map((name, index): Side => {
    const config = { site: index + 1, vms: [VM], startedAtUs: 1 };
    return { name, site: index + 1, state: createSwitch(config), said: [] };
  });
  const scene: Scene = { sides, nowUs: 0, trunks: 0 };
  const lines = script
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const start = lines.indexOf("---");
  for (const line of lines.slice(0, Math.max(start, 0))) happen(scene, line);
  const wanted = lines.slice(start + 1);
  const events = wanted.filter((line) => !line.startsWith("- "));
  const found = events.flatMap((line) => [line, ...happen(scene, line).map((it) => `- ${it}`)]);
  return { found, wanted };
}
