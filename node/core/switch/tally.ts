/** Counts what hosts put out, for an observer: who let something out under which generation, and when its cause was taken in. */
import type { Arrival, Counted, Out, SwitchState } from "./state.ts";

/** What arrived on an own lan link, whosever session it is about: so each output is counted by one switch. */
export function countOutput(state: SwitchState, { way, frame }: Arrival, nowUs: number): void {
  const { vm, vmBoot, gen, bytes, intakeAtUs } = frame;
  const { host } = way;
  const key = [vm, vmBoot.id, gen.id, host].join("\n");
  const tally = state.tallies.get(key);
  if (tally === undefined) {
    const note: Counted = {
      what: "outputs",
      vm,
      boot: vmBoot.id,
      gen: gen.id,
      n: gen.n,
      host,
      maxIntakeAtUs: intakeAtUs,
      firstAtUs: nowUs,
      lastAtUs: nowUs,
      bytes: bytes.length,
    };
    state.tallies.set(key, { note, isChanged: true });
    return;
  }
  const { note } = tally;
  tally.isChanged = true;
  note.maxIntakeAtUs = Math.max(note.maxIntakeAtUs, intakeAtUs);
  note.lastAtUs = nowUs;
  note.bytes += bytes.length;
}

/** Reports what changed since the last report. */
export function reportOutputs(state: SwitchState, nowUs: number, out: Out): void {
  state.reportedAtUs = nowUs;
  for (const tally of state.tallies.values()) {
    if (!tally.isChanged) continue;
    tally.isChanged = false;
    out.push({ kind: "note", note: { ...tally.note } });
  }
}
