/**
 * A key-value store that speaks the protocol of Redis and keeps a write-ahead log on volume 0; docs/guest-kv.md shows its commands and
 * its disk. Here are the exports of the guest ABI.
 */
import { reset } from "./abi";
import { payDebt } from "./checkpoint";
import { initPool } from "./chunks";
import { forgetTime, guestTime, startClock } from "./clock";
import { execute } from "./commands";
import { tooLong } from "./errors";
import { arm, onTick } from "./expiry";
import { initHeap } from "./heap";
import {
  ARGUMENTS_MAX,
  COMMAND_BYTES_MAX,
  DYNAMIC,
  header,
  INPUT,
  INPUT_BYTES,
  LAYOUT_VERSION,
  MAGIC,
  SHARE_SHIFT,
  VALUE_BYTES_MAX,
} from "./layout";
import {
  BAD_COUNT,
  BAD_LENGTH,
  COMPLETE,
  LONG_VALUE,
  MANY_ARGUMENTS,
  MORE,
  NO_DOLLAR,
  parse,
  TOO_LONG,
} from "./parser";
import { recover } from "./recovery";
import { beginReply, commit, putByte, putClose, putInteger, putText, replyText } from "./reply";
import {
  addSession,
  CLOSING,
  findSession,
  joinPending,
  keepPending,
  OPEN,
  removeSession,
  Session,
} from "./sessions";
import { skip } from "./skip";
import { initCommands } from "./table";

export function abi_version(): i32 {
  return 1;
}

export function input_buffer(): i32 {
  return <i32>INPUT;
}

export function input_capacity(): i32 {
  return <i32>INPUT_BYTES;
}

export function boot(): void {
  const bytes = <u32>memory.size() << 16;
  const share = bytes >> SHARE_SHIFT;
  let slots: u32 = 1;
  while (slots << 1 <= share >> 3) slots <<= 1;
  const index = <u32>DYNAMIC + share;
  header().magic = MAGIC;
  header().version = LAYOUT_VERSION;
  header().pages = <u32>memory.size();
  header().indexBase = index;
  header().indexMask = slots - 1;
  initPool(DYNAMIC, index);
  initHeap(index + (slots << 3), bytes);
  initCommands();
  recover();
  startClock();
  arm();
  forgetTime();
}

export function session_open(id: u32): void {
  const session = addSession(id);
  if (session === null) {
    reset(id);
    return;
  }
  session.openedAt = guestTime();
}

export function session_data(id: u32, bytes: u32): void {
  const session = findSession(id);
  if (session === null || session.state != OPEN) return;
  beginReply(session);
  let from = INPUT;
  const end = INPUT + bytes;
  if (session.skipArguments > 0) {
    from = passOver(session, from, end);
  } else if (session.pendingBytes > 0) {
    if (session.pendingBytes + bytes < session.wantedBytes) {
      keep(session, from, end);
      return;
    }
    from = joinPending(session);
  }
  while (from < end && session.state == OPEN) {
    from = takeCommand(session, from, end);
    payDebt();
  }
}

/** Returns where what follows begins. */
function takeCommand(session: Session, from: usize, end: usize): usize {
  const found = parse(from, end);
  if (found == COMPLETE) {
    // The commands of a transaction are parsed too.
    const next = from + header().parsedBytes;
    header().commandAt = <u32>from;
    if (header().argumentCount > 0) execute(session);
    return next;
  }
  if (found == MORE) {
    session.wantedBytes = header().wantedBytes;
    keep(session, from, end);
    return end;
  }
  if (found == TOO_LONG) {
    session.skipArguments = header().skipArguments;
    session.skipReason = header().skipReason;
    session.skipBytes = 0;
    session.skipState = 0;
    return passOver(session, header().skipFrom, end);
  }
  refuse(session, found);
  return end;
}

/** Goes on with a command that is too long; returns where what follows begins. */
function passOver(session: Session, from: usize, end: usize): usize {
  const found = skip(session, from, end);
  if (found == MORE) return end;
  if (found != COMPLETE) {
    refuse(session, found);
    return end;
  }
  if (session.isMulti) session.isAborted = 1;
  if (session.skipReason == LONG_VALUE) {
    tooLong("value", VALUE_BYTES_MAX);
  } else if (session.skipReason == MANY_ARGUMENTS) {
    putText("-ERR command has more than ");
    putInteger(ARGUMENTS_MAX);
    replyText(" arguments");
  } else {
    tooLong("command", COMMAND_BYTES_MAX);
  }
  return header().skipFrom;
}

export function session_fin(id: u32): void {
  const session = findSession(id);
  if (session === null) return;
  if (session.state == OPEN) putClose(id);
  removeSession(session);
}

export function session_reset(id: u32): void {
  const session = findSession(id);
  if (session !== null) removeSession(session);
}

export function tick(): void {
  onTick();
}

export function settled(): void {
  commit();
  arm();
  forgetTime();
}

function keep(session: Session, from: usize, end: usize): void {
  if (keepPending(session, from, <u32>(end - from))) return;
  beginReply(session);
  replyText("-OOM too many unfinished commands");
  closeOurs(session);
}

/** As Redis does: what follows in the stream cannot be read any more. */
function refuse(session: Session, found: i32): void {
  putText("-ERR Protocol error: ");
  if (found == BAD_COUNT) {
    replyText("invalid multibulk length");
  } else if (found == BAD_LENGTH) {
    replyText("invalid bulk length");
  } else if (found == NO_DOLLAR) {
    const odd = header().oddByte;
    putText("expected '$', got '");
    putByte(odd == 0x0d || odd == 0x0a ? 0x20 : odd);
    replyText("'");
  } else {
    replyText("too big inline request");
  }
  closeOurs(session);
}

function closeOurs(session: Session): void {
  putClose(session.id);
  session.state = CLOSING;
}
