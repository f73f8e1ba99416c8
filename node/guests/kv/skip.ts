/**
 * Passes over a command that is too long to be kept, so that the client gets an error and its session goes on. Nothing of it is
 * stored: the state is how many arguments are left, and where in the one at hand the stream stands.
 */
import { header } from "./layout";
import { ANY_VALUE_BYTES_MAX, BAD_LENGTH, COMPLETE, MORE, NO_DOLLAR } from "./parser";
import { Session } from "./sessions";

const START: u32 = 0;
const DIGITS_READ: u32 = 1;
const LF_MISSING: u32 = 2;

/** COMPLETE: the command is over, and what follows begins at the header's `skipFrom`. Else MORE, or what breaks the protocol. */
export function skip(session: Session, from: usize, end: usize): i32 {
  while (from < end) {
    if (session.skipBytes == 0) {
      const found = readHeader(session, load<u8>(from));
      if (found != COMPLETE) return found;
      from++;
      continue;
    }
    const piece = min(session.skipBytes, <u32>(end - from));
    from += piece;
    session.skipBytes -= piece;
    if (session.skipBytes > 0) continue;
    session.skipArguments--;
    if (session.skipArguments > 0) continue;
    header().skipFrom = <u32>from;
    return COMPLETE;
  }
  return MORE;
}

/** One byte of `$<length>\r\n`. */
function readHeader(session: Session, byte: u32): i32 {
  if (session.skipState == START) {
    header().oddByte = byte;
    if (byte != 0x24) return NO_DOLLAR;
    session.skipState = DIGITS_READ;
    session.skipLength = 0;
    return COMPLETE;
  }
  if (session.skipState == LF_MISSING) {
    session.skipState = START;
    session.skipBytes = session.skipLength + 2;
    return COMPLETE;
  }
  if (byte == 0x0d) {
    session.skipState = LF_MISSING;
    return COMPLETE;
  }
  const digit = byte - 0x30;
  if (digit > 9) return BAD_LENGTH;
  session.skipLength = session.skipLength * 10 + digit;
  return session.skipLength > <u32>ANY_VALUE_BYTES_MAX ? BAD_LENGTH : COMPLETE;
}
