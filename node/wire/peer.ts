/** Frames between two hosts. What carries blocks has a binary header (peer-blocks.ts), everything else is JSON. */
import {
  type BlockRuns,
  COPIED_MAX,
  type ExtentList,
  type HelloView,
  type PeerBody,
  type PeerFrame,
} from "../core/pair/frames.ts";
import { HISTORY_MAX } from "../core/pair/page.ts";
import {
  type Check,
  count,
  flag,
  listOf,
  name,
  orNull,
  pairOf,
  randomId,
  shape,
  text,
  uint16,
  uint32,
  variants,
} from "./checks.ts";
import { encodeJson, FRAME_TYPE, openEnvelope, parseJson } from "./envelope.ts";
import { arbiter, generation, lineage, page, right, VOLUMES_MAX, vmBoot } from "./identity.ts";
import { type Parsed, refuse } from "./parsed.ts";
import {
  encodeCopy,
  encodeFetched,
  encodeWrite,
  parseCopy,
  parseFetched,
  parseWrite,
} from "./peer-blocks.ts";

/** Most writes named by one `wrote`: what fits into a frame. */
export const WROTE_SUMS_MAX = 2_000;
/** Most quorum services named in a frame. */
export const SERVICES_MAX = 16;

const seen = listOf(name, SERVICES_MAX);

/** Most extents of a VM's volumes together: 1 GiB. Their digests fit into a hello. */
export const EXTENTS_MAX = 4_096;
/** Most sums in one `sums`. */
export const SUMS_MAX = 2_048;
/** Most runs of one volume in a map. */
const RUNS_MAX = 16_384;

const extentLists: Check<readonly ExtentList[]> = listOf(
  shape<ExtentList>({ volume: uint16, extents: listOf(uint32, EXTENTS_MAX) }),
  VOLUMES_MAX,
);
const blockRuns: Check<readonly BlockRuns[]> = listOf(
  shape<BlockRuns>({ volume: uint16, runs: listOf(uint32, RUNS_MAX) }),
  VOLUMES_MAX,
);

const helloView = shape<HelloView>({
  host: name,
  page,
  running: flag,
  suspended: flag,
  vmBoot: orNull(vmBoot),
  applied: count,
  lastWrite: count,
  intents: extentLists,
  digests: listOf(uint32, EXTENTS_MAX),
  diskGood: flag,
  protect: flag,
  seen,
  owes: flag,
  mustRearm: flag,
});

type JsonBody = Exclude<PeerBody, { readonly kind: "write" | "copy" | "fetched" }>;
interface JsonFrame extends Omit<PeerFrame, "body"> {
  readonly body: JsonBody;
}

const body: Check<JsonBody> = variants<JsonBody>({
  hello: { nonce: randomId, answers: orNull(randomId), view: helloView },
  opened: {},
  beat: { seq: count, vmBoot: orNull(vmBoot), seen },
  "beat-ok": {
    seq: count,
    promised: flag,
    gen: orNull(generation),
    right,
    vmBoot: orNull(vmBoot),
    intentsEmpty: flag,
    seen,
  },
  wrote: { upTo: count, sums: listOf(pairOf(count, uint32), WROTE_SUMS_MAX) },
  "clean-to": { number: count },
  cede: { gen: generation },
  ceded: { gen: generation },
  pair: {
    gen: generation,
    parent: generation,
    history: listOf(generation, HISTORY_MAX),
    vmBoot: orNull(vmBoot),
  },
  paired: { gen: generation },
  armed: { gen: generation, arbiter: orNull(arbiter) },
  ready: { intents: extentLists },
  merged: { extents: extentLists },
  sums: { volume: uint16, first: uint32, sums: listOf(uint32, SUMS_MAX) },
  copied: { volume: uint16, blocks: listOf(pairOf(uint32, uint32), COPIED_MAX) },
  discard: {},
  maps: { base: orNull(lineage), dirty: blockRuns, intents: extentLists },
  mapped: { blocks: blockRuns },
  fetch: { volume: uint16, lba: uint32 },
  handover: { vmBoot },
  "disk-dead": {},
  leave: {},
  bye: { reason: text },
});

const jsonFrame = shape<JsonFrame>({
  vm: name,
  session: orNull(randomId),
  number: count,
  from: orNull(randomId),
  body,
});

export function encodePeerFrame(frame: PeerFrame): Uint8Array {
  const { body: content } = frame;
  if (content.kind === "write") return encodeWrite(frame, content);
  if (content.kind === "copy") return encodeCopy(frame, content);
  if (content.kind === "fetched") return encodeFetched(frame, content);
  return encodeJson(FRAME_TYPE.peer, frame);
}

/** Never throws. The blocks of a `write` or `copy` are views of `bytes`; their checksums are the ones that the frame names. */
export function parsePeerFrame(bytes: Uint8Array): Parsed<PeerFrame> {
  const envelope = openEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { type, frame } = envelope.value;
  switch (type) {
    case FRAME_TYPE.peer:
      return parseJson(frame, jsonFrame);
    case FRAME_TYPE.peerWrite:
      return parseWrite(frame);
    case FRAME_TYPE.peerCopy:
      return parseCopy(frame);
    case FRAME_TYPE.peerFetched:
      return parseFetched(frame);
    default:
      return refuse(`type ${type} is no peer frame`);
  }
}
