/** What a client decided to do and how it ended, and both in RESP. */
import { unreachable } from "../../node/core/invariant.ts";
import type { OperationName } from "../record/types.ts";
import type { Reply } from "./resp.ts";

/** One operation that is to be invoked. Fields as in the history. */
export interface Choice {
  readonly f: Exclude<OperationName, "cas">;
  readonly key: string;
  readonly value: string | null;
  readonly role: "probe" | "load" | "readback";
}

export type Ending =
  | { readonly kind: "ok"; readonly value: string | null | readonly string[] }
  /** Certainly did not happen. */
  | { readonly kind: "fail"; readonly error: string }
  /** May have happened, may still happen. */
  | { readonly kind: "info"; readonly error: string };

export function commandOf(choice: Choice): readonly string[] {
  const { f, key } = choice;
  switch (f) {
    case "read":
      return ["GET", key];
    case "write":
      return ["SET", key, choice.value ?? ""];
    case "append":
      return ["RPUSH", key, choice.value ?? ""];
    case "list":
      return ["LRANGE", key, "0", "-1"];
    case "delete":
      return ["DEL", key];
    case "ping":
      return ["PING"];
    default:
      return unreachable(f);
  }
}

/** An error reply is a refusal: the guest answers one only to a command that it did not carry out. */
export function endingOf(f: Choice["f"], reply: Reply): Ending {
  if (reply.kind === "error") return { kind: "fail", error: reply.text };
  switch (f) {
    case "write":
    case "ping":
      return reply.kind === "simple" ? DONE : strange(f, reply);
    case "append":
    case "delete":
      return reply.kind === "integer" ? DONE : strange(f, reply);
    case "read":
      return reply.kind === "bulk" ? { kind: "ok", value: reply.text } : strange(f, reply);
    case "list":
      return reply.kind === "array" ? elementsOf(f, reply) : strange(f, reply);
    default:
      return unreachable(f);
  }
}

const DONE: Ending = { kind: "ok", value: null };

function elementsOf(f: Choice["f"], reply: Extract<Reply, { kind: "array" }>): Ending {
  const elements: string[] = [];
  for (const item of reply.items ?? []) {
    if (item.kind !== "bulk" || item.text === null) return strange(f, reply);
    elements.push(item.text);
  }
  return { kind: "ok", value: elements };
}

function strange(f: Choice["f"], reply: Reply): Ending {
  return {
    kind: "info",
    error: `BAD_REPLY: a ${f} was answered with a reply of kind ${reply.kind}`,
  };
}
