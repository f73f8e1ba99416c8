import { painter } from "../../reports/screen.ts";
import type { Shell } from "./shell.ts";

/** Lines with the time since the first one, on stderr, so that stdout holds the result alone. */
export function progressTo(
  shell: Shell,
  { isQuiet }: { readonly isQuiet: boolean },
): (line: string) => void {
  if (isQuiet) return () => undefined;
  const paint = painter(shell.errScreen);
  const began = performance.now();
  return (line) => {
    const time = `${((performance.now() - began) / 1_000).toFixed(1).padStart(5)} s`;
    const room = shell.errScreen.width - time.length - 2;
    const text = line.length > room ? `${line.slice(0, room - 1)}…` : line;
    shell.err(`${paint("dim", time)}  ${text}\n`);
  };
}
