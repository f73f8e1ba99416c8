/** Real mistakes of this field, each one small edit of the core. A campaign that passes them would prove nothing about the correct code. */
export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The rule it breaks. */
  readonly rule: string;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a write completes without the peer's wrote",
    file: "node/core/mirror/complete.ts",
    find: "Math.min(here, first === undefined ? here : first.number - 1)",
    replace: "first === undefined ? here : Math.max(here, first.number - 1)",
    rule: "P2",
  },
  {
    name: "an open host becomes sole without a grant",
    file: "node/core/pair/claims.ts",
    find: "    claimIfDue(host);\n",
    replace:
      '    becomeSole(host, nextGeneration(host, "alone", drawId(host)), "granted");\n    if (host.now < 0) claimIfDue(host);\n',
    rule: "T1, claim-before-simplex",
  },
  {
    name: "input is taken in after the lease ended",
    file: "node/core/pair/lease.ts",
    find: "return host.leaseUntil !== null && now < host.leaseUntil;",
    replace: "return host.leaseUntil !== null && now >= 0;",
    rule: "P2, P4",
  },
];
