/**
 * Which sectors of a write reach the medium before any flush. A disk's cache writes back when it likes and in the order it likes, so a power
 * failure leaves unflushed writes torn and reordered. A killed process runs no code: what is left of its cache is prepared while it
 * lives. The choice depends on nothing but a seed and the number of the write, and is the same for a simulated disk and a real host's file.
 */

/** Neighbouring sectors of one write. */
export interface SectorRun {
  /** Counted in the write, from 0. */
  readonly from: number;
  readonly count: number;
}

/** So many writes in a row share a mood: else no power failure would find all of several writes, or nothing of them. */
const SPELL = 16;
const NOTHING: readonly SectorRun[] = [];
const MASK_BITS = 32;

/**
 * In half of all spells nothing goes early, in a quarter everything, in the others nothing, some sectors or all of them by the write.
 *
 * @param write counts the writes of one disk
 * @param sectors whole sectors of that write
 * @returns in the order in which they go
 */
export function destaged(seed: number, write: number, sectors: number): readonly SectorRun[] {
  const mood = mix(seed, Math.floor(write / SPELL)) & 3;
  if (mood < 2 || sectors === 0) return NOTHING;
  const draw = mix(seed + 1, write);
  const what = mood === 2 ? 1 : (draw >>> 1) & 3;
  if (what === 0) return NOTHING;
  if (what === 1) return [{ from: 0, count: sectors }];
  const runs = someOf(seed, write, sectors);
  return (draw & 1) === 0 ? runs : runs.reverse();
}

/** Each sector with one half. */
function someOf(seed: number, write: number, sectors: number): SectorRun[] {
  const runs: SectorRun[] = [];
  let from = -1;
  let mask = 0;
  for (let sector = 0; sector <= sectors; sector += 1) {
    if (sector % MASK_BITS === 0) mask = mix(seed + 2 + sector, write);
    const isChosen = sector < sectors && ((mask >>> (sector % MASK_BITS)) & 1) === 1;
    if (isChosen && from < 0) from = sector;
    if (isChosen || from < 0) continue;
    runs.push({ from, count: sector - from });
    from = -1;
  }
  return runs;
}

/** 32 bits that depend on every bit of both numbers (the finisher of MurmurHash3). */
function mix(seed: number, number: number): number {
  let bits = (seed ^ Math.imul(number + 1, 0x9e3779b1)) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
