/**
 * A key-value store that speaks the protocol of Redis (RESP2) and keeps a write-ahead log on volume 0; docs/guest-kv.md shows its
 * commands and its disk. Here are the exports of the guest ABI.
 */
import { reset } from "./abi";
import { execute } from "./commands";
import {
  DYNAMIC,
  header,
  INPUT,
  INPUT_BYTES,
  LAYOUT_VERSION,
  MAGIC,
  SHARE_SHIFT,
} from "./layout";
import {
  BAD_COUNT,
  BAD_LENGTH,
  COMPLETE,
  MORE,
  NO_DOLLAR,
  parse,
} from "./parser";
import { recover } from "./recovery";
import { beginReply, commit, putByte, putClose, putText, replyText } from "./reply";
import {
  addSession,
  CLOSING,
  findSession,
  initPool,
  joinPending,
  keepPending,
  OPEN,
  removeSession,
  Session,
} from "./sessions";

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
  initPool(DYNAMIC, index);
  header().indexBase = index;
  header().indexMask = slots - 1;
  header().heapBase = index + (slots << 3);
  header().heapEnd = bytes;
  header().heapTop = header().heapBase;
  recover();
}

export function session_open(id: u32): void {
  if (!addSession(id)) reset(id);
}

export function session_data(id: u32, bytes: u32): void {
  const session = findSession(id);
  if (session === null || session.state != OPEN) return;
  let from = INPUT;
  const end = INPUT + bytes;
  if (session.pendingBytes > 0) {
    if (session.pendingBytes + bytes < session.wantedBytes) return keep(session, from, end);
    from = joinPending(session);
  }
  beginReply(id);
  while (from < end) {
    const found = parse(from, end);
    if (found == MORE) {
      session.wantedBytes = header().wantedBytes;
      return keep(session, from, end);
    }
    if (found != COMPLETE) return refuse(session, found);
    if (header().argumentCount > 0) execute();
    from += header().parsedBytes;
  }
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

export function settled(): void {
  commit();
}

function keep(session: Session, from: usize, end: usize): void {
  if (keepPending(session, from, <u32>(end - from))) return;
  beginReply(session.id);
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
    replyText("too big request");
  }
  closeOurs(session);
}

function closeOurs(session: Session): void {
  putClose(session.id);
  session.state = CLOSING;
}
