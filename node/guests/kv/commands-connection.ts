/** Commands about the connection, and what a client tells of itself. */
import { guestTime } from "./clock";
import { notAnInteger, shownBytes, syntaxError, tooLong, unknownSub, wrongCount, wrongCountOfSub } from "./errors";
import { argumentAt, argumentBytes, header, SESSIONS_MAX } from "./layout";
import {
  beginReply,
  putClose,
  putSafe,
  putText,
  replyArray,
  replyBulk,
  replyInteger,
  replyMap,
  replyNull,
  replyOk,
  replyText,
  replyWord,
} from "./reply";
import {
  CLOSING,
  endMulti,
  findSession,
  isTaken,
  LIBRARY,
  LIBRARY_BYTES_MAX,
  NAME,
  NAME_BYTES_MAX,
  Session,
  sessionIn,
  setTextOf,
  textOf,
  VERSION,
  VERSION_BYTES_MAX,
} from "./sessions";
import { addBytes, addNumber, addText, beginMeasuring, putMeasured } from "./told";
import { isInteger, isWord, readInteger } from "./text";

/** The version whose commands these are a part of. */
export const REDIS_VERSION: string = "7.0.15";

export function ping(): void {
  const count = header().argumentCount;
  if (count > 2) wrongCount();
  else if (count == 2) replyBulk(argumentAt(1), argumentBytes(1));
  else replyText("+PONG");
}

export function echo(): void {
  replyBulk(argumentAt(1), argumentBytes(1));
}

/** There is one database, number 0. */
export function select(): void {
  if (!isInteger(argumentAt(1), argumentBytes(1))) notAnInteger();
  else if (readInteger(argumentAt(1), argumentBytes(1)) != 0) replyText("-ERR DB index is out of range");
  else replyOk();
}

/** There are no passwords: the default user needs none. */
export function authenticate(): void {
  const count = header().argumentCount;
  if (count > 3) {
    syntaxError();
  } else if (count == 2) {
    replyText(
      "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
    );
  } else if (isDefaultUser(1)) {
    replyOk();
  } else {
    wrongPassword();
  }
}

function wrongPassword(): void {
  replyText("-WRONGPASS invalid username-password pair or user is disabled.");
}

@inline
function isDefaultUser(argument: u32): bool {
  return argumentBytes(argument) == 7 && isWord(argumentAt(argument), 7, "DEFAULT");
}

export function quit(session: Session): void {
  replyOk();
  putClose(session.id);
  session.state = CLOSING;
}

export function resetSession(session: Session): void {
  endMulti(session);
  session.protocol = 2;
  setTextOf(session, NAME, 0, 0);
  beginReply(session);
  replyText("+RESET");
}

export function hello(session: Session): void {
  const count = header().argumentCount;
  let protocol = session.protocol;
  let name: u32 = 0;
  if (count > 1) {
    if (!isInteger(argumentAt(1), argumentBytes(1))) {
      replyText("-ERR Protocol version is not an integer or out of range");
      return;
    }
    const wanted = readInteger(argumentAt(1), argumentBytes(1));
    if (wanted != 2 && wanted != 3) {
      replyText("-NOPROTO unsupported protocol version");
      return;
    }
    protocol = <u32>wanted;
  }
  for (let i: u32 = 2; i < count; i++) {
    if (isWord(argumentAt(i), argumentBytes(i), "AUTH") && i + 2 < count) {
      if (!isDefaultUser(i + 1)) {
        wrongPassword();
        return;
      }
      i += 2;
    } else if (isWord(argumentAt(i), argumentBytes(i), "SETNAME") && i + 1 < count) {
      name = i + 1;
      if (!isTextAllowed(name, NAME_BYTES_MAX)) return;
      i++;
    } else {
      putText("-ERR Syntax error in HELLO option '");
      putSafe(argumentAt(i), shownBytes(i, 128));
      replyText("'");
      return;
    }
  }
  if (name != 0) setTextOf(session, NAME, argumentAt(name), argumentBytes(name));
  session.protocol = protocol;
  beginReply(session);
  replyMap(7);
  replyWord("server");
  replyWord("redis");
  replyWord("version");
  replyWord(REDIS_VERSION);
  replyWord("proto");
  replyInteger(protocol);
  replyWord("id");
  replyInteger(session.id);
  replyWord("mode");
  replyWord("standalone");
  replyWord("role");
  replyWord("master");
  replyWord("modules");
  replyArray(0);
}

export function client(session: Session): void {
  const count = header().argumentCount;
  const at = argumentAt(1);
  const bytes = argumentBytes(1);
  if (isWord(at, bytes, "ID")) {
    if (count != 2) wrongCountOfSub();
    else replyInteger(session.id);
  } else if (isWord(at, bytes, "GETNAME")) {
    if (count != 2) wrongCountOfSub();
    else replyName(session);
  } else if (isWord(at, bytes, "SETNAME")) {
    if (count != 3) wrongCountOfSub();
    else if (setTold(session, NAME, 2, NAME_BYTES_MAX)) replyOk();
  } else if (isWord(at, bytes, "SETINFO")) {
    if (count != 4) wrongCountOfSub();
    else setInfo(session);
  } else if (isWord(at, bytes, "INFO")) {
    if (count != 2) wrongCountOfSub();
    else replyInfo(session);
  } else if (isWord(at, bytes, "LIST")) {
    list();
  } else if (isWord(at, bytes, "NO-EVICT") || isWord(at, bytes, "NO-TOUCH")) {
    if (count != 3) wrongCountOfSub();
    else if (isWord(argumentAt(2), argumentBytes(2), "ON") || isWord(argumentAt(2), argumentBytes(2), "OFF")) replyOk();
    else syntaxError();
  } else {
    unknownSub("CLIENT");
  }
}

function replyName(session: Session): void {
  const name = textOf(session, NAME);
  const bytes = load<u8>(name);
  if (bytes == 0) replyNull();
  else replyBulk(name + 1, bytes);
}

function setInfo(session: Session): void {
  const at = argumentAt(2);
  const bytes = argumentBytes(2);
  if (isWord(at, bytes, "LIB-NAME")) {
    if (setTold(session, LIBRARY, 3, LIBRARY_BYTES_MAX)) replyOk();
  } else if (isWord(at, bytes, "LIB-VER")) {
    if (setTold(session, VERSION, 3, VERSION_BYTES_MAX)) replyOk();
  } else {
    putText("-ERR Unrecognized option '");
    putSafe(at, shownBytes(2, 128));
    replyText("'");
  }
}

function setTold(session: Session, text: usize, argument: u32, limit: u32): bool {
  if (!isTextAllowed(argument, limit)) return false;
  setTextOf(session, text, argumentAt(argument), argumentBytes(argument));
  return true;
}

/** As in Redis, a text that CLIENT LIST can show. False: an error was replied. */
function isTextAllowed(argument: u32, limit: u32): bool {
  const bytes = argumentBytes(argument);
  for (let i: u32 = 0; i < bytes; i++) {
    const letter: u32 = load<u8>(argumentAt(argument) + i);
    if (letter > 0x20 && letter < 0x7f) continue;
    replyText("-ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
  }
  if (bytes <= limit) return true;
  tooLong("name", limit);
  return false;
}

function replyInfo(session: Session): void {
  beginMeasuring();
  tellSession(session, "info");
  putMeasured();
  tellSession(session, "info");
  putText("\r\n");
}

/** All sessions, or those of a type, or those with the numbers that follow ID. */
function list(): void {
  const count = header().argumentCount;
  const hasType = count == 4 && isWord(argumentAt(2), argumentBytes(2), "TYPE");
  const hasIds = count > 3 && isWord(argumentAt(2), argumentBytes(2), "ID");
  if (count > 2 && !hasType && !hasIds) {
    syntaxError();
    return;
  }
  if (hasType && !isClientType(3)) {
    putText("-ERR Unknown client type '");
    putSafe(argumentAt(3), shownBytes(3, 128));
    replyText("'");
    return;
  }
  for (let i: u32 = 3; hasIds && i < count; i++) {
    if (isInteger(argumentAt(i), argumentBytes(i)) && readInteger(argumentAt(i), argumentBytes(i)) > 0) continue;
    replyText("-ERR Invalid client ID");
    return;
  }
  const isNone = hasType && !isWord(argumentAt(3), argumentBytes(3), "NORMAL");
  beginMeasuring();
  if (!isNone) tellSessions(hasIds);
  putMeasured();
  if (!isNone) tellSessions(hasIds);
  putText("\r\n");
}

function isClientType(argument: u32): bool {
  const at = argumentAt(argument);
  const bytes = argumentBytes(argument);
  return (
    isWord(at, bytes, "NORMAL") ||
    isWord(at, bytes, "MASTER") ||
    isWord(at, bytes, "REPLICA") ||
    isWord(at, bytes, "SLAVE") ||
    isWord(at, bytes, "PUBSUB")
  );
}

function tellSessions(hasIds: bool): void {
  if (hasIds) {
    for (let i: u32 = 3; i < header().argumentCount; i++) {
      const session = findSession(<u32>readInteger(argumentAt(i), argumentBytes(i)));
      if (session !== null) tellSession(session, "list");
    }
    return;
  }
  for (let place: u32 = 0; place < SESSIONS_MAX; place++) {
    const session = sessionIn(place);
    if (isTaken(session)) tellSession(session, "list");
  }
}

/** A client's address is the switch's to know; how long it was idle nobody counts. */
function tellSession(session: Session, command: string): void {
  addText("id=");
  addNumber(session.id);
  addText(" addr=?:0 laddr=?:0 fd=");
  addNumber(session.id);
  addText(" name=");
  tellText(session, NAME);
  addText(" age=");
  addNumber((guestTime() - session.openedAt) / 1_000_000);
  addText(session.isMulti ? " idle=0 flags=x" : " idle=0 flags=N");
  addText(" db=0 sub=0 psub=0 ssub=0 multi=");
  addNumber(session.isMulti ? <i64>session.queued : -1);
  addText(" events=r cmd=client|");
  addText(command);
  addText(" user=default redir=-1 resp=");
  addNumber(session.protocol);
  addText(" lib-name=");
  tellText(session, LIBRARY);
  addText(" lib-ver=");
  tellText(session, VERSION);
  addText("\n");
}

function tellText(session: Session, text: usize): void {
  const at = textOf(session, text);
  addBytes(at + 1, load<u8>(at));
}
