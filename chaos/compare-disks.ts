/** The audit of a bed's two disks. The hosts are quiesced, or dead. */
import { auditDisks, type DivergenceFigures } from "../harness/check/divergence.ts";
import { type Guarded, guardChecker } from "../harness/check/verdict.ts";
import type { Rig } from "../harness/rig/rig.ts";

/** Whatever it finds or cannot read becomes its verdict. */
export function compareDisks(
  rig: Pick<Rig, "disks">,
  by: { readonly name: string; readonly mustBeEqual: boolean; readonly isSplitExpected?: boolean },
): Guarded<DivergenceFigures> {
  const disks = rig.disks();
  try {
    return guardChecker(by.name, () => {
      const [left, right] = disks;
      if (left === undefined || right === undefined) throw new Error("there are not two disks");
      return auditDisks(left, right, by);
    });
  } finally {
    for (const disk of disks) disk.close();
  }
}
