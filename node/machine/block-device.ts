/**
 * The machine's volumes. Reads are answered from a cache that is machine state: it starts with the blocks given at boot, and every
 * write goes to it and to the host. So no completion of a disk operation is an input of the guest, and a guest may read like a
 * blocking program in every bed.
 */
import { crc32 } from "node:zlib";
import type { VolumeId } from "../core/identity.ts";
import { invariant } from "../core/invariant.ts";
import type { BootBlock, GuestWrite, VolumeShape } from "../core/machine/entry.ts";
import { BLOCK_SIZE } from "../core/units.ts";
import { GuestFault } from "./guest-fault.ts";

export interface BlockDevice {
  /** @throws GuestFault when there is no such block */
  read(at: BlockAddress, target: Uint8Array): void;
  /** @throws GuestFault when there is no such block */
  write(at: BlockAddress, data: Uint8Array, cause: number): void;
  /** Size of a volume; 0 for one that does not exist. Unit: blocks. */
  count(volume: VolumeId): number;
  flush(): void;
  /** Flushes since the boot. */
  flushes(): number;
  /** Writes since the last call of `take`, in order. */
  pending(): number;
  take(): readonly GuestWrite[];
  /** Takes back writes and flushes that the host has not been given: the entry that made them trapped. */
  rewind(to: { readonly pending: number; readonly flushes: number }): void;
  /** Feeds the device's whole state, in an order that depends on nothing but it. */
  digest(update: (part: Uint8Array | string) => void): void;
}

export interface BlockAddress {
  readonly volume: VolumeId;
  readonly lba: number;
}

interface Volume {
  readonly id: VolumeId;
  /** One entry per block; undefined: never written, reads as zeros. */
  readonly blocks: (Uint8Array | undefined)[];
}

export function createBlockDevice(
  shapes: readonly VolumeShape[],
  boot: readonly BootBlock[],
): BlockDevice {
  const volumes = new Map<VolumeId, Volume>();
  for (const { id, blocks: count } of shapes) {
    volumes.set(id, { id, blocks: new Array<Uint8Array | undefined>(count).fill(undefined) });
  }
  for (const { volume: id, lba, data } of boot) {
    const blocks = volumes.get(id)?.blocks;
    invariant(blocks !== undefined && lba < blocks.length, "a boot block lies in its volume");
    invariant(data.length === BLOCK_SIZE, "a boot block has the size of a block");
    blocks[lba] = data;
  }
  let writes: GuestWrite[] = [];
  let taken = 0;
  let flushes = 0;

  function blocksAt({ volume, lba }: BlockAddress): (Uint8Array | undefined)[] {
    const blocks = volumes.get(volume)?.blocks;
    if (blocks !== undefined && lba >= 0 && lba < blocks.length) return blocks;
    throw new GuestFault(`there is no block ${lba} in volume ${volume}`);
  }

  return {
    read(at, target) {
      const block = blocksAt(at)[at.lba];
      if (block === undefined) target.fill(0);
      else target.set(block);
    },
    write(at, source, cause) {
      const blocks = blocksAt(at);
      const cached = blocks[at.lba];
      if (cached === undefined) blocks[at.lba] = source.slice();
      else cached.set(source);
      const data = source.slice();
      const number = taken + writes.length + 1;
      writes.push({ number, epoch: flushes + 1, cause, ...at, data, sum: crc32(data) });
    },
    count: (volume) => volumes.get(volume)?.blocks.length ?? 0,
    flush() {
      flushes += 1;
    },
    flushes: () => flushes,
    pending: () => writes.length,
    take() {
      const given = writes;
      taken += given.length;
      writes = [];
      return given;
    },
    rewind(to) {
      writes.length = to.pending;
      flushes = to.flushes;
    },
    digest(update) {
      update(JSON.stringify({ written: taken + writes.length, flushes }));
      for (const { id, blocks } of volumes.values()) {
        blocks.forEach((block, lba) => {
          if (block === undefined) return;
          update(JSON.stringify({ id, lba }));
          update(block);
        });
      }
    },
  };
}
