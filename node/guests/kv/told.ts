/** Long texts whose length must come first: told twice alike, once to be measured and once to be put. */
import { header } from "./layout";
import { beginTextReply, makeRoom, putBytes, putInteger, putText } from "./reply";
import { integerBytes, writeInteger } from "./text";

/** Longest text, that of all sessions. An early flush in the middle of it could change what it tells. */
const TOLD_BYTES_MAX: u32 = 0x20000;

export function beginMeasuring(): void {
  makeRoom(TOLD_BYTES_MAX);
  header().isMeasuring = 1;
  header().textBytes = 0;
}

/** From here on the same text is put. */
export function putMeasured(): void {
  header().isMeasuring = 0;
  beginTextReply(header().textBytes);
}

export function addText(text: string): void {
  if (header().isMeasuring) header().textBytes += text.length;
  else putText(text);
}

export function addBytes(from: usize, bytes: u32): void {
  if (header().isMeasuring) header().textBytes += bytes;
  else putBytes(from, bytes);
}

export function addNumber(value: i64): void {
  if (header().isMeasuring) header().textBytes += integerBytes(writeInteger(value));
  else putInteger(value);
}
