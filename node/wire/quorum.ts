/** Frames between a host and a quorum service: JSON. */
import type {
  QuorumAnswer,
  QuorumFrame,
  QuorumRecord,
  QuorumRequest,
  SeenCounter,
} from "../core/quorum/messages.ts";
import { count, name, oneOf, orNull, positive, randomId, shape, variants } from "./checks.ts";
import { encodeJson, FRAME_TYPE, openEnvelope, parseJson } from "./envelope.ts";
import { generation, right } from "./identity.ts";
import { type Parsed, refuse } from "./parsed.ts";

/** Also the check of a service's stored records. */
export const quorumRecord = shape<QuorumRecord>({
  cluster: name,
  vm: name,
  gen: orNull(generation),
  holder: orNull(name),
  from: orNull(generation),
  counter: count,
  instance: randomId,
});

const seenCounter = shape<SeenCounter>({ instance: randomId, counter: count });

const request = variants<QuorumRequest>({
  watch: { gen: orNull(generation), right, seen: orNull(seenCounter) },
  register: { gen: generation, counter: count },
  claim: { from: generation, gen: generation, seen: orNull(seenCounter) },
  override: { gen: generation },
  beat: {},
});

const record = { record: quorumRecord };
const answer = variants<QuorumAnswer>({
  record,
  registered: record,
  stale: record,
  grant: record,
  refused: record,
  behind: { ...record, why: oneOf("forgot", "unconfirmed") },
  "beat-ok": {},
});

const addressed = { cluster: name, vm: name, host: name };
const requestFrame = shape<QuorumFrame<QuorumRequest>>({
  ...addressed,
  request: positive,
  body: request,
});
/** An answer that nobody asked for (the record changed) has number 0. */
const answerFrame = shape<QuorumFrame<QuorumAnswer>>({
  ...addressed,
  request: count,
  body: answer,
});

export function encodeQuorumRequest(frame: QuorumFrame<QuorumRequest>): Uint8Array {
  return encodeJson(FRAME_TYPE.quorumRequest, frame);
}

export function encodeQuorumAnswer(frame: QuorumFrame<QuorumAnswer>): Uint8Array {
  return encodeJson(FRAME_TYPE.quorumAnswer, frame);
}

export function parseQuorumRequest(bytes: Uint8Array): Parsed<QuorumFrame<QuorumRequest>> {
  const envelope = openEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { type, frame } = envelope.value;
  if (type !== FRAME_TYPE.quorumRequest) return refuse(`type ${type} is no request`);
  return parseJson(frame, requestFrame);
}

export function parseQuorumAnswer(bytes: Uint8Array): Parsed<QuorumFrame<QuorumAnswer>> {
  const envelope = openEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { type, frame } = envelope.value;
  if (type !== FRAME_TYPE.quorumAnswer) return refuse(`type ${type} is no answer`);
  return parseJson(frame, answerFrame);
}
