/** What the signs of the table mean. */
import { HOST_STATES, type HostState, isState } from "./columns.ts";

/** In the order of a host's life; each letter once. */
export function hostLegend(states: ReadonlySet<HostState>): readonly string[] {
  const names = Object.keys(HOST_STATES).filter(isState);
  const shown = names.filter((name) => states.has(name));
  const texts = shown.map((name) => `${HOST_STATES[name].letter} ${HOST_STATES[name].meaning}`);
  return [...new Set(texts)];
}

const ALL: ReadonlySet<HostState> = new Set(Object.keys(HOST_STATES).filter(isState));

/** The whole legend, for the help of the command. */
export const TRACE_LEGEND = `Columns:
  line     line of events.ndjson; h12: line 12 of history.ndjson
  ms       the run's clock; a fault stands at its fault instant
  +ms      since the last fault, command or heal
  a b      the host's state after the event, in capitals where it has the VM:
${hostLegend(ALL)
  .map((text) => `             ${text}`)
  .join("\n")}
  q1 s1    the host that holds the quorum service's grant; the host that the
           switch leads its clients to; - nobody, . not said yet, x dead
  mark     > fault or command, < heal, ! went wrong, | a fault is in force
  event    who says it, and what; gen 4-294e: number and begin of the id`;
