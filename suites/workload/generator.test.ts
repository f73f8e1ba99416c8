/**
 * Goal: the choices of the reference workload are those of DESIGN.md 11, the same for the same seed, in a bounded number of keys.
 * Method: draw long sequences, answering each operation at once from a small model of the guest.
 */
import t from "tap";
import type { Choice } from "../../harness/workload/choice.ts";
import { forkRandom } from "../../harness/workload/forked-random.ts";
import { createReferenceLoad } from "../../harness/workload/generator.ts";

const CLIENTS = 4;

interface Drawn {
  readonly choices: readonly (Choice & { readonly client: number })[];
  readonly liveMost: number;
  readonly finalReads: readonly Choice[];
}

function draw(
  count: number,
  options: {
    readonly seed: number;
    readonly onceLiveMax?: number;
    readonly isFaultWindow?: (index: number) => boolean;
    readonly outcome?: (choice: Choice, index: number) => "ok" | "fail" | "info";
  },
): Drawn {
  const { seed, onceLiveMax = 8_000 } = options;
  const load = createReferenceLoad({ seed, clients: CLIENTS, onceLiveMax });
  const choices: (Choice & { client: number })[] = [];
  let liveMost = 0;
  for (let index = 0; index < count; index += 1) {
    const client = load.client(index % CLIENTS);
    const choice = client.next(options.isFaultWindow?.(index) ?? false);
    choices.push({ ...choice, client: index % CLIENTS });
    client.ended(options.outcome?.(choice, index) ?? "ok");
    liveMost = Math.max(liveMost, load.onceLive());
  }
  return { choices, liveMost, finalReads: load.finalReads() };
}

await t.test("equal seeds give equal choices, another seed gives others", async (t) => {
  const one = draw(5_000, { seed: 7, onceLiveMax: 200 });
  const same = draw(5_000, { seed: 7, onceLiveMax: 200 });
  const other = draw(5_000, { seed: 8, onceLiveMax: 200 });
  t.equal(JSON.stringify(one), JSON.stringify(same));
  t.not(JSON.stringify(one), JSON.stringify(other));
});

await t.test("a draw added for one purpose does not move another one", async (t) => {
  const alone = forkRandom(7, "c0/kinds");
  const disturbed = forkRandom(7, "c0/kinds");
  const other = forkRandom(7, "c1/kinds");
  const plain: number[] = [];
  const beside: number[] = [];
  let others = 0;
  for (let index = 0; index < 100; index += 1) {
    plain.push(alone.below(1_000));
    others += other.below(1_000);
    beside.push(disturbed.below(1_000));
  }
  t.same(plain, beside);
  t.not(
    others,
    plain.reduce((sum, value) => sum + value, 0),
  );
});

await t.test("another number of clients does not change what kinds a client chooses", async (t) => {
  const kinds = (clients: number): readonly string[] => {
    const load = createReferenceLoad({ seed: 7, clients });
    return Array.from({ length: 500 }, () => {
      const kind = load.client(0).next(true).f;
      load.client(0).ended("ok");
      return kind === "list" ? "read" : kind;
    });
  };
  t.same(kinds(1), kinds(8));
});

await t.test(
  "half are reads, and of the writes a third each goes to shared keys, once-keys, lists",
  async (t) => {
    const count = 20_000;
    const { choices } = draw(count, { seed: 1, isFaultWindow: () => true });
    const share = (fits: (choice: Choice) => boolean): number =>
      choices.filter(fits).length / count;
    const near = (found: number, wanted: number, what: string): void => {
      t.ok(Math.abs(found - wanted) < 0.01, `${what}: ${found}`);
    };
    near(
      share(({ f }) => f === "read" || f === "list"),
      1 / 2,
      "reads",
    );
    near(
      share(({ f, key }) => f === "write" && key.startsWith("s")),
      1 / 6,
      "shared keys",
    );
    near(
      share(({ f, key }) => f === "write" && key.startsWith("o")),
      1 / 6,
      "once-keys",
    );
    near(
      share(({ f }) => f === "append"),
      1 / 6,
      "lists",
    );
    t.ok(share(({ f }) => f === "list") > 0.04);
    t.ok(share(({ f, key }) => f === "read" && key.startsWith("o")) > 0.1);
    const shared = new Set(choices.filter(({ key }) => key.startsWith("s")).map(({ key }) => key));
    t.equal(shared.size, 128);
  },
);

await t.test(
  "values have 100 bytes and are unique, once-keys are written once, lists stay at 64",
  async (t) => {
    const { choices } = draw(30_000, { seed: 2, onceLiveMax: 300 });
    const values = choices.flatMap(({ value }) => (value === null ? [] : [value]));
    t.ok(values.every((value) => value.length === 100));
    t.equal(new Set(values).size, values.length);
    const once = choices.filter(({ f, key }) => f === "write" && key.startsWith("o"));
    t.equal(new Set(once.map(({ key }) => key)).size, once.length);
    const appended = new Map<string, number>();
    for (const { f, key } of choices) {
      if (f === "append") appended.set(key, (appended.get(key) ?? 0) + 1);
    }
    t.equal(Math.max(...appended.values()), 64);
  },
);

await t.test(
  "old once-keys and full lists are read back, then deleted, and never touched again",
  async (t) => {
    const { choices, liveMost, finalReads } = draw(30_000, { seed: 3, onceLiveMax: 300 });
    t.ok(liveMost <= 300, `${liveMost} live`);
    const last = new Map<string, Choice>();
    const wrong: string[] = [];
    let deletes = 0;
    for (const choice of choices) {
      const before = last.get(choice.key);
      if (before?.f === "delete") wrong.push(`${choice.key} is touched after its delete`);
      if (choice.f === "delete") {
        deletes += 1;
        const wanted = choice.key.startsWith("l") ? "list" : "read";
        const isReadBack = before?.role === "readback" && before.f === wanted;
        if (!isReadBack) wrong.push(`${choice.key} is deleted without a read-back`);
      }
      last.set(choice.key, choice);
    }
    t.same(wrong, []);
    t.ok(deletes > 3_000, `${deletes} deletes`);
    const read = new Set(finalReads.map(({ key }) => key));
    const live = [...last.values()].filter(({ f }) => f !== "delete");
    t.same(
      live.filter(({ key }) => !read.has(key)),
      [],
    );
  },
);

await t.test(
  "inside a fault window nothing is deleted, and keys stay bounded all the same",
  async (t) => {
    const { choices, liveMost } = draw(60_000, {
      seed: 4,
      onceLiveMax: 300,
      isFaultWindow: (index) => index >= 10_000,
    });
    t.equal(choices.slice(10_000).filter(({ role }) => role === "readback").length, 0);
    t.ok(liveMost <= 450, `${liveMost} live`);
    const lists = new Set(choices.filter(({ f }) => f === "append").map(({ key }) => key));
    const deleted = new Set(choices.filter(({ f }) => f === "delete").map(({ key }) => key));
    t.ok([...lists].filter((key) => !deleted.has(key)).length <= 100);
  },
);

await t.test("what may have happened is read at the end, what was refused is not", async (t) => {
  const outcomes = { info: new Set<string>(), fail: new Set<string>() };
  const { finalReads } = draw(2_000, {
    seed: 5,
    isFaultWindow: () => true,
    outcome(choice, index) {
      const outcome = index % 3 === 0 ? "info" : index % 3 === 1 ? "fail" : "ok";
      const isOnce = choice.f === "write" && choice.key.startsWith("o");
      if (isOnce && outcome !== "ok") outcomes[outcome].add(choice.key);
      return outcome;
    },
  });
  const read = new Set(finalReads.map(({ key }) => key));
  t.equal(read.size, finalReads.length);
  t.ok(outcomes.info.size > 50);
  t.ok([...outcomes.info].every((key) => read.has(key)));
  t.notOk([...outcomes.fail].some((key) => read.has(key)));
});

await t.test("a delete without an answer is tried again", async (t) => {
  const load = createReferenceLoad({ seed: 6, clients: 1, onceLiveMax: 8 });
  const client = load.client(0);
  const deletes: string[] = [];
  while (deletes.length < 2) {
    const choice = client.next(false);
    client.ended(choice.f === "delete" && deletes.length === 0 ? "info" : "ok");
    if (choice.f === "delete") deletes.push(choice.key);
  }
  t.equal(deletes[0], deletes[1]);
});
