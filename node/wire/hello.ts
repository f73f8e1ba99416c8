/**
 * The first message on every connection, in both directions: who speaks, and the proof that it belongs to this run. The dialler speaks first.
 * A peer's identity comes from here and never from its address: behind a proxy everyone dials from the same one.
 */
import { timingSafeEqual } from "node:crypto";
import { type Check, isRecord, name, oneOf, orNull, randomId, shape } from "./checks.ts";
import { type Parsed, refuse } from "./parsed.ts";

/** Grows when frames change their meaning; both sides must speak the same. */
export const PROTOCOL_VERSION = 1;
/** Most bytes that a server reads on a connection before its hello is complete. */
export const HELLO_BYTES_MAX = 4_096;
/** How long a server waits for the hello, and a dialler for the whole greeting. */
export const HELLO_WITHIN_MS = 1_000;

export type HelloRole = "host" | "quorum" | "switch" | "harness";

export interface Hello {
  readonly cluster: string;
  readonly role: HelloRole;
  readonly name: string;
  /** Between hosts: which path this connection is; null elsewhere. */
  readonly path: string | null;
  /** The run's secret: 32 hexadecimal digits. Never logged. */
  readonly secret: string;
}

const hello: Check<Hello> = shape<Hello>({
  cluster: name,
  role: oneOf("host", "quorum", "switch", "harness"),
  name,
  path: orNull(name),
  secret: randomId,
});

export function encodeHello({ cluster, role, name: own, path, secret }: Hello): string {
  return JSON.stringify({
    hello: 1,
    protocol: PROTOCOL_VERSION,
    cluster,
    role,
    name: own,
    path,
    secret,
  });
}

/** Never throws, and never repeats the text in `why`: it may hold a secret. A missing `path` counts as null. */
export function parseHello(text: string): Parsed<Hello> {
  if (Buffer.byteLength(text) > HELLO_BYTES_MAX) return refuse("a hello above its limit");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text.
    return refuse("no JSON");
  }
  if (!isRecord(value)) return refuse("no hello");
  const frame = { path: null, ...value };
  if (value["hello"] !== 1) return refuse("no hello");
  if (value["protocol"] !== PROTOCOL_VERSION) return refuse("another protocol version");
  const wrong = hello(frame);
  if (wrong !== null) return refuse(`wrong field ${wrong}`);
  const { cluster, role, name: peer, path, secret } = frame as unknown as Hello;
  return { ok: true, value: { cluster, role, name: peer, path, secret } };
}

/** Takes the same time wherever the two differ. */
export function isSameSecret(left: string, right: string): boolean {
  const [one, other] = [Buffer.from(left), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
}
