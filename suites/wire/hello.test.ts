/**
 * Goal: a hello says who speaks or is refused, and a refusal never repeats what it read.
 * Method: hellos as text, listed; the harness's own client is one of the speakers.
 */
import t from "tap";
import { encodeHello, HELLO_BYTES_MAX, isSameSecret, parseHello } from "../../node/wire/hello.ts";

const SECRET = "00112233445566778899aabbccddeeff";
const HELLO = { cluster: "c-1", role: "host", name: "a", path: "alink0", secret: SECRET } as const;
const FRAME = { hello: 1, protocol: 1, ...HELLO };

await t.test("a hello comes back equal", async (t) => {
  t.strictSame(parseHello(encodeHello(HELLO)), { ok: true, value: HELLO });
  t.strictSame(JSON.parse(encodeHello(HELLO)), FRAME);
});

await t.test("a hello without a path has none", async (t) => {
  const { path: _, ...rest } = FRAME;
  t.strictSame(parseHello(JSON.stringify(rest)), { ok: true, value: { ...HELLO, path: null } });
});

const wrong: Readonly<Record<string, unknown>> = {
  "another version": { ...FRAME, protocol: 2 },
  "another greeting": { ...FRAME, hello: 2 },
  "an unknown role": { ...FRAME, role: "root" },
  "a short secret": { ...FRAME, secret: SECRET.slice(1) },
  "a secret that is no text": { ...FRAME, secret: [SECRET] },
  "a name with a space": { ...FRAME, name: "a b" },
  "no cluster": { ...FRAME, cluster: undefined },
  "a number": 1,
  "a list": [FRAME],
  null: null,
};

await t.test("what is no hello is refused without being repeated", async (t) => {
  const texts = Object.entries(wrong).map(([why, value]) => [why, JSON.stringify(value)] as const);
  const long = JSON.stringify({ ...FRAME, filler: "x".repeat(HELLO_BYTES_MAX) });
  for (const [why, text] of [...texts, ["no JSON", `{${SECRET}`], ["too long", long]] as const) {
    const parsed = parseHello(text);
    t.equal(parsed.ok, false, why);
    if (!parsed.ok) t.notMatch(parsed.why, SECRET.slice(1), why);
  }
});

await t.test("secrets are the same in every digit or not at all", async (t) => {
  t.equal(isSameSecret(SECRET, SECRET), true);
  t.equal(isSameSecret(SECRET, SECRET.replace("f", "e")), false);
  t.equal(isSameSecret(SECRET, ""), false);
  t.equal(isSameSecret(SECRET, `${SECRET}0`), false);
});
