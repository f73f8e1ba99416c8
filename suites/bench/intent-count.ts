/** What the maps on a host's disk say, read by the harness's own reader. */
import { readDisk, type VolumeImage } from "../../harness/check/disk-image.ts";
import type { DiskSource } from "../../harness/rig/rig.ts";

/** Extents of a disk's maps, as `volume/extent`. */
export interface MarkedExtents {
  readonly intents: ReadonlySet<string>;
  /** With at least one dirty block. Empty unless the copy is `sole`. */
  readonly dirty: ReadonlySet<string>;
}

export function markedExtents(disk: DiskSource): MarkedExtents {
  const image = readDisk(disk);
  const intents = new Set<string>();
  const dirty = new Set<string>();
  if (image.kind === "blank") return { intents, dirty };
  const perExtent = image.blocksPerExtent;
  for (const { page, volumes } of image.vms) {
    for (const volume of volumes) {
      addSet(intents, volume, Math.ceil(volume.blocks / perExtent), (extent) =>
        volume.intentBits.has(extent) ? extent : null,
      );
      if (page?.right !== "sole") continue;
      addSet(dirty, volume, volume.blocks, (block) =>
        volume.dirtyBits.has(block) ? Math.floor(block / perExtent) : null,
      );
    }
  }
  return { intents, dirty };
}

function addSet(
  into: Set<string>,
  { volume }: VolumeImage,
  count: number,
  extentOf: (index: number) => number | null,
): void {
  for (let index = 0; index < count; index += 1) {
    const extent = extentOf(index);
    if (extent !== null) into.add(`${volume}/${extent}`);
  }
}
