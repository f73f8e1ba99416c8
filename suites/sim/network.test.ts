/**
 * Goal: a simulated link does what a real one may do and nothing else. Method: two ends that write down what they are told, on a clock of
 * the test; every claim over many seeds.
 */
import t from "tap";
import { createClock, type SimClock } from "../../harness/sim/clock.ts";
import { forkDraws } from "../../harness/sim/draws.ts";
import { createLink, type LinkEnd, type SimLink } from "../../harness/sim/link.ts";

const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1);
const REDIAL_US = 20_000;

interface End extends LinkEnd<string> {
  isUp: boolean;
  stands: boolean;
  readonly heard: string[];
  conn: number | null;
}

function end(): End {
  const heard: string[] = [];
  const own: End = {
    isUp: true,
    stands: false,
    heard,
    conn: null,
    isAlive: () => own.isUp,
    isPaused: () => own.stands,
    up(conn) {
      own.conn = conn;
      heard.push("up");
    },
    down() {
      own.conn = null;
      heard.push("down");
    },
    refused: () => heard.push("refused"),
    frame: (_conn, frame) => heard.push(frame),
  };
  return own;
}

interface Net {
  readonly clock: SimClock;
  readonly link: SimLink<string, string>;
  readonly dialler: End;
  readonly listener: End;
  run(spanUs: number): void;
}

function net(seed: number): Net {
  const clock = createClock(forkDraws(seed, "ties"));
  let conns = 0;
  const link = createLink<string, string>({
    id: "a>b/alink0",
    dialler: "a",
    listener: "b",
    clock,
    draws: forkDraws(seed, "link"),
    delayUs: 0,
    redialUs: REDIAL_US,
    nextConn: () => {
      conns += 1;
      return conns;
    },
  });
  const dialler = end();
  const listener = end();
  link.attach(dialler, listener);
  const run = (spanUs: number): void => {
    const until = clock.now() + spanUs;
    for (let next = clock.next(); next !== null && next <= until; next = clock.next()) clock.step();
    clock.moveTo(until);
  };
  link.ready("a");
  return { clock, link, dialler, listener, run };
}

function say(net: Net, from: "dialler" | "listener", text: string): void {
  const { conn } = net[from];
  if (conn === null) return;
  if (from === "dialler") net.link.sendForward(conn, () => text);
  else net.link.sendBackward(conn, () => text);
}

function sayMany(net: Net, from: "dialler" | "listener", count: number): readonly string[] {
  const texts = Array.from({ length: count }, (_, index) => `${index}`);
  for (const text of texts) {
    say(net, from, text);
    net.run(30);
  }
  return texts;
}

await t.test("both ends come up and frames arrive whole and in order", (t) => {
  for (const seed of SEEDS) {
    const it = net(seed);
    it.run(30_000);
    t.same([it.dialler.heard, it.listener.heard], [["up"], ["up"]]);
    const texts = sayMany(it, "dialler", 50);
    it.run(10_000);
    t.same(it.listener.heard, ["up", ...texts]);
  }
  t.end();
});

await t.test("a dial of a dead listener is refused until it lives", (t) => {
  const it = net(1);
  it.listener.isUp = false;
  it.run(100_000);
  t.ok(it.dialler.heard.length >= 3, "it dials again and again");
  t.ok(it.dialler.heard.every((word) => word === "refused"));
  it.listener.isUp = true;
  it.run(100_000);
  t.equal(it.dialler.heard.at(-1), "up");
  t.end();
});

await t.test(
  "at a death the oldest frames under way arrive, then the close; a seed draws how many",
  (t) => {
    const counts = new Set<number>();
    for (const seed of SEEDS) {
      const it = net(seed);
      it.run(30_000);
      const texts = Array.from({ length: 10 }, (_, index) => `${index}`);
      for (const text of texts) say(it, "dialler", text);
      it.dialler.isUp = false;
      it.link.died("a");
      it.run(10_000);
      const arrived = it.listener.heard.slice(1, -1);
      t.equal(it.listener.heard.at(-1), "down");
      t.same(arrived, texts.slice(0, arrived.length));
      counts.add(arrived.length);
    }
    t.ok(counts.size > 4, "some lose all, some none");
    t.end();
  },
);

await t.test("a refused link closes at both ends, and comes back when mended", (t) => {
  const it = net(3);
  it.run(30_000);
  it.link.cut("refuse", "both");
  it.run(100_000);
  t.same(it.listener.heard, ["up", "down"]);
  t.same(it.dialler.heard.slice(0, 3), ["up", "down", "refused"]);
  t.ok(it.link.stopped() > 0, "it bit");
  it.link.mend();
  it.run(100_000);
  t.same([it.dialler.heard.at(-1), it.listener.heard.at(-1)], ["up", "up"]);
  t.end();
});

await t.test("a black hole swallows one direction and closes when it is mended", (t) => {
  const it = net(4);
  it.run(30_000);
  it.link.cut("blackhole", "forward");
  sayMany(it, "dialler", 5);
  say(it, "listener", "back");
  it.run(50_000);
  t.same(it.listener.heard, ["up"]);
  t.same(it.dialler.heard, ["up", "back"]);
  t.equal(it.link.stopped(), 5);
  it.link.mend();
  it.run(100_000);
  t.same(it.listener.heard, ["up", "down", "up"]);
  t.end();
});

await t.test("a jam keeps what it stops and delivers it in order when it is mended", (t) => {
  for (const seed of SEEDS) {
    const it = net(seed);
    it.run(30_000);
    const before = sayMany(it, "dialler", 5);
    it.link.cut("jam", "both");
    const after = sayMany(it, "dialler", 5);
    it.run(50_000);
    t.ok(it.listener.heard.length <= 1 + before.length, "nothing of it passes");
    it.link.mend();
    it.run(50_000);
    t.same(it.listener.heard, ["up", ...before, ...after]);
  }
  t.end();
});

await t.test("a dial into a cut link hangs, is given up after a second, and tried again", (t) => {
  const it = net(5);
  it.link.cut("blackhole", "both");
  it.run(2_500_000);
  t.same(it.dialler.heard, ["refused", "refused"]);
  it.link.mend();
  it.run(100_000);
  t.equal(it.dialler.heard.at(-1), "up");
  t.end();
});

await t.test("an end that closes hears its own close and dials again at once", (t) => {
  const heard = new Set<string>();
  for (const seed of SEEDS) {
    const it = net(seed);
    it.run(30_000);
    say(it, "dialler", "last");
    it.link.close("dialler", it.dialler.conn ?? 0);
    it.run(5_000);
    t.same(it.dialler.heard, ["up", "down", "up"]);
    heard.add(it.listener.heard.join(" "));
  }
  // The new connection may overtake what was under way on the old one, which then ends with it.
  t.same([...heard].sort(), ["up down up", "up last down up"]);
  t.end();
});

await t.test("a slow link takes so much longer in that direction, and keeps the order", (t) => {
  for (const seed of SEEDS) {
    const it = net(seed);
    it.run(30_000);
    it.link.delay({ latencyMs: 20, jitterMs: 5 }, "forward");
    const texts = sayMany(it, "dialler", 10);
    say(it, "listener", "back");
    it.run(10_000);
    t.same(it.listener.heard, ["up"], "none of it has arrived");
    t.same(it.dialler.heard, ["up", "back"], "the other direction is as fast as ever");
    it.run(30_000);
    t.same(it.listener.heard, ["up", ...texts]);
    t.equal(it.link.delayed(), texts.length);
    it.link.undelay();
    say(it, "dialler", "fast");
    it.run(6_000);
    t.equal(it.listener.heard.at(-1), "fast");
    t.equal(it.link.delayed(), texts.length);
  }
  t.end();
});

await t.test("an end that stands still accepts and dials when it goes on", (t) => {
  const it = net(7);
  it.listener.stands = true;
  it.run(500_000);
  t.same([it.dialler.heard, it.listener.heard], [[], []], "the dial hangs");
  it.listener.stands = false;
  it.link.resumed("b");
  it.run(10_000);
  t.same([it.dialler.heard, it.listener.heard], [["up"], ["up"]]);
  it.dialler.stands = true;
  it.listener.isUp = false;
  it.link.died("b");
  it.run(300_000);
  t.same(it.dialler.heard, ["up", "down"], "nothing is dialled");
  it.dialler.stands = false;
  it.listener.isUp = true;
  it.link.resumed("a");
  it.run(10_000);
  t.equal(it.dialler.heard.at(-1), "up");
  t.end();
});

await t.test("a dial that was given up meanwhile is not accepted any more", (t) => {
  const it = net(8);
  it.listener.stands = true;
  it.run(1_010_000);
  t.same(it.dialler.heard, ["refused"], "after a second");
  it.listener.stands = false;
  it.link.resumed("b");
  it.run(100_000);
  t.same(it.listener.heard, ["up"], "only the next one");
  t.end();
});
