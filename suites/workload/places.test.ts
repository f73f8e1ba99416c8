/**
 * Goal: clients of two sites write one history that says where each was, and use the same keys or none in common, as they are told.
 * Method: run the workload against fake guests, one for both sites or one each, and read the history.
 */
import t from "tap";
import { checkDurability } from "../../harness/check/durability.ts";
import { checkLinearizability } from "../../harness/check/linearizability.ts";
import { operationsOf } from "../../harness/check/operations.ts";
import { switchesOf } from "../../harness/workload/places.ts";
import { at, bench, guestOf, SPEC, workloadOf } from "./bench.ts";
import { brokenRules, type Invoke, invokesIn, type KeptHistory } from "./kept-history.ts";

/** By site: keys that its clients wrote, and the roles of its operations. */
function bySite(history: KeptHistory): ReadonlyMap<string | null, readonly Invoke[]> {
  const sites = new Map<string | null, Invoke[]>();
  for (const invoke of invokesIn(history.lines)) {
    const site = invoke.site ?? null;
    sites.set(site, [...(sites.get(site) ?? []), invoke]);
  }
  return sites;
}

const keysOf = (invokes: readonly Invoke[] | undefined, of: Invoke["role"]): ReadonlySet<string> =>
  new Set(invokes?.filter(({ role }) => role === of).map(({ key }) => key));

await t.test("one site needs no name in the history", async (t) => {
  const guest = await guestOf(t);
  const { history, recorder, now } = bench();
  const workload = workloadOf(t, { spec: SPEC, targets: at(guest), recorder, now });
  await history.until("200 operations", () => recorder.counts().ok >= 200);
  await workload.finish(now() + 10_000_000);
  t.same([...bySite(history).keys()], [null]);
  t.ok(keysOf(bySite(history).get(null), "probe").has("p0"));
});

await t.test("two sites that share keys each have a probe and half of the clients", async (t) => {
  const guest = await guestOf(t);
  const { history, recorder, now } = bench();
  // One VM, reached at two addresses.
  const workload = workloadOf(t, { spec: SPEC, targets: at(guest, guest), recorder, now });
  await history.until("2000 operations", () => recorder.counts().ok >= 2_000);
  await workload.finish(now() + 10_000_000);
  const sites = bySite(history);
  t.same(new Set(sites.keys()), new Set(["s1", "s2"]));
  const [first, second] = [sites.get("s1"), sites.get("s2")];
  t.ok(keysOf(first, "probe").has("p0") && keysOf(second, "probe").has("s2.p0"));
  const shared = [...keysOf(first, "load")].filter((key) => keysOf(second, "load").has(key));
  t.ok(shared.length >= 100, `${shared.length} keys are used at both`);
  const writers = [first, second].map(
    (invokes) =>
      new Set(
        invokes?.flatMap(({ role, value }) =>
          role === "load" && value !== null ? [value.split(".")[0]] : [],
        ),
      ),
  );
  t.same(writers, [new Set(["c0", "c2", "c4", "c6"]), new Set(["c1", "c3", "c5", "c7"])]);
  const read = new Set(
    invokesIn(history.lines).flatMap((it) => (it.role === "readback" ? [it.key] : [])),
  );
  t.same(
    [...guest.keys.keys()].filter((key) => !read.has(key)),
    [],
    "every key is read back",
  );
  t.same(brokenRules(history.lines), []);
  t.equal(checkDurability(operationsOf(history.lines), []).check.verdict, "pass");
});

await t.test(
  "two sites with keys of their own meet in none, and read back their own",
  async (t) => {
    // A split brain: two machines, each with what its site wrote.
    const guests = await Promise.all([guestOf(t), guestOf(t)]);
    const { history, recorder, now } = bench();
    const spec = { ...SPEC, keys: "disjoint" } as const;
    const workload = workloadOf(t, { spec, targets: at(...guests), recorder, now });
    await history.until("2000 operations", () => recorder.counts().ok >= 2_000);
    await workload.finish(now() + 10_000_000);
    const [first, second] = ["s1", "s2"].map((site) => {
      return new Set(
        bySite(history)
          .get(site)
          ?.map(({ key }) => key),
      );
    });
    t.same(
      [...(first ?? [])].filter((key) => second?.has(key)),
      [],
    );
    t.ok([...(second ?? [])].every((key) => key.startsWith("s2.")));
    const { check, lost } = checkDurability(operationsOf(history.lines), []);
    t.equal(check.verdict, "pass", check.why);
    t.equal(lost.acknowledged, 0);
    t.equal(checkLinearizability(history.lines).check.verdict, "pass");
    t.same(brokenRules(history.lines), []);
  },
);

await t.test("a site that a topology does not have is named", (t) => {
  const one = { hosts: ["a", "b"], services: [], switches: ["s1"], links: [] };
  t.same(switchesOf({}, one), ["s1"]);
  t.same(switchesOf({ sites: ["b", "a"] }, { ...one, switches: ["s1", "s2"] }), ["s2", "s1"]);
  t.throws(() => switchesOf({ sites: ["a", "b"] }, one), {
    code: "BAD_SCENARIO",
    message: /site b/,
  });
  t.end();
});
