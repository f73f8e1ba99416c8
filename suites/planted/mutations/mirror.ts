/** Writes on their way to both copies: what is durable before what is told. */
import type { Mutation } from "./mutation.ts";

const COMPLETE = "node/core/mirror/complete.ts";
const INTENTS = "node/core/mirror/intents.ts";
const MIRROR = "node/core/mirror/mirror.ts";
const WRITER = "node/core/mirror/writer.ts";

export const MIRROR_MUTATIONS: readonly Mutation[] = [
  {
    name: "a write completes without the peer's wrote",
    rule: "P2",
    edits: [
      {
        file: COMPLETE,
        find: "Math.min(here, first === undefined ? here : first.number - 1)",
        replace: "first === undefined ? here : Math.max(here, first.number - 1)",
      },
    ],
  },
  {
    name: "the standby answers wrote when it has the write in memory",
    rule: "P1",
    edits: [
      {
        file: MIRROR,
        find: "  enqueue(host, [write]);\n",
        replace:
          '  enqueue(host, [write]);\n  sendStream(host, session, { kind: "wrote", upTo: write.number, sums: [[write.number, write.sum]] });\n',
      },
    ],
  },
  {
    name: "a flush of the guest is acknowledged without fsync",
    rule: "P2, P3",
    edits: [
      {
        file: COMPLETE,
        find: "isOverPeer(host) ? mirror.lastWrite : mirror.writer.durable",
        replace: "host.vm.kind === 'running' ? mirror.lastWrite : mirror.writer.durable",
      },
    ],
  },
  {
    name: "an output leaves before the flushes in front of it are complete",
    rule: "P3",
    edits: [
      {
        file: "node/core/host/vm.ts",
        find: "barrier > mirror.completedFlush)",
        replace: "barrier > mirror.flushes)",
      },
    ],
  },
  {
    name: "the intent log is skipped",
    rule: "P1",
    edits: [
      {
        file: INTENTS,
        find: 'return [...cold].map(([volume, set]) => ({ op: "intents", volume, set, clear: [] }));',
        replace: "return [];",
      },
    ],
  },
  {
    name: "a block is written in one flush with its intent bit",
    rule: "P1",
    edits: [
      {
        file: WRITER,
        find: '  const token = commit(host, ops, { kind: "round" });\n  writer.round = { phase: "intents", token, writes };\n',
        replace: '  commit(host, ops, { kind: "clear" });\n  startData(host, writes);\n',
      },
    ],
  },
  {
    name: "an intent bit is cleared when the write is durable on one side",
    rule: "P16",
    edits: [
      {
        file: INTENTS,
        find: 'if (host.vm.kind === "running") return mirror.completed;',
        replace: 'if (host.vm.kind === "running") return mirror.writer.durable;',
      },
    ],
  },
  {
    name: "a flush of the guest is no barrier on the disk",
    rule: "P15",
    edits: [
      {
        file: WRITER,
        find: "write.epoch !== epoch || seen.has(block) || ",
        replace: "",
      },
    ],
  },
  {
    name: "what the peer says is applied is not heeded when writes are sent again",
    rule: "P17",
    edits: [
      {
        file: MIRROR,
        find: "const stated = sameBoot(peer.vmBoot, vm.vmBoot) ? peer.applied : 0;",
        replace: "const stated = sameBoot(peer.vmBoot, vm.vmBoot) ? 0 : 0;",
      },
    ],
  },
  {
    name: "the dirty map is kept in memory alone",
    rule: "P1",
    edits: [
      {
        file: "node/core/mirror/dirty.ts",
        find: 'return set.length > 0 ? [{ op: "dirty", volume, set, clear: [] }] : [];',
        replace: "return [];",
      },
    ],
  },
  {
    name: "the dirty bit goes to the disk after the acknowledgement",
    rule: "P1",
    edits: [
      { file: WRITER, find: "[...dirtyOps(host, writes)]", replace: "[]" },
      {
        file: WRITER,
        find: "  writer.durable = Math.max(writer.durable, last.number);\n",
        replace:
          '  const late = dirtyOps(host, round.writes);\n  if (late.length > 0) commit(host, late, { kind: "clear" });\n  writer.durable = Math.max(writer.durable, last.number);\n',
      },
    ],
  },
  {
    name: "pending writes complete before the page that says sole is durable",
    rule: "P1, T1, T2",
    edits: [
      {
        file: "node/core/pair/claims.ts",
        find: '    { kind: "sole", why },\n    ops,\n  );\n',
        replace:
          '    { kind: "sole", why },\n    ops,\n  );\n  forgetUnacked(host, Number.MAX_SAFE_INTEGER);\n',
      },
      {
        file: "node/core/pair/claims.ts",
        find: 'import { markIntentsDirty } from "../mirror/dirty.ts";\n',
        replace:
          'import { forgetUnacked } from "../mirror/complete.ts";\nimport { markIntentsDirty } from "../mirror/dirty.ts";\n',
      },
    ],
  },
];
