/**
 * Goal: the codec reads every reply of RESP2, wherever the stream is cut, and refuses what is none.
 * Method: fast-check generates replies and cuts; refusals are listed.
 */
import fc from "fast-check";
import t from "tap";
import { createReplyDecoder, encodeCommand, type Reply } from "../../harness/workload/resp.ts";
import { unreachable } from "../../node/core/invariant.ts";

const line = fc.stringMatching(/^[ -~]{0,20}$/);
const bytes = fc
  .uint8Array({ maxLength: 60 })
  .map((array) => Buffer.from(array).toString("latin1"));
const flat: fc.Arbitrary<Reply> = fc.oneof(
  fc.record({ kind: fc.constant("simple" as const), text: line }),
  fc.record({ kind: fc.constant("error" as const), text: line }),
  fc.record({ kind: fc.constant("integer" as const), value: fc.maxSafeInteger() }),
  fc.record({ kind: fc.constant("bulk" as const), text: fc.option(bytes) }),
);
const reply: fc.Arbitrary<Reply> = fc.oneof(
  flat,
  fc.record({
    kind: fc.constant("array" as const),
    items: fc.option(fc.array(flat, { maxLength: 5 })),
  }),
);

function encode(it: Reply): string {
  switch (it.kind) {
    case "simple":
      return `+${it.text}\r\n`;
    case "error":
      return `-${it.text}\r\n`;
    case "integer":
      return `:${it.value}\r\n`;
    case "bulk":
      return it.text === null ? "$-1\r\n" : `$${it.text.length}\r\n${it.text}\r\n`;
    case "array":
      return it.items === null
        ? "*-1\r\n"
        : `*${it.items.length}\r\n${it.items.map(encode).join("")}`;
    default:
      return unreachable(it);
  }
}

await t.test("replies come out whole and in order wherever the stream is cut", async (t) => {
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
  const property = fc.property(fc.array(reply, { maxLength: 8 }), cuts, (replies, sizes) => {
    const stream = Buffer.from(replies.map(encode).join(""), "latin1");
    const decoder = createReplyDecoder();
    const found: Reply[] = [];
    for (let from = 0, turn = 0; from < stream.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? 1;
      const parsed = decoder.push(stream.subarray(from, from + size));
      if (!parsed.ok) throw new Error(parsed.why);
      found.push(...parsed.value);
      from += size;
    }
    return JSON.stringify(found) === JSON.stringify(replies);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }));
});

await t.test("a command is an array of texts with their lengths in bytes", async (t) => {
  t.equal(encodeCommand(["SET", "k", "a\r\nb"]), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n");
});

await t.test("what is no reply is refused with the reason", async (t) => {
  const streams: readonly (readonly [string, RegExp])[] = [
    ["HTTP/1.1 400 Bad Request\r\n", /type "H"/],
    ["+a\rb\r\n", /CR LF/],
    ["$3\r\nabcd\r\n", /CR LF/],
    ["$x\r\n", /instead of a number/],
    [":\r\n", /instead of a number/],
    ["$-2\r\n", /-2 bytes/],
    ["$99999999\r\n", /99999999 bytes/],
    ["*99999999\r\n", /99999999 items/],
    ["*1\r\n".repeat(6), /deep/],
    [`+${"a".repeat(70_000)}`, /longer than/],
  ];
  for (const [stream, why] of streams) {
    const parsed = createReplyDecoder().push(Buffer.from(stream, "latin1"));
    t.match(parsed, { ok: false, why }, JSON.stringify(stream.slice(0, 20)));
  }
});
