/** Who may run and who may go on alone: leases, promises, the steps of the right, boots. */
import type { Mutation } from "./mutation.ts";

const BOOT = "node/core/host/boot.ts";
const CLAIMS = "node/core/pair/claims.ts";
const LEASE = "node/core/pair/lease.ts";
const STEPS = "node/core/pair/steps.ts";

export const RIGHTS_MUTATIONS: readonly Mutation[] = [
  {
    name: "an open host becomes sole without a grant",
    rule: "T1, claim-before-simplex",
    edits: [
      {
        file: CLAIMS,
        find: "    claimIfDue(host);\n",
        replace:
          '    becomeSole(host, nextGeneration(host, "alone", drawId(host)), "granted");\n    if (host.now < 0) claimIfDue(host);\n',
      },
    ],
  },
  {
    name: "input is taken in after the lease ended",
    rule: "P2, P4",
    edits: [
      {
        file: LEASE,
        find: "return host.leaseUntil !== null && now < host.leaseUntil;",
        replace: "return host.leaseUntil !== null && now >= 0;",
      },
    ],
  },
  {
    name: "the lease counts from the receipt of the answer",
    rule: "P4",
    edits: [
      {
        file: LEASE,
        find: "const until = sentAt + host.config.timing.lease;",
        replace: "const until = host.now + host.config.timing.lease;",
      },
    ],
  },
  {
    name: "the lease is not waited out before going on alone",
    rule: "P2, P4",
    edits: [
      {
        file: CLAIMS,
        find: "return host.now >= host.promiseUntil;",
        replace: "return host.now >= 0;",
      },
    ],
  },
  {
    name: "a restarted host forgets its promise",
    rule: "P5",
    edits: [
      {
        file: "node/core/host/host.ts",
        find: "host.promiseUntil = host.now + config.timing.claimWait;",
        replace: "host.promiseUntil = host.now;",
      },
    ],
  },
  {
    name: "a pre-elected pair's other half keeps its claim",
    rule: "T6",
    edits: [
      {
        file: STEPS,
        find: '{ ...succeed(host.pageNext, body.gen), right: "ceded", arbiter: null }',
        replace: '{ ...succeed(host.pageNext, body.gen), right: "open" }',
      },
    ],
  },
  {
    name: "ceded is said before it is durable",
    rule: "P1, P9",
    edits: [
      {
        file: STEPS,
        find: '  session.peerRight = "open";\n  persistPage(\n    host,\n    { ...succeed(host.pageNext, body.gen), right: "ceded",',
        replace:
          '  session.peerRight = "open";\n  sendStream(host, session, { kind: "ceded", gen: body.gen }, from);\n  persistPage(\n    host,\n    { ...succeed(host.pageNext, body.gen), right: "ceded",',
      },
    ],
  },
  {
    name: "armed is said before the elected host is itself open",
    rule: "P1, P9",
    edits: [
      {
        file: STEPS,
        find: "  const { instance, counter } = answer.record;\n",
        replace:
          '  const { instance, counter } = answer.record;\n  sendStream(host, session, { kind: "armed", gen: step.gen, arbiter: { service: service.id, instance, counter } }, host.page.gen?.id ?? null);\n',
      },
    ],
  },
  {
    name: "a copy that is behind boots",
    rule: "P2, 5.1",
    edits: [
      {
        file: BOOT,
        find: 'if (right === "sole") return isSoleBootTurn(host);',
        replace: 'if (right === "sole" || copyOf(host) === "behind") return isSoleBootTurn(host);',
      },
    ],
  },
  {
    name: "a copy that is inconsistent boots when its peer is silent",
    rule: "P2, 5.1",
    edits: [
      {
        file: BOOT,
        find: 'if (right === "sole") return isSoleBootTurn(host);',
        replace:
          'if (right === "sole" || (copyOf(host) === "inconsistent" && host.session.kind === "none"))\n    return isSoleBootTurn(host);',
      },
    ],
  },
  {
    name: "a late grant of a cancelled claim counts",
    rule: "P10",
    edits: [
      {
        file: CLAIMS,
        find: '    mark(host, "claim-answer-late");\n',
        replace:
          '    mark(host, "claim-answer-late");\n    if (answer.kind === "grant" && answer.record.gen !== null && rightOf(host) === "open" && !isRightMoving(host))\n      becomeSole(host, answer.record.gen, "granted");\n',
      },
    ],
  },
  {
    name: "a right counts while its page is on its way to the disk",
    rule: "P1",
    edits: [
      {
        file: "node/core/host/context.ts",
        find: "return POWER[pageNext.right] < POWER[page.right] ? pageNext.right : page.right;",
        replace: "return POWER[pageNext.right] < POWER[page.right] ? page.right : pageNext.right;",
      },
    ],
  },
];
