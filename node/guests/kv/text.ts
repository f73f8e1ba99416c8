/** Numbers as text, texts as bytes. A string literal stands in constant memory, two bytes for each character; nothing is allocated. */
import { consoleLine } from "./abi";
import { DIGITS, DIGITS_BYTES } from "./layout";

/** Writes a text of ASCII characters; returns its length. */
export function writeText(target: usize, text: string): u32 {
  const length = <u32>text.length;
  const source = changetype<usize>(text);
  for (let i: u32 = 0; i < length; i++) store<u8>(target + i, load<u16>(source + (<usize>i << 1)));
  return length;
}

/** Ends the machine, with the reason on the console. */
export function fail(text: string): void {
  consoleLine(DIGITS, writeText(DIGITS, text));
  unreachable();
}

/** Writes a number so that it ends with the scratch area; returns its first digit's address. */
export function writeInteger(value: i64): usize {
  let at = DIGITS + DIGITS_BYTES;
  let rest: u64 = value < 0 ? 0 - <u64>value : <u64>value;
  do {
    at--;
    store<u8>(at, 0x30 + <u8>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (value < 0) {
    at--;
    store<u8>(at, 0x2d);
  }
  return at;
}

/** Writes a number as text; returns the address behind it. */
export function writeDigits(target: usize, value: u32): usize {
  let end = target + 1;
  for (let limit: u64 = 10; limit <= value; limit *= 10) end++;
  let at = end;
  do {
    at--;
    store<u8>(at, <u8>(0x30 + (value % 10)));
    value /= 10;
  } while (at > target);
  return end;
}

@inline
export function integerBytes(at: usize): u32 {
  return <u32>(DIGITS + DIGITS_BYTES - at);
}

/** True when the bytes are a 64-bit number exactly as `writeInteger` would write it. */
export function isInteger(at: usize, bytes: u32): bool {
  if (bytes == 0 || bytes > 20) return false;
  const written = writeInteger(readInteger(at, bytes));
  return integerBytes(written) == bytes && memory.compare(written, at, bytes) == 0;
}

/** The number that the bytes spell; meaningless unless `isInteger`. */
export function readInteger(at: usize, bytes: u32): i64 {
  const end = at + bytes;
  const isNegative = load<u8>(at) == 0x2d;
  if (isNegative) at++;
  let value: u64 = 0;
  while (at < end) {
    value = value * 10 + (load<u8>(at) - 0x30);
    at++;
  }
  return isNegative ? <i64>(0 - value) : <i64>value;
}

/** True when the bytes spell a word, given in capitals, in any case. */
export function isWord(at: usize, bytes: u32, word: string): bool {
  if (bytes != <u32>word.length) return false;
  const source = changetype<usize>(word);
  for (let i: u32 = 0; i < bytes; i++) {
    if (capital(load<u8>(at + i)) != load<u16>(source + (<usize>i << 1))) return false;
  }
  return true;
}

@inline
export function capital(letter: u32): u32 {
  return letter >= 0x61 && letter <= 0x7a ? letter - 0x20 : letter;
}

@inline
export function small(letter: u32): u32 {
  return letter >= 0x41 && letter <= 0x5a ? letter + 0x20 : letter;
}
