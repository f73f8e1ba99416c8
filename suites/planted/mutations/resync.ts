/** Copies that meet again: what is compared, what is copied, which way, and when the target counts as current. */
import type { Mutation } from "./mutation.ts";

const PAIRING = "node/core/pair/pairing.ts";
const RECONNECT = "node/core/pair/reconnect.ts";
const SOURCE = "node/core/resync/source.ts";

export const RESYNC_MUTATIONS: readonly Mutation[] = [
  {
    name: "a dirty bit is cleared when the block is sent",
    rule: "P22",
    edits: [
      {
        file: SOURCE,
        find: 'if (blocks.length > 0) sendStream(host, session, { kind: "copy", volume, blocks });',
        replace:
          'if (blocks.length > 0) sendStream(host, session, { kind: "copy", volume, blocks });\n  for (const { lba } of blocks) takeDirty(host, volume, lba);\n  clearBits(host, volume, blocks.map(({ lba }) => lba));',
      },
    ],
  },
  {
    name: "a copy clears the bit of a block that the guest wrote meanwhile",
    rule: "P22",
    edits: [
      {
        file: SOURCE,
        find: "if (copy.isTouched || sum !== sumOf(host.mirror.sumsHere, volume, lba)) {",
        replace: "if (copy.isTouched && sum < 0) {",
      },
    ],
  },
  {
    name: "the target's intents do not join the dirty map",
    rule: "P20",
    edits: [
      {
        file: SOURCE,
        find: "    ...resync.intents.flatMap(({ volume, extents }) => addDirtyExtents(host, volume, extents)),\n",
        replace: "",
      },
    ],
  },
  {
    name: "the pair is formed while the last copies are unanswered",
    rule: "T4",
    edits: [
      {
        file: SOURCE,
        find: "    resync.copying.size === 0 &&\n    isDirtyEmpty(host)\n",
        replace: "    isDirtyEmpty(host) === isDirtyEmpty(host)\n",
      },
    ],
  },
  {
    name: "the target says paired before its page is durable",
    rule: "P1, T4",
    edits: [
      {
        file: PAIRING,
        find: "  const { gen, parent, history, vmBoot } = body;\n",
        replace:
          '  const { gen, parent, history, vmBoot } = body;\n  sendStream(host, session, { kind: "paired", gen }, parent.id);\n',
      },
    ],
  },
  {
    name: "the target takes blocks before it is marked inconsistent",
    rule: "P1, T3",
    edits: [
      {
        file: "node/core/resync/target.ts",
        find: '{ ...host.pageNext, copy: "inconsistent", resyncFrom: session.peerGenNow }',
        replace: "{ ...host.pageNext, resyncFrom: session.peerGenNow }",
      },
    ],
  },
  {
    name: "the copy with more writes is the source, whoever is alone",
    rule: "D7",
    edits: [
      {
        file: RECONNECT,
        find: "  const source = sole.host;\n",
        replace: "  const source = other.applied > sole.applied ? other.host : sole.host;\n",
      },
    ],
  },
  {
    name: "a mismatch of the checksum digests is ignored",
    rule: "P18, P19",
    edits: [
      {
        file: "node/core/pair/equality.ts",
        find: "if (one.digests[at] === two.digests[at]) continue;",
        replace: "if (one.digests[at] !== undefined) continue;",
      },
    ],
  },
  {
    name: "a pair boots with differing intents",
    rule: "P19",
    edits: [
      {
        file: RECONNECT,
        find: "if (inside === 0 && outside.length === 0) return",
        replace: "if (outside.length === 0) return",
      },
    ],
  },
  {
    name: "split brain is merged silently",
    rule: "D6",
    edits: [
      {
        file: RECONNECT,
        find: '  if (areSole) return { kind: "split-brain", row: isHeld || losers.length > 0 ? "D5" : "D6" };\n',
        replace:
          '  if (areSole) return { kind: "resync", row: "D7", source: low.host, isFull: false };\n',
      },
    ],
  },
  {
    name: "an old image whose generation both have left is taken for impossible",
    rule: "D4",
    edits: [
      {
        file: RECONNECT,
        find: '    if (!isPast || other.page.copy !== "in-sync" || other.page.gen?.kind !== "joint") continue;\n',
        replace: '    if (!isPast || other.page.copy !== "blank") continue;\n',
      },
    ],
  },
  {
    name: "an old image of a disk is refused and not quarantined",
    rule: "D4",
    edits: [
      {
        file: "node/core/pair/verdicts.ts",
        find: '{ ...host.pageNext, right: "none", copy: verdict.keep, resyncFrom: null, peer: null }',
        replace: "{ ...host.pageNext }",
      },
    ],
  },
  {
    name: "writes that a dying resync leaves unanswered get no dirty bit",
    rule: "P21, P1",
    edits: [
      {
        file: "node/core/mirror/complete.ts",
        find: 'commit(host, addDirtyWrites(host, unacked), { kind: "marked", upTo: last.number });',
        replace: 'commit(host, [], { kind: "marked", upTo: last.number });',
      },
    ],
  },
];
