/** Checks of the types that several channels share. */
import type { Generation, VmBoot } from "../core/identity.ts";
import type { VolumeShape } from "../core/machine/entry.ts";
import {
  type Arbiter,
  HISTORY_MAX,
  type Lineage,
  type Page,
  type PeerMemory,
  type Right,
} from "../core/pair/page.ts";
import {
  type Check,
  count,
  finite,
  listOf,
  name,
  oneOf,
  orNull,
  positive,
  randomId,
  shape,
  uint16,
} from "./checks.ts";

/** Most volumes of one VM. */
export const VOLUMES_MAX = 64;

export const generation: Check<Generation> = shape<Generation>({
  n: count,
  id: randomId,
  kind: oneOf("joint", "alone", "forced", "damaged"),
  by: name,
});

export const vmBoot: Check<VmBoot> = shape<VmBoot>({ id: randomId, n: count });

export const right: Check<Right> = oneOf("open", "elected", "ceded", "sole", "none");

export const arbiter: Check<Arbiter> = shape<Arbiter>({
  service: name,
  instance: randomId,
  counter: count,
});

const copy = oneOf("in-sync", "ahead", "behind", "inconsistent", "blank");

const volume = shape<VolumeShape>({ id: uint16, blocks: positive });

export const lineage = shape<Lineage>({ gen: generation, parent: orNull(generation) });

const peerMemory = shape<PeerMemory>({
  gen: orNull(generation),
  right,
  copy,
  starts: count,
  startId: orNull(randomId),
});

export const page: Check<Page> = shape<Page>({
  cluster: name,
  vm: name,
  volumes: listOf(volume, VOLUMES_MAX),
  gen: orNull(generation),
  parent: orNull(generation),
  right,
  copy,
  base: orNull(lineage),
  history: listOf(generation, HISTORY_MAX),
  arbiter: orNull(arbiter),
  vmBoot: orNull(vmBoot),
  starts: count,
  startId: orNull(randomId),
  lastStartId: orNull(randomId),
  peer: orNull(peerMemory),
  resyncFrom: orNull(generation),
  hold: orNull(
    shape<NonNullable<Page["hold"]>>({
      kind: oneOf("force", "split-brain", "discard", "down"),
      wallMs: orNull(finite),
    }),
  ),
});
