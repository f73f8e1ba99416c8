/**
 * Goal: two hosts that meet decide the same, and what the reconnect table says.
 * Method: every row of the table as a pair of views, judged from both sides; then all pairs of small views for symmetry.
 */
import t from "tap";
import type { Generation } from "../../node/core/identity.ts";
import type { HelloView } from "../../node/core/pair/frames.ts";
import { blankPage, type CopyState, type Page, type Right } from "../../node/core/pair/page.ts";
import { reconnect } from "../../node/core/pair/reconnect.ts";
import { checkTiming, timingFor } from "../../node/core/timing.ts";

const VOLUMES = [{ id: 0, blocks: 64 }];
const gen = (n: number, name: string, kind: "joint" | "alone" = "joint"): Generation => ({
  n,
  id: name.padStart(32, "0"),
  kind,
  by: "a",
});
const g1 = gen(1, "1");
const g2 = gen(2, "2");
const g3 = gen(3, "3");
const s3 = gen(3, "5", "alone");

function view(host: string, page: Partial<Page>, extra: Partial<HelloView> = {}): HelloView {
  return {
    host,
    page: { ...blankPage({ cluster: "c", vm: "vm1", volumes: VOLUMES }), ...page },
    running: false,
    suspended: false,
    vmBoot: null,
    applied: 0,
    lastWrite: 0,
    intents: [],
    digests: [0],
    diskGood: true,
    protect: false,
    seen: [],
    owes: false,
    mustRearm: false,
    ...extra,
  };
}

const synced = (
  host: string,
  right: Right,
  own: Generation,
  parent: Generation | null = null,
  extra: Partial<HelloView> = {},
): HelloView =>
  view(
    host,
    { right, copy: "in-sync", gen: own, parent, history: parent === null ? [] : [parent] },
    extra,
  );
const sole = (
  host: string,
  own: Generation,
  base: Generation,
  history: readonly Generation[] = [base],
): HelloView =>
  view(host, {
    right: "sole",
    copy: "ahead",
    gen: own,
    parent: base,
    base: { gen: base, parent: null },
    history,
  });
const LONG = Array.from({ length: 32 }, (_, index) => gen(98 - index, `L${index}`));
/** Remembers more starts of its peer than the peer's disk has. */
const withMemory = (host: HelloView, last: Generation | null = g1): HelloView => {
  const peer = { gen: last, right: "open", copy: "in-sync", starts: 9, startId: "x" } as const;
  return { ...host, page: { ...host.page, peer } };
};
const remembering = (host: string, starts: number, startId: string): HelloView =>
  view(host, {
    right: "open",
    copy: "in-sync",
    gen: g2,
    peer: { gen: g2, right: "open", copy: "in-sync", starts, startId },
  });

const ROWS: readonly [title: string, row: string, one: HelloView, two: HelloView][] = [
  ["disks of two clusters refuse each other", "D1", view("a", { cluster: "other" }), view("b", {})],
  [
    "disks of two sizes refuse each other",
    "D1",
    view("a", { volumes: [{ id: 0, blocks: 32 }] }),
    view("b", {}),
  ],
  ["one blank copy", "D2", view("a", {}), synced("b", "open", g2)],
  ["both blank, protect asked for", "D3", view("a", {}, { protect: true }), view("b", {})],
  ["both blank, protect not asked for", "D3", view("a", {}), view("b", {})],
  [
    "a disk with fewer starts than remembered",
    "D4",
    remembering("a", 5, "x"),
    view("b", { right: "open", copy: "in-sync", gen: g2, starts: 4, startId: "y" }),
  ],
  [
    "a clone: one start ahead, but of another line",
    "D4",
    remembering("a", 5, "x"),
    view("b", {
      right: "open",
      copy: "in-sync",
      gen: g2,
      starts: 6,
      startId: "y",
      lastStartId: "z",
    }),
  ],
  [
    "a host that restarted once is no clone",
    "D12",
    remembering("a", 5, "x"),
    view("b", {
      right: "open",
      copy: "in-sync",
      gen: g2,
      starts: 6,
      startId: "y",
      lastStartId: "x",
    }),
  ],
  [
    "a held split brain",
    "D5",
    view("a", {
      right: "sole",
      copy: "ahead",
      gen: s3,
      hold: { kind: "split-brain", wallMs: null },
    }),
    synced("b", "open", g2),
  ],
  ["both alone", "D6", sole("a", s3, g2), sole("b", g3, g2)],
  ["sole beside the open one it left", "D7", sole("a", s3, g2), synced("b", "open", g2)],
  ["sole beside the ceded one it left", "D7", sole("a", s3, g2), synced("b", "ceded", g2)],
  [
    "sole beside one from deeper in its history",
    "D8",
    sole("a", s3, g2, [g2, g1]),
    synced("b", "open", g1),
  ],
  [
    "sole from an old image beside one that went on",
    "D9",
    sole("a", g1, gen(0, "9")),
    view("b", { right: "open", copy: "in-sync", gen: g3, parent: g2, history: [g2, g1] }),
  ],
  ["sole beside a stranger", "D10", sole("a", s3, g2), synced("b", "open", gen(7, "7"))],
  [
    "elected beside ceded of the same generation",
    "D11",
    synced("a", "elected", g2),
    synced("b", "ceded", g2),
  ],
  [
    "open beside open of the same generation",
    "D12",
    synced("a", "open", g2),
    synced("b", "open", g2),
  ],
  ["half-done disarming", "D13", synced("a", "open", g2), synced("b", "ceded", g3, g2)],
  ["half-done arming", "D14", synced("a", "open", g3, g2), synced("b", "ceded", g2)],
  ["half-done pairing", "D15", sole("a", s3, g2), synced("b", "ceded", gen(4, "4"), s3)],
  [
    "quarantine beside a good copy",
    "D16",
    view("a", { right: "none", copy: "inconsistent" }),
    synced("b", "open", g2),
  ],
  [
    "open beside open of a generation that both had left",
    "D4",
    synced("a", "open", g1),
    view("b", { right: "open", copy: "in-sync", gen: g3, parent: g2, history: [g2, g1] }),
  ],
  [
    "a target beside one that had made it equal since",
    "D4",
    view("a", { right: "ceded", copy: "inconsistent", gen: g1 }),
    view("b", { right: "open", copy: "in-sync", gen: g3, parent: g2, history: [g2, g1] }),
  ],
  ["two elected", "D17", synced("a", "elected", g2), synced("b", "elected", g2)],
  [
    "open beside open of different generations",
    "D17",
    synced("a", "open", g2),
    synced("b", "open", g3),
  ],
];

await t.test("each pair of views gives its row, whoever asks", async (t) => {
  for (const [title, row, one, two] of ROWS) {
    t.equal(reconnect(one, two).row, row, title);
    t.same(reconnect(two, one), reconnect(one, two), `${title}: the same from the other side`);
  }
});

const quarantined = (
  host: string,
  copy: CopyState,
  resyncFrom: Generation | null = null,
): HelloView => view(host, { right: "none", copy, gen: g1, resyncFrom });
const boot = (n: number) => ({ id: `${n}`.padStart(32, "0"), n });
const open = (host: string, extra: Partial<HelloView> = {}): HelloView =>
  synced(host, "open", g2, null, extra);
const DIFFERS = { digests: [1] };

const CONSEQUENCES: readonly [title: string, what: object, one: HelloView, two: HelloView][] = [
  [
    "beside a blank copy the armed host goes alone",
    { row: "D2", survivor: "b", quarantine: [] },
    view("a", {}),
    open("b"),
  ],
  [
    "beside a blank copy a ceded host waits for an operator",
    { row: "D2", survivor: null },
    view("a", {}),
    synced("b", "ceded", g2),
  ],
  [
    "a sole host fills a blank copy in full",
    { kind: "resync", row: "D2", source: "b", isFull: true },
    view("a", {}),
    sole("b", s3, g2),
  ],
  [
    "an old image is quarantined, and its peer goes alone",
    { row: "D4", quarantine: ["b"], keep: "inconsistent", survivor: "a" },
    remembering("a", 5, "x"),
    view("b", { right: "open", copy: "in-sync", gen: g2, starts: 4, startId: "y" }),
  ],
  [
    "so is one whose generation both had left",
    { row: "D4", quarantine: ["a"], survivor: "b" },
    synced("a", "open", g1),
    view("b", { right: "open", copy: "in-sync", gen: g3, parent: g2, history: [g2, g1] }),
  ],
  [
    "a quarantined copy is not found to be old again",
    { row: "D16", quarantine: [], survivor: "a" },
    remembering("a", 5, "x"),
    view("b", { right: "none", copy: "inconsistent", gen: g2, starts: 4, startId: "y" }),
  ],
  [
    "a loser named by an operator gives up its copy",
    { kind: "discard", loser: "b", keeper: "a" },
    sole("a", s3, g2),
    view("b", { ...sole("b", g3, g2).page, hold: { kind: "discard", wallMs: null } }),
  ],
  [
    "two losers are a split brain",
    { kind: "split-brain", row: "D5" },
    view("a", { ...sole("a", s3, g2).page, hold: { kind: "discard", wallMs: null } }),
    view("b", { ...sole("b", g3, g2).page, hold: { kind: "discard", wallMs: null } }),
  ],
  [
    "a VM whose disk is dead goes on over the copy that holds its boot",
    { kind: "redirect", disk: "b", runner: "a" },
    open("a", { running: true, diskGood: false, vmBoot: boot(4) }),
    view("b", { ...sole("b", s3, g2).page, vmBoot: boot(4) }),
  ],
  [
    "not over a copy that has booted since (P24)",
    { kind: "refuse", code: "disk-dead", survivor: null },
    open("a", { running: true, diskGood: false, vmBoot: boot(4) }),
    view("b", { ...sole("b", s3, g2).page, vmBoot: boot(5) }),
  ],
  [
    "beside a dead disk the armed host goes alone",
    { kind: "refuse", code: "disk-dead", survivor: "b" },
    open("a", { running: true, diskGood: false, vmBoot: boot(4) }),
    open("b"),
  ],
  [
    "beside a dead disk a ceded host waits",
    { kind: "refuse", code: "disk-dead", survivor: null },
    synced("a", "elected", g2, null, { running: true, diskGood: false, vmBoot: boot(4) }),
    synced("b", "ceded", g2),
  ],
  [
    "a copy whose base is known gets a delta",
    { kind: "resync", row: "D7", source: "a", isFull: false },
    sole("a", s3, g2),
    synced("b", "ceded", g3, g2),
  ],
  [
    "an interrupted resync of this very source goes on",
    { kind: "resync", row: "D7", isFull: false },
    sole("a", s3, g2),
    view("b", { right: "ceded", copy: "inconsistent", gen: gen(1, "8"), resyncFrom: s3 }),
  ],
  [
    "an interrupted resync of another source begins anew",
    { kind: "resync", row: "D8", isFull: true },
    sole("a", s3, g2),
    view("b", { right: "ceded", copy: "inconsistent", gen: g2, resyncFrom: gen(9, "7") }),
  ],
  [
    "a quarantined copy is filled in full",
    { kind: "resync", row: "D16", isFull: true },
    sole("a", s3, g2),
    quarantined("b", "inconsistent"),
  ],
  [
    "or further, where that was begun",
    { kind: "resync", row: "D16", isFull: false },
    sole("a", s3, g2),
    quarantined("b", "inconsistent", s3),
  ],
  [
    "a former sole host from an old image waits for an operator",
    { kind: "refuse", row: "D16", survivor: null },
    sole("a", s3, g2),
    quarantined("b", "behind"),
  ],
  [
    "one that came back from an old image is put into quarantine, and the other goes alone",
    { row: "D9", quarantine: ["a"], keep: "behind", survivor: "b" },
    sole("a", g1, gen(0, "9")),
    view("b", { right: "open", copy: "in-sync", gen: g3, parent: g2, history: [g2, g1] }),
  ],
  [
    "so is one that was alone, beside a peer that is alone now",
    { row: "D9", quarantine: ["a"], keep: "behind", survivor: null },
    sole("a", g1, gen(0, "9")),
    sole("b", s3, g2, [g2, g1]),
  ],
  [
    "two that went alone from one joint generation are a split brain",
    { kind: "split-brain", row: "D6" },
    sole("a", s3, g2, [g2, g1]),
    sole("b", gen(3, "b"), g2, [g2, g1]),
  ],
  [
    "what an old image remembers of an exchanged disk does not count",
    { row: "D9", quarantine: ["a"], survivor: null },
    withMemory(sole("a", g1, gen(0, "9"))),
    sole("b", s3, g2, [g2, g1]),
  ],
  [
    "nor beside one at par: only the old image is found to be one",
    { row: "D4", quarantine: ["a"], survivor: "b" },
    withMemory(synced("a", "open", g1)),
    view("b", { right: "open", copy: "in-sync", gen: g3, parent: g2, history: [g2, g1] }),
  ],
  [
    "what is remembered of the peer's last generation counts, whatever one's own is",
    { row: "D4", quarantine: ["b"], survivor: null },
    withMemory(view("a", { right: "ceded", copy: "behind", gen: g1 }), s3),
    sole("b", s3, g2, [g2, g1]),
  ],
  [
    "what was heard of a blank peer counts as long as its copy has not been further than one's own",
    { row: "D4", quarantine: ["b"], survivor: "a" },
    withMemory(synced("a", "open", g3, g2), null),
    view("b", { right: "open", copy: "in-sync", gen: g3, parent: g2, history: [g2, g1] }),
  ],
  [
    "and not beside one that has left it",
    { row: "D4", quarantine: ["a"], survivor: "b" },
    withMemory(synced("a", "open", g1), null),
    view("b", { right: "open", copy: "in-sync", gen: g3, parent: g2, history: [g2, g1] }),
  ],
  [
    "not what a target remembers of a generation that its peer has left since",
    { kind: "resync", row: "D16", source: "b" },
    withMemory(view("a", { right: "none", copy: "inconsistent", gen: g1 })),
    sole("b", s3, g2, [g2, g1]),
  ],
  [
    "an old image of an elected host is filled too: the other one left that generation with it",
    { kind: "resync", row: "D8", source: "b", isFull: true },
    synced("a", "elected", g1),
    sole("b", s3, g2, [g2, g1]),
  ],
  [
    "an elected host that nobody has left is no stranger's target",
    { kind: "refuse", row: "D10", quarantine: [] },
    synced("a", "elected", g2, g1),
    sole("b", s3, g2, [g2, g1]),
  ],
  [
    "an image older than a whole history is one too, beside a copy at par",
    { row: "D4", quarantine: ["a"], survivor: "b" },
    synced("a", "open", g1),
    view("b", { right: "open", copy: "in-sync", gen: gen(99, "9"), history: LONG }),
  ],
  [
    "and beside one that is alone",
    { kind: "resync", row: "D8", source: "b", isFull: true },
    synced("a", "open", g1),
    sole("b", gen(99, "9"), gen(98, "8"), LONG),
  ],
  ["equal copies at par boot", { kind: "par", equalise: null, silent: [] }, open("a"), open("b")],
  [
    "with no VM, a difference is made good from the copy with more writes",
    { kind: "par", equalise: "b", silent: [] },
    open("a", { ...DIFFERS, intents: [{ volume: 0, extents: [0] }], applied: 4 }),
    open("b", { applied: 5 }),
  ],
  [
    "from the newer boot before that",
    { kind: "par", equalise: "a" },
    view(
      "a",
      { ...open("a").page, vmBoot: boot(3) },
      { ...DIFFERS, intents: [{ volume: 0, extents: [0] }] },
    ),
    view("b", { ...open("b").page, vmBoot: boot(2) }, { applied: 5 }),
  ],
  [
    "from the elected one before all",
    { kind: "par", row: "D11", equalise: "a" },
    synced("a", "elected", g2, null, { ...DIFFERS, intents: [{ volume: 0, extents: [0] }] }),
    synced("b", "ceded", g2, null, { applied: 5 }),
  ],
  [
    "a running VM sends again what lies in the intent logs",
    { kind: "par", equalise: null, silent: [] },
    open("a", { ...DIFFERS, running: true, intents: [{ volume: 0, extents: [0] }] }),
    open("b"),
  ],
  [
    "to a standby that has restarted it does not: the runner's copy stays (a warm extent may hide an image put back)",
    { kind: "par", equalise: "a", silent: [] },
    view(
      "a",
      {
        ...open("a").page,
        peer: { gen: g2, right: "open", copy: "in-sync", starts: 1, startId: "x" },
      },
      { ...DIFFERS, running: true, intents: [{ volume: 0, extents: [0] }] },
    ),
    view("b", { ...open("b").page, starts: 2, startId: "y", lastStartId: "x" }),
  ],
  [
    "a difference outside them is silent, and the runner's copy stays",
    { kind: "par", equalise: "b", silent: [{ volume: 0, extents: [0] }] },
    open("a", DIFFERS),
    open("b", { running: true }),
  ],
  [
    "a silent difference of equal copies is an operator's",
    { kind: "refuse", row: "D12", code: "silent-divergence", survivor: null },
    open("a", DIFFERS),
    open("b"),
  ],
];

await t.test("each verdict says what follows, whoever asks", async (t) => {
  for (const [title, what, one, two] of CONSEQUENCES) {
    t.match(reconnect(one, two), what, title);
    t.same(reconnect(two, one), reconnect(one, two), `${title}: the same from the other side`);
  }
});

await t.test(
  "a verdict that lets the hosts go on never comes from a copy that is not current",
  async (t) => {
    const rights: readonly Right[] = ["open", "elected", "ceded", "sole", "none"];
    const copies: readonly CopyState[] = ["in-sync", "ahead", "behind", "inconsistent"];
    let count = 0;
    for (const right of rights)
      for (const copy of copies)
        for (const otherRight of rights)
          for (const otherCopy of copies) {
            const one = view("a", { right, copy, gen: g2 });
            const two = view("b", { right: otherRight, copy: otherCopy, gen: g2 });
            const verdict = reconnect(one, two);
            t.same(reconnect(two, one), verdict, "symmetric");
            if (verdict.kind === "par") {
              count += 1;
              t.equal(
                `${copy} ${otherCopy}`,
                "in-sync in-sync",
                `${right} beside ${otherRight} at par`,
              );
            }
          }
    t.equal(count, 3, "at par are open/open and elected/ceded in either order, nothing else");
  },
);

await t.test("the table of times holds its relations from a LAN to 48 ms", async (t) => {
  for (const peer of [0, 1, 5, 10, 20, 48]) {
    const timing = timingFor({ peer, quorum: peer });
    t.ok(timing.claimWait >= timing.lease, `a promise outlives its lease at ${peer} ms`);
  }
  const lan = timingFor({ peer: 0, quorum: 0 });
  t.same([lan.claimWait, lan.silence], [184, 200], "the LAN's derived values");
  t.throws(() => checkTiming({ ...lan, claimWait: lan.lease }, { peer: 0, quorum: 0 }), {
    message: "a promise outlives the lease it gave on any two legal clocks",
  });
});
