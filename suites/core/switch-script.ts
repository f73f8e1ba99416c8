/** Plays lines of text as events to a switch: two hosts `a` and `b` of one VM, clients as numbers, ids as one letter. */
import type { Generation, VmBoot } from "../../node/core/identity.ts";
import { unreachable } from "../../node/core/invariant.ts";
import type { SwitchEffect, SwitchEvent, SwitchNote } from "../../node/core/switch/contract.ts";
import type { FromSwitch, ToSwitch } from "../../node/core/switch/frames.ts";
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

interface Scene {
  readonly state: SwitchState;
  nowUs: number;
}

type Content = SwitchEvent extends infer Event
  ? Event extends SwitchEvent
    ? Omit<Event, "nowUs">
    : never
  : never;

function happen(scene: Scene, line: string): readonly string[] {
  const [who = "", verb = "", ...rest] = line.split(" ");
  if (who === "wait") {
    scene.nowUs += Number(verb) * 1_000;
    return [];
  }
  const event = { nowUs: scene.nowUs, ...contentOf(who, verb, rest) } as SwitchEvent;
  return stepSwitch(scene.state, event)
    .map(lineOf)
    .filter((it) => it !== "");
}

function contentOf(who: string, verb: string, rest: readonly string[]): Content {
  if (who === "turn" || who === "tick" || who === "report") return { kind: who };
  const conn = HOSTS[who];
  if (conn === undefined) return clientEvent(Number(who), verb, rest[0] ?? "");
  if (verb === "up") return { kind: "host-up", host: who, conn };
  if (verb === "down") return { kind: "host-down", conn };
  return { kind: "host-frame", conn, frame: hostFrame(who, verb, rest) };
}

function clientEvent(session: number, verb: string, word: string): Content {
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

function hostFrame(host: string, verb: string, words: readonly string[]): ToSwitch {
  const [first = "", second = "", third = "", fourth = ""] = words;
  switch (verb) {
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
        session: Number(second),
        position: Number(third),
      };
    default: {
      // `a data 1x 100 1 bytes [gen]`: boot, session, position.
      const what = verb === "accept" || verb === "fin" || verb === "reset" ? verb : "data";
      const bytes = what === "data" ? Buffer.from(fourth) : new Uint8Array(0);
      const where = {
        vm: VM,
        vmBoot: boot(first),
        session: Number(second),
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

function lineOf(effect: SwitchEffect): string {
  switch (effect.kind) {
    case "send-host":
      return `${effect.conn === 1 ? "a" : "b"} < ${frameLine(effect.frame)}`;
    case "write-client":
      return `${effect.session} < ${text(effect.bytes)} to ${effect.upTo}`;
    case "end-client":
      return `${effect.session} end to ${effect.upTo}`;
    case "note":
      return noteLine(effect.note);
    case "mark":
    case "want-turn":
      return "";
    case "reset-client":
    case "pause-client":
    case "resume-client":
      return `${effect.session} ${effect.kind.slice(0, -"-client".length)}`;
    default:
      return unreachable(effect);
  }
}

function frameLine(frame: FromSwitch): string {
  switch (frame.kind) {
    case "positions": {
      const list = frame.sessions.map(
        (it) => ` ${it.session}:${it.delivered}/${it.freed}/${it.received}`,
      );
      return `positions${list.join("")}`;
    }
    case "ignored":
      return "ignored";
    case "taken":
      return `taken ${frame.session} ${frame.position}`;
    case "client": {
      const said = frame.what === "data" ? ` ${text(frame.bytes)}` : "";
      return `${frame.what} ${frame.session} ${frame.position}${said}`;
    }
    default:
      return unreachable(frame);
  }
}

function noteLine(note: SwitchNote): string {
  switch (note.what) {
    case "announce":
      return `note ${note.host} ${note.state}`;
    case "unfollowed":
      return `note ${note.host} ${note.why}`;
    case "sessions-reset":
      return `note ${note.count} sessions reset`;
    case "byte-conflict":
      return `note conflict ${note.session} at ${note.position}`;
    case "outputs": {
      const times = `${note.maxIntakeAtUs} ${note.firstAtUs} ${note.lastAtUs}`;
      return `note outputs ${letter(note.boot)} ${letter(note.gen)} ${note.host} ${times} ${note.bytes}`;
    }
    default:
      return unreachable(note);
  }
}

/** Each line is an event, the lines with `-` behind it all its effects. Events before `---` are not looked at. */
export function play(script: string): {
  readonly found: readonly string[];
  readonly wanted: readonly string[];
} {
  const scene: Scene = { state: createSwitch({ vms: [VM] }), nowUs: 0 };
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
