/** Runs the command that the parser found, or keeps it for a transaction. */
import { authenticate, client, echo, hello, ping, quit, resetSession, select } from "./commands-connection";
import {
  countKeys,
  exists,
  expireIn,
  flushAll,
  keys,
  persist,
  removeKeys,
  scan,
  timeToLive,
  typeOf,
} from "./commands-keys";
import { length, pop, push, range } from "./commands-list";
import { command, config, info } from "./commands-server";
import { addBy, addTo, append, get, getMany, set, setMany, textLength } from "./commands-text";
import { beginReading, readBytes } from "./chunks";
import { mayLog } from "./checkpoint";
import { unknownCommand, wrongCount, wrongCountOfExec } from "./errors";
import { sweepDue } from "./expiry";
import { argumentAt, argumentBytes, header, PENDING } from "./layout";
import { beginGroup, endGroup } from "./log";
import { parse } from "./parser";
import { replyArray, replyOk, replyText } from "./reply";
import { endMulti, queueCommand, queueOf, Session } from "./sessions";
import * as Table from "./table";

/** At most what the records of a queued command take beyond twice its own bytes, with what they add to a checkpoint. */
const QUEUED_EXTRA: u32 = 192;

const SECOND: i64 = 1_000_000;
const MILLISECOND: i64 = 1000;

/** It has at least one argument, its name. */
export function execute(session: Session): void {
  header().commandsSeen++;
  const id = Table.idOf(argumentAt(0), argumentBytes(0));
  if (id < 0 || !Table.isCountAllowed(id, header().argumentCount)) {
    refuse(id, session);
    return;
  }
  if (session.isMulti && !isImmediate(id)) enqueue(session);
  else run(id, session);
}

/** Neither name nor number of arguments fits: a transaction that it was meant for will not be carried out. */
function refuse(id: i32, session: Session): void {
  session.isAborted = session.isMulti;
  if (id < 0) {
    unknownCommand();
  } else if (id == Table.EXEC) {
    endMulti(session);
    wrongCountOfExec();
  } else {
    wrongCount();
  }
}

function isImmediate(id: i32): bool {
  return (id >= Table.MULTI && id <= Table.DISCARD) || id >= Table.QUIT;
}

function enqueue(session: Session): void {
  if (queueCommand(session, header().commandAt, header().parsedBytes)) {
    replyText("+QUEUED");
    return;
  }
  session.isAborted = 1;
  replyText("-OOM too many unfinished commands");
}

function run(id: i32, session: Session): void {
  switch (id) {
    case Table.GET:
      get();
      break;
    case Table.SET:
      set();
      break;
    case Table.RPUSH:
      push(true);
      break;
    case Table.LRANGE:
      range();
      break;
    case Table.DEL:
    case Table.UNLINK:
      removeKeys();
      break;
    case Table.INCR:
      addTo(1);
      break;
    case Table.PING:
      ping();
      break;
    case Table.LPUSH:
      push(false);
      break;
    case Table.EXISTS:
      exists();
      break;
    case Table.MGET:
      getMany();
      break;
    case Table.MSET:
      setMany();
      break;
    case Table.LPOP:
      pop(false);
      break;
    case Table.RPOP:
      pop(true);
      break;
    case Table.LLEN:
      length();
      break;
    case Table.EXPIRE:
      expireIn(SECOND);
      break;
    case Table.PEXPIRE:
      expireIn(MILLISECOND);
      break;
    case Table.TTL:
      timeToLive(SECOND);
      break;
    case Table.PTTL:
      timeToLive(MILLISECOND);
      break;
    case Table.PERSIST:
      persist();
      break;
    case Table.INCRBY:
      addBy(false);
      break;
    case Table.DECR:
      addTo(-1);
      break;
    case Table.DECRBY:
      addBy(true);
      break;
    case Table.APPEND:
      append();
      break;
    case Table.STRLEN:
      textLength();
      break;
    case Table.MULTI:
      multi(session);
      break;
    case Table.EXEC:
      exec(session);
      break;
    case Table.DISCARD:
      discard(session);
      break;
    case Table.TYPE:
      typeOf();
      break;
    case Table.SCAN:
      scan();
      break;
    case Table.KEYS:
      keys();
      break;
    case Table.DBSIZE:
      countKeys();
      break;
    case Table.FLUSHALL:
    case Table.FLUSHDB:
      flushAll();
      break;
    case Table.ECHO:
      echo();
      break;
    case Table.SELECT:
      select();
      break;
    case Table.HELLO:
      hello(session);
      break;
    case Table.CLIENT:
      client(session);
      break;
    case Table.INFO:
      info();
      break;
    case Table.CONFIG:
      config();
      break;
    case Table.COMMAND:
      command();
      break;
    case Table.AUTH:
      authenticate();
      break;
    case Table.QUIT:
      quit(session);
      break;
    default:
      resetSession(session);
  }
}

function multi(session: Session): void {
  if (session.isMulti) {
    replyText("-ERR MULTI calls can not be nested");
    return;
  }
  session.isMulti = 1;
  replyOk();
}

function discard(session: Session): void {
  if (!session.isMulti) {
    replyText("-ERR DISCARD without MULTI");
    return;
  }
  endMulti(session);
  replyOk();
}

/** What has expired goes first: nothing expires within one entry, so the records are those of the commands alone. */
function exec(session: Session): void {
  if (!session.isMulti) {
    replyText("-ERR EXEC without MULTI");
    return;
  }
  const isAborted = session.isAborted != 0;
  const queued = session.queued;
  const chain = queueOf(session);
  if (isAborted) {
    endMulti(session);
    replyText("-EXECABORT Transaction discarded because of previous errors.");
    return;
  }
  sweepDue();
  if (!mayLog((chain.bytes << 1) + queued * QUEUED_EXTRA)) {
    endMulti(session);
    replyText("-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.");
    return;
  }
  session.isMulti = 0;
  replyArray(queued);
  beginGroup();
  beginReading(chain);
  for (let i: u32 = 0; i < queued; i++) {
    readBytes(PENDING, 4);
    const bytes = load<u32>(PENDING);
    readBytes(PENDING, bytes);
    parse(PENDING, PENDING + bytes);
    execute(session);
  }
  endGroup();
  endMulti(session);
}
