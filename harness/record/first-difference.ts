/** Where two files begin to differ, to the byte. */
import { readFileSync } from "node:fs";

export interface Difference {
  /** From 1. */
  readonly line: number;
  /** Of the first sign that differs, from 0, in UTF-16 code units. */
  readonly column: number;
  /** The line without its end; null: the file has ended before. */
  readonly left: string | null;
  readonly right: string | null;
}

const LINE_END = 10;

/** Null: the bytes are equal. Throws what reading a file throws. */
export function firstDifference(leftPath: string, rightPath: string): Difference | null {
  return differenceOf(readFileSync(leftPath), readFileSync(rightPath));
}

/** Of two texts in memory; null: they are equal. */
export function differenceOf(left: Buffer, right: Buffer): Difference | null {
  if (left.equals(right)) return null;
  const shorter = Math.min(left.length, right.length);
  let at = 0;
  while (at < shorter && left[at] === right[at]) at += 1;
  // A byte before the difference belongs to both.
  const start = at === 0 ? 0 : left.lastIndexOf(LINE_END, at - 1) + 1;
  let line = 1;
  for (let index = 0; index < start; index += 1) if (left[index] === LINE_END) line += 1;
  const column = left.toString("utf8", start, at).length;
  return { line, column, left: lineAt(left, start), right: lineAt(right, start) };
}

function lineAt(bytes: Buffer, start: number): string | null {
  if (start >= bytes.length) return null;
  const end = bytes.indexOf(LINE_END, start);
  return bytes.toString("utf8", start, end < 0 ? bytes.length : end);
}
