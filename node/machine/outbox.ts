/**
 * What a machine gives to its host at the end of a run. A send that follows another one of the same session, entry and barrier
 * extends its output, so a host frames few long outputs instead of many short ones.
 */
import type { MachineOutput, ReceiveMark } from "../core/machine/entry.ts";

export interface OutputStamp {
  readonly cause: number;
  readonly barrier: number;
}

export interface OutboxMark {
  readonly outputs: number;
  readonly receives: number;
}

export interface Outbox {
  put(output: Omit<MachineOutput, "bytes">): void;
  /** `bytes` are not to be changed afterwards. */
  putData(output: Omit<MachineOutput, "what">): void;
  received(mark: ReceiveMark): void;
  mark(): OutboxMark;
  /** Takes back what came after the mark. */
  rewind(to: OutboxMark): void;
  take(): { readonly outputs: readonly MachineOutput[]; readonly receives: readonly ReceiveMark[] };
}

interface OutputInProgress {
  readonly head: Omit<MachineOutput, "bytes">;
  readonly parts: Uint8Array[];
}

export function createOutbox(): Outbox {
  let outputs: OutputInProgress[] = [];
  let receives: ReceiveMark[] = [];

  return {
    put(output) {
      outputs.push({ head: output, parts: [] });
    },
    putData({ session, position, bytes, cause, barrier }) {
      const last = outputs.at(-1);
      const isAdjacent =
        last?.head.session === session &&
        last.head.what === "data" &&
        last.head.cause === cause &&
        last.head.barrier === barrier;
      if (isAdjacent) last.parts.push(bytes);
      else {
        outputs.push({ head: { session, position, what: "data", cause, barrier }, parts: [bytes] });
      }
    },
    received(mark) {
      receives.push(mark);
    },
    mark: () => ({ outputs: outputs.length, receives: receives.length }),
    rewind(to) {
      outputs.length = to.outputs;
      receives.length = to.receives;
    },
    take() {
      const given = { outputs: outputs.map(finished), receives: lastOfEach(receives) };
      outputs = [];
      receives = [];
      return given;
    },
  };
}

/** Copies, since the receiver may change or transfer them while the session keeps its own. */
function finished({ head, parts }: OutputInProgress): MachineOutput {
  const { session, position, what, cause, barrier } = head;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { session, position, what, bytes, cause, barrier };
}

const lastOfEach = (marks: readonly ReceiveMark[]): readonly ReceiveMark[] => [
  ...new Map(marks.map((mark) => [mark.session, mark])).values(),
];
