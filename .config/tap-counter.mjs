/**
 * Counts the assertions of a TAP stream. A test point that closes a subtest is not one, unless it failed though nothing in it did
 * (a timeout, a bad plan, a crash). Skipped and todo points are not counted; a file without a test, which tap calls skipped, failed.
 */
const POINT = /^( *)(not )?ok\b(.*)$/;
const SUBTEST_OPENS = /\{$/;
const SUBTEST_CLOSES = /^( *)\}$/;
const DIAGNOSTICS_OPEN = /^( *) {2}---$/;
const EMPTY_FILE = /# skip no tests found$/i;
const DIRECTIVE = /# (skip|todo)\b/i;

/**
 * @param print gets one line per file and all lines of each failed point
 */
export function createTapCounter(print) {
  /** What the points of each depth amounted to since the last point of a lesser depth; unit of depth: columns. */
  const tallies = new Map();
  /** Points of the form `ok 1 - title {`, whose subtest follows. */
  const open = [];
  let diagnostics;

  function childrenOf(depth) {
    const sum = { passed: 0, failed: 0 };
    for (const [deeper, tally] of tallies) {
      if (deeper <= depth) continue;
      sum.passed += tally.passed;
      sum.failed += tally.failed;
      tallies.delete(deeper);
    }
    return sum;
  }

  function add(depth, { passed, failed }) {
    const tally = tallies.get(depth) ?? { passed: 0, failed: 0 };
    tallies.set(depth, { passed: tally.passed + passed, failed: tally.failed + failed });
  }

  function close({ depth, line, isOk, isCounted }) {
    const children = childrenOf(depth);
    const isLeaf = children.passed + children.failed === 0;
    const own = { passed: 0, failed: 0 };
    if (isLeaf && isOk && isCounted) own.passed = 1;
    if (!isOk && isCounted && children.failed === 0) own.failed = 1;
    add(depth, children);
    add(depth, own);
    if (depth === 0 || own.failed > 0) print(line);
    return own.failed > 0;
  }

  function readDiagnostics(line) {
    if (diagnostics.isShown) print(line);
    if (line === `${diagnostics.indent}  ...`) diagnostics = undefined;
  }

  let isFailureLast = false;
  function read(line) {
    if (diagnostics !== undefined) return readDiagnostics(line);
    const opening = DIAGNOSTICS_OPEN.exec(line);
    if (opening !== null) {
      diagnostics = { indent: opening[1], isShown: isFailureLast };
      return readDiagnostics(line);
    }
    const closing = SUBTEST_CLOSES.exec(line);
    if (closing !== null && open.at(-1)?.depth === closing[1].length) {
      isFailureLast = close(open.pop());
      return;
    }
    const found = POINT.exec(line);
    if (found === null) return;
    const [, indent, not, rest] = found;
    const isEmpty = EMPTY_FILE.test(rest);
    const isCounted = isEmpty || !DIRECTIVE.test(rest);
    const isOk = not === undefined && !isEmpty;
    const point = { depth: indent.length, line, isOk, isCounted };
    if (SUBTEST_OPENS.test(rest)) open.push(point);
    else isFailureLast = close(point);
  }

  return { read, end: () => tallies.get(0) ?? { passed: 0, failed: 0 } };
}
