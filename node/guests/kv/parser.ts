/**
 * Reads one command, an array of RESP or a line of words, out of contiguous bytes. It keeps nothing between calls: a command that
 * is not complete is read again from its beginning when enough has arrived, and the parser says how much that is.
 */
import { ARGUMENTS_MAX, COMMAND_BYTES_MAX, header, setArgument, VALUE_BYTES_MAX } from "./layout";

/** Results. After COMPLETE the header holds the number of arguments, which may be 0, and the length; after MORE what is wanted. */
export const COMPLETE: i32 = 0;
export const MORE: i32 = 1;
/** The command is longer than may be; the header holds how many of its arguments are still to come, and where they begin. */
export const TOO_LONG: i32 = 2;
/** What cannot be read on from. */
export const BAD_COUNT: i32 = 3;
export const BAD_LENGTH: i32 = 4;
export const NO_DOLLAR: i32 = 5;
export const LONG_LINE: i32 = 6;

/** What is too long. */
export const LONG_VALUE: u32 = 0;
export const LONG_COMMAND: u32 = 1;
export const MANY_ARGUMENTS: u32 = 2;

/** As in Redis: beyond these it is no command any more. */
const ANY_ARGUMENTS_MAX: i32 = 0x100000;
export const ANY_VALUE_BYTES_MAX: i32 = 0x20000000;

const CR: u32 = 0x0d;
const LF: u32 = 0x0a;
const SPACE: u32 = 0x20;
const STAR: u32 = 0x2a;
const DOLLAR: u32 = 0x24;
/** Longest line that holds a number. */
const NUMBER_BYTES_MAX: u32 = 16;
const NOT_A_NUMBER: i32 = i32.MIN_VALUE;

export function parse(from: usize, end: usize): i32 {
  return load<u8>(from) == STAR ? parseArray(from, end) : parseLine(from, end);
}

function parseArray(from: usize, end: usize): i32 {
  const countEnd = lineEnd(from + 1, end);
  if (countEnd == 0) return end - from > NUMBER_BYTES_MAX ? BAD_COUNT : more(end - from + 1);
  const count = numberIn(from + 1, countEnd);
  if (count == NOT_A_NUMBER || count > ANY_ARGUMENTS_MAX) return BAD_COUNT;
  let at = countEnd + 2;
  if (count > <i32>ARGUMENTS_MAX) return tooLong(at, count, MANY_ARGUMENTS);
  for (let i: i32 = 0; i < count; i++) {
    if (at - from >= COMMAND_BYTES_MAX) return tooLong(at, count - i, LONG_COMMAND);
    if (at >= end) return more(at - from + 1);
    if (load<u8>(at) != DOLLAR) {
      header().oddByte = load<u8>(at);
      return NO_DOLLAR;
    }
    const lengthEnd = lineEnd(at + 1, end);
    if (lengthEnd == 0) {
      if (end - at > NUMBER_BYTES_MAX) return BAD_LENGTH;
      if (end - from >= COMMAND_BYTES_MAX) return tooLong(at, count - i, LONG_COMMAND);
      return more(end - from + 1);
    }
    const length = numberIn(at + 1, lengthEnd);
    if (length < 0 || length > ANY_VALUE_BYTES_MAX) return BAD_LENGTH;
    const start = lengthEnd + 2;
    if (start + length + 2 - from > COMMAND_BYTES_MAX) {
      return tooLong(at, count - i, <u32>length > VALUE_BYTES_MAX ? LONG_VALUE : LONG_COMMAND);
    }
    at = start + length + 2;
    if (at > end) return more(at - from);
    setArgument(i, start, length);
  }
  return complete(count < 0 ? 0 : count, at - from);
}

function parseLine(from: usize, end: usize): i32 {
  const last = min(end, from + COMMAND_BYTES_MAX);
  let stop = from;
  while (stop < last && load<u8>(stop) != LF) stop++;
  if (stop == last) return last - from >= COMMAND_BYTES_MAX ? LONG_LINE : more(end - from + 1);
  let count: u32 = 0;
  let at = from;
  while (at < stop) {
    while (at < stop && isBlank(at)) at++;
    if (at == stop) break;
    if (count == ARGUMENTS_MAX) return LONG_LINE;
    const word = at;
    while (at < stop && !isBlank(at)) at++;
    setArgument(count, word, <u32>(at - word));
    count++;
  }
  return complete(count, stop + 1 - from);
}

@inline
function isBlank(at: usize): bool {
  const byte: u32 = load<u8>(at);
  return byte == SPACE || byte == CR || byte == 0x09;
}

function complete(count: u32, bytes: usize): i32 {
  header().argumentCount = count;
  header().parsedBytes = <u32>bytes;
  return COMPLETE;
}

@inline
function more(bytes: usize): i32 {
  header().wantedBytes = <u32>bytes;
  return MORE;
}

function tooLong(at: usize, left: u32, reason: u32): i32 {
  header().skipFrom = <u32>at;
  header().skipArguments = left;
  header().skipReason = reason;
  return TOO_LONG;
}

/** Address of the CR that ends a line; 0 when the line is not whole. */
function lineEnd(at: usize, end: usize): usize {
  const last = min(end, at + NUMBER_BYTES_MAX);
  while (at + 1 < last) {
    if (load<u8>(at) == CR) return at;
    at++;
  }
  return 0;
}

function numberIn(at: usize, end: usize): i32 {
  const isNegative = load<u8>(at) == 0x2d;
  if (isNegative) at++;
  if (at == end || end - at > 9) return NOT_A_NUMBER;
  let value: i32 = 0;
  while (at < end) {
    const digit = <i32>load<u8>(at) - 0x30;
    if (digit < 0 || digit > 9) return NOT_A_NUMBER;
    value = value * 10 + digit;
    at++;
  }
  return isNegative ? -value : value;
}
