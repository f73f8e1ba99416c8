/**
 * Goal: the event table shows every event of a record once, in the order of the run's clock, in columns that no text can break, and says what
 * it does not show.
 * Method: a forged record with recognisable numbers, rendered for a terminal of 80 columns and for a pipe; wrongs planted into it.
 */
import t from "tap";
import type { RunEvent } from "../../harness/record/types.ts";
import type { Screen } from "../../reports/screen.ts";
import { HOST_STATES } from "../../reports/trace/columns.ts";
import { renderTraceJson } from "../../reports/trace/document.ts";
import { TRACE_LEGEND } from "../../reports/trace/legend.ts";
import type { Recorded } from "../../reports/trace/recorded.ts";
import { renderTrace } from "../../reports/trace/render.ts";
import { type Trace, type TraceOptions, traceOf } from "../../reports/trace/trace.ts";
import { EVENTS, HISTORY, RECORDED } from "./traced-record.ts";

const TERMINAL: Screen = { width: 80, colour: false, isTty: true };
const PIPE: Screen = { width: 80, colour: false, isTty: false };
const COLOURED: Screen = { width: 80, colour: true, isTty: true };
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g");

const NO_FILTER = { host: null, link: null, vm: null, block: null } as const;
type Asked = Partial<Omit<TraceOptions, "filter">> & Partial<TraceOptions["filter"]>;

function askedOf({ around = null, all = false, ...filter }: Asked): TraceOptions {
  return { filter: { ...NO_FILTER, ...filter }, around, all };
}

function trace(asked: Asked = {}, record: Partial<Recorded> = {}): Trace {
  const traced = traceOf({ ...RECORDED, ...record }, askedOf(asked));
  if (!traced.ok) throw new Error(`${traced.why}: ${traced.hint}`);
  return traced.value;
}

function refusal(asked: Asked): string {
  const traced = traceOf(RECORDED, askedOf(asked));
  return traced.ok ? "" : `${traced.why} | ${traced.hint}`;
}

const idsOf = ({ rows }: Trace): string => rows.map(({ id }) => id).join(" ");
const whole = { wide: false } as const;

const GOLDEN = `FAIL  level2/kill-active  seed 7, bed sim, level 2
  commit        1f0c0000000000000000000000000000000000aa
  fail          invariants: no-silent-divergence at 2310.000 ms

line       ms    +ms  a b q1 s1       event
   1   10.000         . o .  .     b  page open/in-sync, gen 3-3072: say-armed
   2   10.100         . d .  .     b  state duplex
   5   11.000         . D .  .     b  VM announced: runs, boot 1-5701
   3   12.000         d D .  .     a  state duplex
   4   13.000         d D -  .     q1 registers gen 3-3072: asked by b, held by…
   6   14.000         d D -  b     s1 follows b by lan, gen 3-3072: first, boot…
  h2  950.000         d D -  b        clients: phase calm
 h10  990.000         d D -  b   !    probe: last ok, none for 190.000 ms
 h11  991.000         d D -  b        clients: phase fault
  10 1000.000   +0.0  d D -  b   >    FAULT 1 kill-host of b
   9 1003.000   +3.0  d x -  b   |    b ended by SIGKILL, as it was told to
  11 1005.000   +5.0  d x -  b   | a  session closed (D11): alink0 closed
  12 1005.000   +5.0  w x -  b   | a  state blocked
  13 1010.000  +10.0  w x -  b   | a  suspects its peer: every path is silent
 h13 1100.000 +100.0  w x -  b   !    load write k8: info, ECONNRESET after 105…
  14 1150.000 +150.0  w x -  b   | a  claim sent: gen 4-294e after gen 3-3072
  15 1152.500 +152.5  w x a  b   | q1 grants gen 4-294e to a after gen 3-3072
  16 1160.000 +160.0  w x a  b   | a  page sole/ahead, gen 4-294e: granted
  17 1160.000 +160.0  s x a  b   | a  state simplex
  18 1170.125 +170.1  S x a  b   | a  VM announced: runs, boot 2-17dc
  19 1171.000 +171.0  S x a  a   | s1 follows a by lan, gen 4-294e: higher gene…
 h16 1180.000 +180.0  S x a  a   |    probe: ok again after 190.000 ms
 h17 1185.000 +185.0  S x a  a   !    load write k10: no end in the record, cli…
  20 1500.000 +500.0  S o a  a   |    b lives again (life 2)
  21 1501.000 +501.0  S o a  a   | b  page open/in-sync, gen 3-3072: started
  22 1600.000 +600.0  S t a  a   | b  state resync-target
  23 1601.000 +601.0  F t a  a   | a  state resync-source
  24 2000.000   +0.0  F t a  a   >    FAULT 2 blackhole-link of a>b/alink0
  25 2300.000 +300.0  F t a  a   ! b  ALERT bad-block: 0/70 does not match its …
  26 2310.000 +310.0  F t a  a   !    VIOLATION no-silent-divergence: block 0/7…
  27 2500.000 +500.0  F t a  a   !    fault 2 DID NOT BITE: nothing was stopped
  28 2500.000   +0.0  F t a  a   <    HEALED 2 blackhole-link of a>b/alink0
  29 3000.000 +500.0  F t a  a   !    audit divergence fail: 9 written blocks c…

  hosts         . not heard yet, o starting, d duplex (protected), s simplex
                (alone), f resync source (from), t resync target (to), w waits
                (blocked, suspended), x dead; in capitals it has the VM
  q1            who holds its grant
  s1            whom its clients are led to; - nobody, . not said yet, x dead
  marks         > fault or command, < heal, ! went wrong, | a fault is in force
  shown         33 events; left out: 2 outputs, 1 lag (--all shows them); 5
                operations that went well
  cut           8 texts end in …: --wide shows them whole
  replay        npx faultline run level2/kill-active --seed 7 --bed sim
`;

await t.test("a failover reads from the top on a terminal of 80 columns", (t) => {
  const shown = trace({}, { history: HISTORY });
  const text = renderTrace(shown, whole, TERMINAL);
  t.equal(text, GOLDEN);
  const coloured = renderTrace(shown, whole, COLOURED);
  t.not(coloured, text, "there are colours");
  t.equal(coloured.replace(COLOURS, ""), text, "which change no text");
  t.end();
});

await t.test("a pipe loses nothing: no text is cut, and --all has a row for every line", (t) => {
  const all = trace({ all: true }, { history: HISTORY });
  const piped = renderTrace(all, whole, PIPE);
  t.notMatch(piped, /…/);
  t.match(piped, /the first is vm1 volume 0 block 70\n/);
  t.match(piped, /\n +7 +500\.000 .* outputs of b, gen 3-3072: 400\.000 to 900\.000/);
  t.equal(renderTrace(all, { wide: true }, TERMINAL), piped, "as --wide on a terminal");
  const lines = all.rows.flatMap(({ id }) => (id.startsWith("h") ? [] : [Number(id)]));
  t.same(
    [...lines].sort((one, two) => one - two),
    EVENTS.map((_, index) => index + 1),
  );
  const instants = all.rows.map(({ at }) => at);
  t.same(
    instants,
    [...instants].sort((one, two) => one - two),
    "the clock never goes back",
  );
  t.end();
});

await t.test("no text breaks the columns, whatever a process says", (t) => {
  const why = "first\nsecond\u001b[2J\u202etail";
  const wild: readonly RunEvent[] = [
    ...EVENTS,
    { at: 3_100_000, source: "host a", what: "suspect", why },
    { at: 3_100_001, source: "host a", what: "new-kind", depth: 3, of: ["x"] },
    { at: 3_100_002, source: "guest g", what: "constructor" },
  ];
  const text = renderTrace(trace({}, { events: wild }), whole, PIPE);
  t.match(text, /suspects its peer: first\\nsecond\\u\{1b\}\[2J\\u\{202e\}tail\n/);
  t.match(text, /a +new-kind depth=3 of=\["x"\]\n/, "an unknown kind shows all its fields");
  t.match(text, /guest g constructor\n/);
  t.end();
});

await t.test("each state of a host has its letter, with the VM in capitals", (t) => {
  const say = (at: number, what: string, fields: object): RunEvent => {
    return { at, source: "host a", what, ...fields };
  };
  const harness = (at: number, what: string, fields: object): RunEvent => {
    return { at, source: "harness", what, ...fields };
  };
  const pause = { fault: "pause-host", target: "a", step: 1 };
  const states = Object.keys(HOST_STATES);
  const events = [
    say(1, "vm", { state: "announced" }),
    ...states.map((derived, index) => say(2 + index, "state", { derived })),
    say(50, "state", { derived: "a-later-one" }),
    harness(60, "fault", { ...pause, state: "injected" }),
    harness(61, "fault", { ...pause, state: "healed" }),
    say(70, "vm", { state: "stopped" }),
    harness(80, "exit", { process: "a", status: 10, signal: null, expected: false }),
    say(81, "session", { state: "closed", why: "said before the end" }),
    say(90, "started", { pid: 7, node: "v20" }),
  ];
  const text = renderTrace(trace({}, { events, verdict: null }), whole, PIPE);
  const letters = [...text.matchAll(/^ +\d+ +\d\.\d{3}[ +.\d]* {2}(\S) {2}/gm)].map(([, it]) => it);
  t.equal(letters.join(""), "O?ODESFTRWWY????Z??xxo", text);
  t.match(text, /! {3}a ended with status 10: A RULE IS BROKEN\n/);
  for (const { letter, meaning } of Object.values(HOST_STATES)) {
    t.ok(TRACE_LEGEND.includes(`${letter} ${meaning}`), `the legend has ${letter}`);
  }
  t.end();
});

await t.test("a filter keeps what concerns a process, a link, a VM or a block", (t) => {
  const table: readonly (readonly [Asked, string])[] = [
    [{ host: "q1" }, "4 15 26 29"],
    [{ host: "b" }, "1 2 5 4 6 10 9 20 21 22 24 25 26 27 28 29"],
    [{ link: "a>b/alink0" }, "10 9 11 13 20 24 27 28"],
    [{ link: "a>b/alink1" }, "10 9 11 13 20"],
    [{ link: "b>q1/quorum" }, "4 10 9 20"],
    [{ link: "b>s1/lan" }, "6 10 9 20"],
    [{ block: "0/70" }, "25 26 29"],
    [{ block: "0/7" }, ""],
    [{ block: "1/70" }, ""],
    [{ host: "b", block: "0/70" }, "25 26 29"],
    [{ vm: "vm1", host: "s1" }, "6 19 26 29"],
  ];
  for (const [asked, ids] of table) t.equal(idsOf(trace(asked)), ids, JSON.stringify(asked));
  const none = renderTrace(trace({ block: "0/7" }), whole, PIPE).replace(/\s+/g, " ");
  t.match(none, /no event of the record matches/);
  t.match(none, /a record names a block only where an alert, a broken rule or an audit does/);
  t.match(none, /0 of 27 events \(--block 0\/7\)/);

  t.match(refusal({ host: "c" }), /no process "c" \| Name one of a, b, q1, s1/);
  t.match(refusal({ link: "alink0" }), /"alink0" is no link .* as a>b\/alink0/);
  t.match(refusal({ link: "a>c/alink0" }), /is no link of this record/);
  t.match(refusal({ vm: "vm2" }), /no VM "vm2" \| Name one of vm1/);
  t.match(refusal({ block: "70" }), /"70" is no block \| Write volume\/lba/);
  t.end();
});

await t.test("of two VMs the columns show one, and its events are told apart", (t) => {
  const other: readonly RunEvent[] = [
    { at: 20_000, source: "host a", what: "state", derived: "simplex", vm: "vm2" },
    { at: 21_000, source: "quorum q1", what: "granted", holder: "a", gen: "7", n: 1, vm: "vm2" },
  ];
  const events = [...EVENTS, ...other];
  const first = trace({ host: "q1" }, { events });
  t.match(
    renderTrace(first, whole, PIPE),
    / VM +vm1; there are vm1, vm2\n[\s\S]* d D - {2}b +q1 grants gen 1-7/,
  );
  const second = trace({ vm: "vm2", host: "q1" }, { events });
  t.match(renderTrace(second, whole, PIPE), / s D a {2}\. +q1 grants gen 1-7 to a\n/);
  t.equal(idsOf(second), "31 26 29", "what the other VM's events say is left out");
  t.end();
});

await t.test("the rows around an event are found by number, instant or word", (t) => {
  const around = (event: string, lines: number, asked: Asked = {}): Asked => {
    return { ...asked, around: { event, lines } };
  };
  const table: readonly (readonly [Asked, string, string | null])[] = [
    [around("10", 1), "6 10 9", "10"],
    [around("fault", 0), "10", "10"],
    [around("violation", 1), "25 26 27", "26"],
    [around("heal", 0), "28", "28"],
    [around("announced", 0), "5", "5"],
    [around("Simplex", 0), "17", "17"],
    [around("as it was told", 0), "9", "9"],
    [around("1150ms", 1), "13 14", null],
    [around("1.15s", 1), "13 14", null],
    [around("1160.000", 2), "14 15 16 17", null],
    [around("99s", 1), "29", null],
    [around("fault", 2, { host: "q1" }), "4 15 26", null],
    [around("26", 1, { host: "q1" }), "15 26 29", "26"],
    [around("7", 1), "6 10", null],
    [around("7", 1, { all: true }), "6 7 8", "7"],
  ];
  for (const [asked, ids, target] of table) {
    const found = trace(asked);
    t.equal(idsOf(found), ids, JSON.stringify(asked));
    t.equal(found.target, target, JSON.stringify(asked));
  }
  t.equal(idsOf(trace(around("h13", 1), { history: HISTORY })), "13 h13 14");
  t.match(refusal(around("99", 1)), /no event 99 \| .* 1500ms/);
  t.match(refusal(around("h13", 1)), /only with --history/);
  t.match(
    refusal(around("nothing-like-it", 1)),
    /no event matches "nothing-like-it" \| Use fault, /,
  );
  t.end();
});

await t.test("a record that was cut off is traced as far as it goes, and says so", (t) => {
  const gaps = ["events.ndjson is cut short: line 12, the last one, has no end and was left out"];
  const part = { events: EVENTS.slice(0, 11), verdict: null, gaps };
  const text = renderTrace(trace({}, part), whole, PIPE);
  t.match(
    text,
    /^NO VERDICT {2}level2\/kill-active {2}seed 7, bed sim, level 2\n {2}commit +unknown\n/,
  );
  t.match(text.replace(/\s+/g, " "), /record events\.ndjson is cut short: line 12/);
  t.match(text, / 11 1005\.000 /);
  t.match(text, /replay +npx faultline run level2\/kill-active --plan runs\/x\/plan\.json\n$/);
  const kept = renderTrace(trace({}, { ...part, plan: null, gaps: [] }), whole, PIPE);
  t.match(kept, /^NO VERDICT {2}runs\/x\n[\s\S]*replay +nothing says how: there is no plan\n$/);
  const empty = renderTrace(trace({}, { events: [] }), whole, PIPE);
  t.match(empty, /no event of the record matches\n[\s\S]*shown +0 events/);
  const [failure, hint] = [
    { code: "PORT_TAKEN", message: "port 7 is taken", hint: "End it." },
    /hint +End it\./,
  ];
  const broken = renderTrace(
    trace({}, { verdict: { verdict: "broken", broken: failure } }),
    whole,
    PIPE,
  );
  t.match(broken, /^BROKEN [\s\S]*PORT_TAKEN +port 7 is taken\n/);
  t.match(broken, hint);
  t.end();
});

await t.test("the document for programs has the rows with their states and whole events", (t) => {
  const text = renderTraceJson(trace({ around: { event: "15", lines: 0 } }));
  const document: unknown = JSON.parse(text);
  const empty: unknown = JSON.parse(renderTraceJson(trace({ block: "0/7" })));
  t.match(empty, { kept: 0, rows: [] });
  t.equal(text.split("\n").filter((line) => line.includes('"id":"15"')).length, 1, "a line a row");
  t.match(document, {
    ...{ schema: 1, verdict: "fail", scenario: "level2/kill-active", seed: 7, vm: "vm1", gaps: [] },
    ...{ total: 27, kept: 27, leftOut: { outputs: 2 }, okOperations: null, target: "15" },
    rows: [
      {
        ...{ id: "15", atUs: 1_152_500, sinceUs: 152_500, mark: null, activeFaults: 1, who: "q1" },
        hosts: { a: { state: "blocked", hasVm: false }, b: { state: "dead", hasVm: false } },
        services: { q1: { state: "up", host: "a" } },
        switches: { s1: { state: "up", host: "b" } },
        event: EVENTS[14],
      },
    ],
  });
  t.end();
});
