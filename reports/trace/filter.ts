/** Which rows concern a process, a link, a VM or a block, as far as a record can know. */
import { nameOf } from "../../harness/check/events.ts";
import type { RunEvent } from "../../harness/record/types.ts";
import type { Processes } from "./columns.ts";
import { textIn } from "./recorded.ts";
import type { Row } from "./rows.ts";

/** All that are given must hold; null: not asked for. */
export interface TraceFilter {
  /** A host, also the name of a quorum service or switch. */
  readonly host: string | null;
  /** `dialler>listener/channel`. */
  readonly link: string | null;
  readonly vm: string | null;
  /** `volume/lba`. */
  readonly block: string | null;
}

/** What somebody asked for cannot be: why, and what to do. */
export interface Mistake {
  readonly ok: false;
  readonly why: string;
  readonly hint: string;
}

export interface Known {
  readonly processes: Processes;
  readonly vms: readonly string[];
}

type Keeps = (row: Row) => boolean;

/** @returns what keeps a row, or the first mistake */
export function keeperOf(
  filter: TraceFilter,
  known: Known,
): { readonly ok: true; readonly value: Keeps } | Mistake {
  const { host, link, vm, block } = filter;
  const found = [
    host === null ? null : byProcess(host, known),
    link === null ? null : byLink(link, known),
    vm === null ? null : byVm(vm, known),
    block === null ? null : byBlock(block),
  ].filter((one) => one !== null);
  const mistake = found.find((one) => typeof one !== "function");
  if (mistake !== undefined && typeof mistake !== "function") return mistake;
  const keepers = found.filter((one) => typeof one === "function");
  return { ok: true, value: (row) => keepers.every((keeps) => keeps(row)) };
}

function wrong(why: string, hint: string): Mistake {
  return { ok: false, why, hint };
}

function everyone({ hosts, services, switches }: Processes): readonly string[] {
  return [...hosts, ...services, ...switches];
}

function byProcess(name: string, { processes }: Known): Keeps | Mistake {
  const all = everyone(processes);
  if (!all.includes(name)) {
    return wrong(`this record knows no process "${name}"`, `Name one of ${all.join(", ")}.`);
  }
  return ({ event, site }) => {
    if (event === null) return site === null || site === name;
    const about = aboutOf(event, all);
    return about.length === 0 || about.includes(name);
  };
}

/** Names of processes that an event is about; empty: it is about no one in particular, so about all. */
function aboutOf(event: RunEvent, all: readonly string[]): readonly string[] {
  const kinds = ["host", "quorum", "switch"] as const;
  const speaker = kinds.map((kind) => nameOf(event.source, kind)).filter((name) => name !== null);
  const fields = ["process", "host", "holder"].map((field) => textIn(event, field));
  const target = targetOf(event);
  const named = target === null ? [] : namesWithin(target.name, all);
  return [...speaker, ...fields.filter((name) => name !== null), ...named];
}

interface Target {
  readonly name: string;
  /** Null: all of them. */
  readonly channels: readonly string[] | null;
}

/** Of a fault, its proof and its heal; `a (alink, mgmt)` means these channels of a. */
function targetOf(event: RunEvent): Target | null {
  const text = textIn(event, "target");
  if (text === null) return null;
  const found = /^(.*?) \((.*)\)$/.exec(text);
  if (found === null) return { name: text, channels: null };
  return { name: found[1] ?? "", channels: (found[2] ?? "").split(", ") };
}

/** `a>b/alink0` and `a and b, a first` name a and b, `between-sites` names nobody. */
function namesWithin(target: string, all: readonly string[]): readonly string[] {
  const words = target.replace(/\/.*$/, "").split(/[^\w-]+/);
  return all.filter((name) => words.includes(name));
}

interface Link {
  readonly id: string;
  readonly ends: readonly [string, string];
  readonly channel: string;
}

const LINK = /^([^>/\s]+)>([^>/\s]+)\/(alink\d+|mgmt|quorum|lan|trunk)$/;

function byLink(id: string, { processes }: Known): Keeps | Mistake {
  const found = LINK.exec(id);
  const [one = "", other = "", channel = ""] = found?.slice(1) ?? [];
  const all = everyone(processes);
  if (found === null || !all.includes(one) || !all.includes(other)) {
    const channels = "alink0, alink1, mgmt, quorum, lan, trunk";
    return wrong(
      `"${id}" is no link of this record`,
      `Write dialler>listener/channel, as a>b/alink0; processes ${all.join(", ")}; channels ${channels}.`,
    );
  }
  const link: Link = { id, ends: [one, other], channel };
  return ({ event }) =>
    event !== null &&
    (isTargeted(event, link, processes) || isAtEnd(event, link, processes) || isNamed(event, link));
}

/** A fault, its proof or its heal that has to do with the link, or with a process at one of its ends. */
function isTargeted(event: RunEvent, link: Link, processes: Processes): boolean {
  const target = targetOf(event);
  if (target === null) return false;
  const { name, channels } = target;
  const isOfChannel = (word: string): boolean =>
    word === link.channel || (word === "alink" && link.channel.startsWith("alink"));
  if (channels?.some(isOfChannel) === false) return false;
  if (name === link.id || name === "all") return true;
  if (name === "between-sites") return isBetweenSites(link.ends, processes);
  if (name.includes(">")) return false;
  if (event["fault"] === "isolate-host" && ["lan", "trunk"].includes(link.channel)) return false;
  return link.ends.some((end) => namesWithin(name, everyone(processes)).includes(end));
}

/** The n-th host stands beside the n-th switch, a quorum service at neither site. */
function isBetweenSites(ends: readonly string[], { hosts, switches }: Processes): boolean {
  const [one = -1, other = -1] = ends.map((end) =>
    Math.max(hosts.indexOf(end), switches.indexOf(end)),
  );
  return switches.length > 1 && one >= 0 && other >= 0 && one !== other;
}

const SWITCHED: ReadonlySet<string> = new Set(["announce", "way", "unfollowed"]);

/** Said at one of the ends of what goes over a link of this kind, or the end itself began or ended. */
function isAtEnd(event: RunEvent, { ends, channel }: Link, { hosts }: Processes): boolean {
  const isEnd = (name: string | null): boolean => name !== null && ends.includes(name);
  if (event.what === "exit" || event.what === "started") {
    return [textIn(event, "process"), speakerOf(event)].some(isEnd);
  }
  if (!isEnd(speakerOf(event))) return false;
  const host = textIn(event, "host");
  if (channel === "quorum") return nameOf(event.source, "quorum") !== null && isEnd(host);
  if (channel === "lan") {
    return SWITCHED.has(event.what) && isEnd(host) && event["via"] !== "trunk";
  }
  if (channel === "trunk") return SWITCHED.has(event.what) && event["via"] === "trunk";
  // A session runs over all A-links and mgmt links between the two hosts at once.
  const isOfPair = ends.every((end) => hosts.includes(end));
  return isOfPair && (event.what === "session" || event.what === "suspect");
}

/** By its id, or at one of its ends by its channel: `alink1 closed`. */
function isNamed(event: RunEvent, { id, ends, channel }: Link): boolean {
  const speaker = speakerOf(event);
  const isEnd = speaker !== null && ends.includes(speaker);
  const word = new RegExp(`(^|[^\\w>/])${channel}([^\\w]|$)`);
  return textsOf(event).some((text) => text.includes(id) || (isEnd && word.test(text)));
}

function speakerOf({ source }: RunEvent): string | null {
  const kinds = ["host", "quorum", "switch"] as const;
  return kinds.map((kind) => nameOf(source, kind)).find((name) => name !== null) ?? null;
}

function textsOf(event: RunEvent): readonly string[] {
  return ["why", "detail", "name", "rule", "error"].flatMap((field) => textIn(event, field) ?? []);
}

function byVm(vm: string, { vms }: Known): Keeps | Mistake {
  if (!vms.includes(vm)) {
    const hint = vms.length === 0 ? "Leave --vm out." : `Name one of ${vms.join(", ")}.`;
    return wrong(`this record knows no VM "${vm}"`, hint);
  }
  // What names no VM is about a process, so about all of its VMs.
  return ({ event }) =>
    (event === null ? null : textIn(event, "vm")) === null || event?.["vm"] === vm;
}

const BLOCK = /^(\d+)\/(\d+)$/;

/** Alerts and rules say `0/70`, audits `volume 0 block 70`, of a bad block `block 70` alone. */
function byBlock(block: string): Keeps | Mistake {
  const [, volume = "", lba = ""] = BLOCK.exec(block) ?? [];
  if (lba === "") {
    return wrong(`"${block}" is no block`, "Write volume/lba, as 0/70.");
  }
  const short = new RegExp(`(^|[^\\d/])${volume}/${lba}(?![\\d/])`);
  const long = new RegExp(`volume ${volume} block ${lba}(?!\\d)`);
  const bare = new RegExp(`(?<!volume \\d+ )block ${lba}(?![\\d/])`);
  return ({ event }) =>
    event !== null &&
    textsOf(event).some((text) => [short, long, bare].some((form) => form.test(text)));
}

/** What is to be known of `--block`, whatever it found. */
export const BLOCK_LIMITS =
  "a record names a block only where an alert, a broken rule or an audit does, and an audit the first one alone; faultline audit compares every block of a run's disks";
