import type { Readable } from "node:stream";

/** Longest line that is taken. */
export const LINE_BYTES_MAX = 64 * 1024;

/** Calls `onLine` for each whole line, without its end; `onTooLong` once when a line exceeds the limit, and then nothing more. */
export function readLines(
  stream: Readable,
  onLine: (line: string) => void,
  onTooLong: () => void,
): void {
  let rest = "";
  let isOver = false;
  stream.setEncoding("utf8");
  // The pipe of a killed process may end with an error; its end is seen elsewhere.
  stream.on("error", () => undefined);
  stream.on("data", (chunk: string) => {
    if (isOver) return;
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
    if (rest.length <= LINE_BYTES_MAX) return;
    isOver = true;
    rest = "";
    onTooLong();
  });
}
