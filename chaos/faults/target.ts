import * as v from "valibot";

/** A word of `TargetWord`, or the name of a process; the rig resolves it at the fault instant. */
export const targetSchema = v.pipe(
  v.string(),
  v.minLength(1, "name a host, or say active, standby, random"),
);
