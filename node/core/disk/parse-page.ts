/** The metadata page's JSON, checked field by field. */
import type { Generation, GenerationKind, VmBoot } from "../identity.ts";
import type { VolumeShape } from "../machine/entry.ts";
import type { Arbiter, CopyState, Hold, Lineage, Page, PeerMemory, Right } from "../pair/page.ts";
import {
  type Fields,
  type Fit,
  fit,
  integer,
  list,
  object,
  oneOf,
  orNull,
  text,
  unfit,
} from "./fields.ts";

const RIGHTS: readonly Right[] = ["open", "elected", "ceded", "sole", "none"];
const COPIES: readonly CopyState[] = ["in-sync", "ahead", "behind", "inconsistent", "blank"];
const GENERATION_KINDS: readonly GenerationKind[] = ["joint", "alone", "forced", "damaged"];
const HOLDS: readonly Hold[] = ["force", "split-brain", "discard", "down"];

export function parsePage(json: string): Fit<Page> {
  return fit(json, (fields) => ({
    cluster: text(fields, "cluster"),
    vm: text(fields, "vm"),
    volumes: list(fields, "volumes").map(volumeOf),
    gen: orNull(fields, "gen", generationOf),
    parent: orNull(fields, "parent", generationOf),
    right: oneOf(fields, "right", RIGHTS),
    copy: oneOf(fields, "copy", COPIES),
    base: orNull(fields, "base", lineageOf),
    history: list(fields, "history").map(generationOf),
    arbiter: orNull(fields, "arbiter", arbiterOf),
    vmBoot: orNull(fields, "vmBoot", bootOf),
    starts: integer(fields, "starts", 0),
    startId: orNullText(fields, "startId"),
    lastStartId: orNullText(fields, "lastStartId"),
    peer: orNull(fields, "peer", peerMemoryOf),
    resyncFrom: orNull(fields, "resyncFrom", generationOf),
    hold: orNull(fields, "hold", holdOf),
  }));
}

function volumeOf(value: unknown): VolumeShape {
  const fields = object(value, "an element of volumes");
  return { id: integer(fields, "id", 0), blocks: integer(fields, "blocks", 1) };
}

function generationOf(value: unknown): Generation {
  const fields = object(value, "a generation");
  return {
    n: integer(fields, "n", 0),
    id: text(fields, "id"),
    kind: oneOf(fields, "kind", GENERATION_KINDS),
    by: text(fields, "by"),
  };
}

function lineageOf(value: unknown): Lineage {
  const fields = object(value, "base");
  return { gen: generationOf(fields["gen"]), parent: orNull(fields, "parent", generationOf) };
}

function arbiterOf(value: unknown): Arbiter {
  const fields = object(value, "arbiter");
  return {
    service: text(fields, "service"),
    instance: text(fields, "instance"),
    counter: integer(fields, "counter", 0),
  };
}

function bootOf(value: unknown): VmBoot {
  const fields = object(value, "vmBoot");
  return { id: text(fields, "id"), n: integer(fields, "n", 0) };
}

function peerMemoryOf(value: unknown): PeerMemory {
  const fields = object(value, "peer");
  return {
    gen: orNull(fields, "gen", generationOf),
    right: oneOf(fields, "right", RIGHTS),
    copy: oneOf(fields, "copy", COPIES),
    starts: integer(fields, "starts", 0),
    startId: orNullText(fields, "startId"),
  };
}

function holdOf(value: unknown): NonNullable<Page["hold"]> {
  const fields = object(value, "hold");
  const wallMs = orNull(fields, "wallMs", (wall) =>
    typeof wall === "number" ? wall : unfit(`"wallMs" is not a number`),
  );
  return { kind: oneOf(fields, "kind", HOLDS), wallMs };
}

function orNullText(fields: Fields, name: string): string | null {
  return orNull(fields, name, () => text(fields, name));
}
