/**
 * Goal: what was written is read back equal, equal values give equal bytes, and a damaged record is refused by file and line.
 * Method: files in a folder of the test's own.
 */
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { canonicalJson } from "../../harness/record/json.ts";
import { readDocument, readEvents, readHistory } from "../../harness/record/reader.ts";
import { createRunFolder } from "../../harness/record/run-folder.ts";
import type { HistoryLine, RunEvent } from "../../harness/record/types.ts";
import { openEvents, openHistory, writeDocument } from "../../harness/record/writer.ts";

const HEADER = '{"type":"header","schema":1,"scenario":"s","seed":1}\n';

const LINES: readonly HistoryLine[] = [
  { type: "header", schema: 1, scenario: "level2/kill-active", seed: 7 },
  { type: "phase", at: 0, phase: "warm-up" },
  { type: "invoke", at: 5, process: 1, op: 1, f: "write", key: "k", value: "ü", role: "probe" },
  { type: "ok", at: 9, process: 1, op: 1, value: null },
  { type: "invoke", at: 10, process: 1, op: 2, f: "list", key: "l", value: null, role: "readback" },
  { type: "ok", at: 12, process: 1, op: 2, value: ["a", "b"] },
  { type: "invoke", at: 13, process: 2, op: 3, f: "delete", key: "k", value: null, role: "load" },
  { type: "info", at: 14, process: 2, op: 3, error: "timeout" },
  { type: "lag", at: 20, lagUs: 300 },
  {
    type: "invoke",
    at: 21,
    process: 3,
    op: 4,
    f: "cas",
    key: "k",
    value: "2",
    expected: null,
    role: "load",
    site: "s2",
  },
];

await t.test("a history is read back as it was written", (t) => {
  const path = join(t.testdir(), "history.ndjson");
  const writer = openHistory(path);
  for (const line of LINES) writer.write(line);
  writer.close();
  writer.close();
  t.same(readHistory(path), { lines: LINES, truncated: null });
  t.throws(() => writer.write({ type: "lag", at: 1, lagUs: 1 }), { code: "RUN_FOLDER" });
  t.throws(() => openHistory(path), { code: "RUN_FOLDER", message: /EEXIST/ });
  t.end();
});

await t.test("lines reach the file without a flush or a close", async (t) => {
  const path = join(t.testdir(), "history.ndjson");
  const writer = openHistory(path);
  t.teardown(() => writer.close());
  for (const line of LINES) writer.write(line);
  const deadline = performance.now() + 5_000;
  while (readFileSync(path).length === 0 && performance.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(readHistory(path).lines.length, LINES.length);
});

await t.test("equal values give equal bytes, whatever the order of their fields", (t) => {
  const folder = t.testdir();
  const events: readonly RunEvent[] = [
    { what: "fault", at: 3, source: "harness", target: "a", fault: "kill-host", x: { b: 1, a: 2 } },
    { x: { a: 2, b: 1 }, fault: "kill-host", target: "a", source: "harness", at: 3, what: "fault" },
  ];
  const texts = events.map((event, index) => {
    const path = join(folder, `${index}.ndjson`);
    const writer = openEvents(path);
    writer.write(event);
    writer.close();
    t.same(readEvents(path).lines, [event]);
    return readFileSync(path, "utf8");
  });
  t.equal(texts[0], texts[1]);
  t.equal(canonicalJson({ b: [{ d: 1, c: 2 }], schema: 1 }), '{"schema":1,"b":[{"c":2,"d":1}]}');
  t.end();
});

await t.test("a last line cut short is reported and the rest kept", (t) => {
  const path = join(t.testdir(), "history.ndjson");
  writeFileSync(path, `${HEADER}{"type":"lag","at":1,"lagUs":2}\n{"type":"la`);
  const { lines, truncated } = readHistory(path);
  t.equal(lines.length, 2);
  t.same(truncated, { line: 3, text: '{"type":"la' });
  writeFileSync(path, `${HEADER}{"type":"lag","at":1,"lagUs":2}`);
  t.same(readHistory(path).truncated, null, "a whole line without its line end is taken");
  t.end();
});

await t.test("a foreign history may leave out role and value", (t) => {
  const path = join(t.testdir(), "history.ndjson");
  writeFileSync(
    path,
    `${HEADER}{"type":"invoke","at":1,"process":0,"op":0,"f":"read","key":"k"}\n` +
      `{"type":"ok","at":2,"process":0,"op":0}\n`,
  );
  t.match(readHistory(path).lines.slice(1), [{ role: "load", value: null }, { value: null }]);
  t.end();
});

await t.test("a bad line is refused by file and number, with a hint", (t) => {
  const path = join(t.testdir(), "history.ndjson");
  const invoke = '{"type":"invoke","at":1,"process":0,"op":0,"f":"read","key":"k"}';
  const bad: readonly (readonly [text: string, why: RegExp])[] = [
    ["", /:1: expected a header line/],
    [`${invoke}\n`, /:1: the first line must be the header/],
    [`${HEADER}${HEADER}`, /:2: a second header/],
    [HEADER.replace('"schema":1', '"schema":2'), /:1: "schema" is 2, this reader knows 1/],
    [`${HEADER}{"type":"la\n${invoke}\n`, /:2: .*JSON/],
    [`${HEADER}[]\n`, /:2: expected an object/],
    [`${HEADER}${invoke.replace('"at":1', '"at":-1')}\n`, /:2: "at" must be an integer/],
    [`${HEADER}${invoke.replace("read", "swap")}\n`, /:2: "f" must be one of read, write/],
    [`${HEADER}${invoke.replace("read", "write")}\n`, /:2: "value" of a write must be a text/],
    [`${HEADER}${invoke.replace("read", "cas")}\n`, /:2: "value" of a cas must be a text/],
    [
      `${HEADER}${invoke.replace('"read"', '"cas","value":"1"')}\n`,
      /:2: "expected" of a cas must be a text or null/,
    ],
    [`${HEADER}${invoke.replace("}", ',"site":1}')}\n`, /:2: "site" must be a text/],
    [`${HEADER}${invoke.replace('"key":"k"', '"key":1')}\n`, /:2: "key" must be a text/],
    [`${HEADER}{"type":"ok","at":1,"process":0,"op":0,"value":3}\n`, /:2: "value" must be/],
    [`${HEADER}{"type":"phase","at":1,"phase":"party"}\n`, /:2: "phase" must be one of warm-up/],
  ];
  for (const [text, why] of bad) {
    writeFileSync(path, text);
    t.throws(() => readHistory(path), { code: "BAD_RECORD", message: why, hint: /record\.md/ });
  }
  t.throws(() => readHistory(`${path}.none`), { code: "BAD_RECORD", message: /ENOENT/ });
  t.end();
});

await t.test("documents are replaced whole and read back with their schema checked", (t) => {
  const path = join(t.testdir(), "verdict.json");
  writeDocument(path, { seed: 1, verdict: "pass", schema: 1 });
  writeDocument(path, { seed: 2, verdict: "fail", schema: 1 });
  t.equal(readFileSync(path, "utf8"), '{\n  "schema": 1,\n  "verdict": "fail",\n  "seed": 2\n}\n');
  t.same(readDocument(path), { schema: 1, verdict: "fail", seed: 2 });
  writeDocument(path, { schema: 9 });
  t.throws(() => readDocument(path), { code: "BAD_RECORD", message: /"schema" is 9/ });
  t.throws(() => writeDocument(join(path, "x"), {}), { code: "RUN_FOLDER", hint: /--out/ });
  t.end();
});

await t.test("each run has a folder of its own, and latest follows the newest", (t) => {
  const root = t.testdir();
  const startedAt = new Date("2026-08-01T12:34:56.789Z");
  const start = () => createRunFolder({ root, startedAt, scenario: "level2/kill-active", seed: 7 });
  const first = start();
  t.equal(first.path, join(root, "runs", "20260801T123456_789Z-level2-kill-active-7"));
  t.equal(join(root, "runs", readlinkSync(first.latest)), first.path);
  const second = start();
  t.not(second.path, first.path);
  t.equal(join(root, "runs", readlinkSync(second.latest)), second.path);
  writeFileSync(join(root, "file"), "");
  const inFile = { root: join(root, "file"), startedAt, scenario: "s", seed: 1 };
  t.throws(() => createRunFolder(inFile), { code: "RUN_FOLDER", hint: /--out/ });
  t.end();
});
