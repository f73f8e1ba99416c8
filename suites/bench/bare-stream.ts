/** The bare loop of a resync: frames of 64 KiB with at most 8 MiB under way, pwrite, and one fdatasync for each mebibyte. */
import { randomFillSync } from "node:crypto";
import { crc32 } from "node:zlib";
import { COPY_MAX, type CopiedBlock, type PeerBody } from "../../node/core/pair/frames.ts";
import { BLOCK_SIZE } from "../../node/core/units.ts";
import type { BareDisk } from "./bare-disk.ts";
import type { StreamResult, StreamSpec } from "./load-port.ts";

const FRAME_BYTES = COPY_MAX * BLOCK_SIZE;
const UNDER_WAY_MAX = 8 * 1_024 * 1_024;
const FLUSH_BYTES = 1_024 * 1_024;

type BodyOf<Kind extends PeerBody["kind"]> = Extract<PeerBody, { readonly kind: Kind }>;

const data = randomFillSync(new Uint8Array(BLOCK_SIZE));
const sum = crc32(data);

export interface BareStream {
  run(spec: StreamSpec): Promise<StreamResult>;
  copied(body: BodyOf<"copied">): void;
}

export function createBareStream(send: (body: PeerBody) => void): BareStream {
  let underWay = 0;
  let next: () => void = () => undefined;
  return {
    run: ({ streamBytes }) =>
      new Promise((resolve) => {
        const startedAt = performance.now();
        let sent = 0;
        next = () => {
          while (sent < streamBytes && underWay < UNDER_WAY_MAX) {
            send({ kind: "copy", volume: 0, blocks: frameAt(sent / BLOCK_SIZE) });
            sent += FRAME_BYTES;
            underWay += FRAME_BYTES;
          }
          if (sent < streamBytes || underWay > 0) return;
          next = () => undefined;
          resolve({ elapsedUs: (performance.now() - startedAt) * 1_000 });
        };
        next();
      }),
    copied({ blocks }) {
      underWay -= blocks.length * BLOCK_SIZE;
      next();
    },
  };
}

function frameAt(first: number): readonly CopiedBlock[] {
  return Array.from({ length: COPY_MAX }, (_, index) => ({ lba: first + index, sum, data }));
}

let unflushed: BodyOf<"copy">[] = [];

/** The receiving side. Every frame is answered when the flush behind it has ended. */
export function takeStreamed(
  body: BodyOf<"copy">,
  disk: BareDisk,
  send: (body: PeerBody) => void,
): void {
  for (const block of body.blocks) disk.write(block.data, block.lba * BLOCK_SIZE);
  unflushed.push(body);
  if (unflushed.length * FRAME_BYTES < FLUSH_BYTES) return;
  const served = unflushed;
  unflushed = [];
  disk.flush(() => {
    for (const { volume, blocks } of served) {
      const copied = blocks.map(({ lba, sum: own }) => [lba, own] as const);
      send({ kind: "copied", volume, blocks: copied });
    }
  });
}
