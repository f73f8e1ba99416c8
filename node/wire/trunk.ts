/** Frames between two switches. Those that are handed over for a host are whole frames of the lan channel in an envelope of their own. */
import type { TrunkFrame } from "../core/switch/frames.ts";
import { nameAt } from "./bytes.ts";
import { name, variants } from "./checks.ts";
import {
  ENVELOPE_BYTES,
  encodeJson,
  FRAME_TYPE,
  openEnvelope,
  openFrame,
  parseJson,
  seal,
} from "./envelope.ts";
import { type Parsed, refuse } from "./parsed.ts";
import {
  announcement,
  encodeFromSwitch,
  encodeToSwitch,
  parseFromSwitch,
  parseToSwitch,
} from "./switch.ts";

type Carrier = Extract<TrunkFrame, { readonly kind: "from" | "to" }>;
type TrunkJson = Exclude<TrunkFrame, Carrier>;

const trunkJson = variants<TrunkJson>({
  heard: { announcement },
  unheard: { vm: name, host: name },
  beat: {},
  "beat-ok": {},
});

/** Layout of `from` and `to`; the host's name and the carried frame follow. */
const CARRIED = { hostLength: ENVELOPE_BYTES, host: ENVELOPE_BYTES + 1 } as const;

/** One frame, or several for data above the payload limit. */
export function encodeTrunk(frame: TrunkFrame): readonly Uint8Array[] {
  if (frame.kind === "from") {
    return encodeToSwitch(frame.frame).map((inner) =>
      carry(FRAME_TYPE.trunkFrom, frame.host, inner),
    );
  }
  if (frame.kind === "to") {
    return [carry(FRAME_TYPE.trunkTo, frame.host, encodeFromSwitch(frame.frame))];
  }
  return [encodeJson(FRAME_TYPE.trunk, frame)];
}

export function parseTrunk(bytes: Uint8Array): Parsed<TrunkFrame> {
  const envelope = openEnvelope(bytes);
  if (!envelope.ok) return envelope;
  const { type, frame } = envelope.value;
  if (type === FRAME_TYPE.trunk) return parseJson(frame, trunkJson);
  if (type !== FRAME_TYPE.trunkFrom && type !== FRAME_TYPE.trunkTo) {
    return refuse(`type ${type} is no frame between switches`);
  }
  const host = hostOf(frame);
  if (!host.ok) return host;
  const inner = frame.subarray(CARRIED.host + host.value.length);
  return type === FRAME_TYPE.trunkFrom ? from(host.value, inner) : to(host.value, inner);
}

function carry(type: number, host: string, inner: Uint8Array): Uint8Array {
  const bytes = openFrame(type, CARRIED.host - ENVELOPE_BYTES + host.length + inner.length);
  bytes[CARRIED.hostLength] = host.length;
  bytes.write(host, CARRIED.host, "latin1");
  bytes.set(inner, CARRIED.host + host.length);
  return seal(bytes);
}

function hostOf(frame: Buffer): Parsed<string> {
  if (frame.length < CARRIED.host) return refuse("a carried frame without its header");
  return nameAt(frame, CARRIED.host, frame.readUInt8(CARRIED.hostLength));
}

function from(host: string, inner: Uint8Array): Parsed<TrunkFrame> {
  const parsed = parseToSwitch(inner);
  if (!parsed.ok) return parsed;
  const frame = parsed.value;
  if (frame.kind !== "data" && frame.kind !== "rack") return refuse(`${frame.kind} is not carried`);
  return { ok: true, value: { kind: "from", host, frame } };
}

function to(host: string, inner: Uint8Array): Parsed<TrunkFrame> {
  const parsed = parseFromSwitch(inner);
  return parsed.ok ? { ok: true, value: { kind: "to", host, frame: parsed.value } } : parsed;
}
