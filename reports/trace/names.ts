/** Short names for the ids of generations and boots: as few digits as tell all ids of a record apart. */
import type { RunEvent } from "../../harness/record/types.ts";
import { textIn, wordOf } from "./recorded.ts";

export interface Names {
  /** `gen 4-294e`: the generation's number where the record knows it, and the first digits of its id. */
  gen(id: unknown): string;
  /** `boot 2-17dc`, likewise. */
  boot(id: unknown): string;
}

const DIGITS_MIN = 4;
const ID = /^[0-9a-f]{32}$/;

export function namesIn(events: readonly RunEvent[]): Names {
  const generations = new Map<string, unknown>();
  const boots = new Map<string, unknown>();
  for (const event of events) {
    note(generations, event["gen"], event["n"]);
    note(generations, event["from"], undefined);
    note(boots, event["boot"], event["bootN"]);
  }
  const ids = [...generations.keys(), ...boots.keys()];
  const digits = digitsFor(ids.filter((id) => ID.test(id)));
  const name = (word: string, numbers: ReadonlyMap<string, unknown>, id: unknown): string => {
    if (id === null || id === undefined) return `no ${word === "gen" ? "generation" : word}`;
    const text = wordOf(id);
    const number = numbers.get(text);
    const short = ID.test(text) ? text.slice(0, digits) : text;
    return `${word} ${typeof number === "number" ? `${number}-` : ""}${short}`;
  };
  return {
    gen: (id) => name("gen", generations, id),
    boot: (id) => name("boot", boots, id),
  };
}

/** The boot or the generation of another event, where one is named. */
export function bootIn(event: RunEvent, names: Names): string {
  return textIn(event, "boot") === null ? "" : `, ${names.boot(event["boot"])}`;
}

function note(numbers: Map<string, unknown>, id: unknown, number: unknown): void {
  if (typeof id !== "string") return;
  if (number !== undefined || !numbers.has(id)) numbers.set(id, number);
}

function digitsFor(ids: readonly string[]): number {
  const all = new Set(ids);
  let digits = DIGITS_MIN;
  while (new Set([...all].map((id) => id.slice(0, digits))).size < all.size) digits += 1;
  return digits;
}
