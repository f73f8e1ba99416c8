/** The quorum service, and what its word counts for. */
import type { Mutation } from "./mutation.ts";

const SERVICE = "node/core/quorum/service.ts";

export const QUORUM_MUTATIONS: readonly Mutation[] = [
  {
    name: "the quorum service grants before it persists",
    rule: "P13",
    edits: [
      {
        file: SERVICE,
        find: 'return [change(state, asked, "grant", granted)];',
        replace:
          'return [send(asked, { kind: "grant", record: granted }), change(state, asked, "grant", granted)];',
      },
    ],
  },
  {
    name: "the quorum service grants one generation to both hosts",
    rule: "P13",
    edits: [
      {
        file: SERVICE,
        find: "if (record.holder === host && sameGeneration(record.from, from)) {",
        replace: "if (record.holder !== null && sameGeneration(record.from, from)) {",
      },
    ],
  },
  {
    name: "any quorum service in reach may grant",
    rule: "P12",
    edits: [
      {
        file: "node/core/pair/claims.ts",
        find: "  const service = serviceOf(host, arbiter.service);\n",
        replace: "  const service = host.services.find(({ conn }) => conn !== null);\n",
      },
      {
        file: SERVICE,
        find: "if (record.holder === null && sameGeneration(record.gen, from)) {",
        replace:
          "if (record.holder === null && (record.gen === null || sameGeneration(record.gen, from))) {",
      },
    ],
  },
  {
    name: "generations are compared by their number",
    rule: "vocabulary, P13",
    edits: [
      {
        file: "node/core/identity.ts",
        find: "export function sameGeneration(left: Generation | null, right: Generation | null): boolean {\n  return left !== null && right !== null && left.id === right.id;",
        replace:
          "export function sameGeneration(left: Generation | null, right: Generation | null): boolean {\n  return left !== null && right !== null && left.n === right.n;",
      },
    ],
  },
];
