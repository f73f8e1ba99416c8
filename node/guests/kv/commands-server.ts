/** What the server tells of itself: INFO, CONFIG and COMMAND. */
import { guestTime } from "./clock";
import { REDIS_VERSION } from "./commands-connection";
import { shownBytes, unknownSub, wrongCountOfSub } from "./errors";
import { sweepDue } from "./expiry";
import { matches } from "./glob";
import { argumentAt, argumentBytes, BLOCK_BYTES, DIGITS, header, SESSIONS_MAX, VALUE_BYTES_MAX } from "./layout";
import { logBytes, usedBlocks } from "./log";
import {
  putByte,
  putSafe,
  putText,
  replyArray,
  replyBulk,
  replyInteger,
  replyMap,
  replyNullArray,
  replyNumber,
  replySet,
  replyText,
  replyWord,
} from "./reply";
import {
  ARITY,
  COMMAND_COUNT,
  fieldLength,
  fieldNumber,
  fieldStart,
  FIRST_KEY,
  FLAGS,
  GROUP,
  idOf,
  KEY_STEP,
  LAST_KEY,
  letter,
  rowOf,
  SUMMARY,
} from "./table";
import { capital, isWord, small, writeText } from "./text";
import { addNumber, addText, beginMeasuring, putMeasured } from "./told";

const SECTIONS: u32 = 8;

export function info(): void {
  sweepDue();
  beginMeasuring();
  tellSections();
  putMeasured();
  tellSections();
  putText("\r\n");
}

function tellSections(): void {
  let isFirst = true;
  for (let section: u32 = 0; section < SECTIONS; section++) {
    if (!isAsked(sectionName(section))) continue;
    addText(isFirst ? "# " : "\r\n# ");
    isFirst = false;
    addText(sectionName(section));
    addText("\r\n");
    tellSection(section);
  }
}

function sectionName(section: u32): string {
  switch (section) {
    case 0:
      return "Server";
    case 1:
      return "Clients";
    case 2:
      return "Memory";
    case 3:
      return "Persistence";
    case 4:
      return "Stats";
    case 5:
      return "Replication";
    case 6:
      return "Cluster";
    default:
      return "Keyspace";
  }
}

/** All of them, unless the command names some. */
function isAsked(section: string): bool {
  const count = header().argumentCount;
  if (count == 1) return true;
  for (let i: u32 = 1; i < count; i++) {
    const at = argumentAt(i);
    const bytes = argumentBytes(i);
    if (isWord(at, bytes, "ALL") || isWord(at, bytes, "DEFAULT") || isWord(at, bytes, "EVERYTHING")) return true;
    if (isName(at, bytes, section)) return true;
  }
  return false;
}

/** In any case. */
function isName(at: usize, bytes: u32, name: string): bool {
  if (bytes != <u32>name.length) return false;
  for (let i: u32 = 0; i < bytes; i++) {
    if (capital(load<u8>(at + i)) != capital(letter(name, i))) return false;
  }
  return true;
}

function tellSection(section: u32): void {
  switch (section) {
    case 0:
      addText("redis_version:");
      addText(REDIS_VERSION);
      addText("\r\nredis_mode:standalone\r\nos:Faultline guest\r\narch_bits:32\r\ntcp_port:6379\r\n");
      tell("uptime_in_seconds:", (guestTime() - header().timeShift) / 1_000_000);
      break;
    case 1:
      tell("connected_clients:", header().sessions);
      tell("maxclients:", SESSIONS_MAX);
      addText("blocked_clients:0\r\n");
      break;
    case 2:
      tell("used_memory:", header().liveBytes);
      tell("maxmemory:", header().liveMax);
      addText("maxmemory_policy:noeviction\r\n");
      break;
    case 3:
      addText("loading:0\r\nasync_loading:0\r\nrdb_bgsave_in_progress:0\r\naof_enabled:1\r\n");
      tell("aof_rewrite_in_progress:", header().pass == 0 ? 0 : 1);
      addText("aof_last_write_status:ok\r\n");
      tell("aof_current_size:", usedBlocks() * BLOCK_BYTES);
      tell("log_size:", logBytes());
      tell("checkpoints:", header().anchors);
      break;
    case 4:
      tell("total_connections_received:", header().sessionsSeen);
      tell("total_commands_processed:", header().commandsSeen);
      tell("expired_keys:", header().expiredKeys);
      addText("evicted_keys:0\r\n");
      break;
    case 5:
      addText("role:master\r\nconnected_slaves:0\r\n");
      break;
    case 6:
      addText("cluster_enabled:0\r\n");
      break;
    default:
      if (header().keys == 0) break;
      addText("db0:keys=");
      addNumber(header().keys);
      addText(",expires=");
      addNumber(header().mortals);
      addText(",avg_ttl=0\r\n");
  }
}

function tell(name: string, value: i64): void {
  addText(name);
  addNumber(value);
  addText("\r\n");
}

const PARAMETERS: u32 = 9;

function parameterName(parameter: u32): string {
  switch (parameter) {
    case 0:
      return "save";
    case 1:
      return "appendonly";
    case 2:
      return "appendfsync";
    case 3:
      return "databases";
    case 4:
      return "timeout";
    case 5:
      return "maxclients";
    case 6:
      return "maxmemory";
    case 7:
      return "maxmemory-policy";
    default:
      return "proto-max-bulk-len";
  }
}

function replyParameter(parameter: u32): void {
  switch (parameter) {
    case 0:
      replyWord("");
      break;
    case 1:
      replyWord("yes");
      break;
    case 2:
      replyWord("always");
      break;
    case 3:
      replyNumber(1);
      break;
    case 4:
      replyNumber(0);
      break;
    case 5:
      replyNumber(SESSIONS_MAX);
      break;
    case 6:
      replyNumber(header().liveMax);
      break;
    case 7:
      replyWord("noeviction");
      break;
    default:
      replyNumber(VALUE_BYTES_MAX);
  }
}

/** Nothing can be set: what there is to set belongs to the machine. */
export function config(): void {
  const count = header().argumentCount;
  if (isWord(argumentAt(1), argumentBytes(1), "GET")) {
    if (count < 3) wrongCountOfSub();
    else getParameters();
  } else if (isWord(argumentAt(1), argumentBytes(1), "SET")) {
    if (count < 4) {
      wrongCountOfSub();
      return;
    }
    putText("-ERR CONFIG SET failed (possibly related to argument '");
    putSafe(argumentAt(2), shownBytes(2, 128));
    replyText("') - can't set immutable config");
  } else {
    unknownSub("CONFIG");
  }
}

function getParameters(): void {
  for (let i: u32 = 2; i < header().argumentCount; i++) {
    const at = argumentAt(i);
    for (let letter: u32 = 0; letter < argumentBytes(i); letter++) {
      store<u8>(at + letter, <u8>small(load<u8>(at + letter)));
    }
  }
  let found: u32 = 0;
  for (let parameter: u32 = 0; parameter < PARAMETERS; parameter++) {
    if (isWanted(parameter)) found++;
  }
  replyMap(found);
  for (let parameter: u32 = 0; parameter < PARAMETERS; parameter++) {
    if (!isWanted(parameter)) continue;
    replyWord(parameterName(parameter));
    replyParameter(parameter);
  }
}

function isWanted(parameter: u32): bool {
  const bytes = writeText(DIGITS, parameterName(parameter));
  for (let i: u32 = 2; i < header().argumentCount; i++) {
    if (matches(argumentAt(i), argumentBytes(i), DIGITS, bytes)) return true;
  }
  return false;
}

export function command(): void {
  const count = header().argumentCount;
  if (count == 1) {
    replyArray(COMMAND_COUNT);
    for (let id: i32 = 0; id < COMMAND_COUNT; id++) replyRow(id);
    return;
  }
  const at = argumentAt(1);
  const bytes = argumentBytes(1);
  if (isWord(at, bytes, "COUNT")) {
    if (count != 2) wrongCountOfSub();
    else replyInteger(COMMAND_COUNT);
  } else if (isWord(at, bytes, "LIST") && count == 2) {
    replyArray(COMMAND_COUNT);
    for (let id: i32 = 0; id < COMMAND_COUNT; id++) replyField(rowOf(id), 0);
  } else if (isWord(at, bytes, "INFO")) {
    replyInfo(count);
  } else if (isWord(at, bytes, "DOCS")) {
    replyDocs(count);
  } else {
    unknownSub("COMMAND");
  }
}

function replyInfo(count: u32): void {
  replyArray(count == 2 ? COMMAND_COUNT : count - 2);
  for (let id: i32 = 0; count == 2 && id < COMMAND_COUNT; id++) replyRow(id);
  for (let i: u32 = 2; i < count; i++) {
    const id = idOf(argumentAt(i), argumentBytes(i));
    if (id < 0) replyNullArray();
    else replyRow(id);
  }
}

/** Of commands that do not exist it says nothing. */
function replyDocs(count: u32): void {
  let known: u32 = 0;
  for (let i: u32 = 2; i < count; i++) {
    if (idOf(argumentAt(i), argumentBytes(i)) >= 0) known++;
  }
  replyMap(count == 2 ? COMMAND_COUNT : known);
  for (let id: i32 = 0; count == 2 && id < COMMAND_COUNT; id++) replyDoc(id);
  for (let i: u32 = 2; i < count; i++) {
    const id = idOf(argumentAt(i), argumentBytes(i));
    if (id >= 0) replyDoc(id);
  }
}

/** Categories, tips, key specifications and subcommands are left out. */
function replyRow(id: i32): void {
  const row = rowOf(id);
  replyArray(10);
  replyField(row, 0);
  replyInteger(fieldNumber(row, ARITY));
  replyFlags(row);
  replyInteger(fieldNumber(row, FIRST_KEY));
  replyInteger(fieldNumber(row, LAST_KEY));
  replyInteger(fieldNumber(row, KEY_STEP));
  replySet(0);
  replyArray(0);
  replyArray(0);
  replyArray(0);
}

function replyFlags(row: string): void {
  const at = fieldStart(row, FLAGS);
  const count = fieldLength(row, FLAGS, at);
  const isNone = letter(row, at) == 0x2d;
  replySet(isNone ? 0 : count);
  for (let i: u32 = 0; !isNone && i < count; i++) {
    const flag = letter(row, at + i);
    if (flag == 0x77) replyText("+write");
    else if (flag == 0x72) replyText("+readonly");
    else if (flag == 0x6d) replyText("+denyoom");
    else replyText("+fast");
  }
}

function replyDoc(id: i32): void {
  const row = rowOf(id);
  replyField(row, 0);
  replyMap(2);
  replyWord("summary");
  replyField(row, SUMMARY);
  replyWord("group");
  replyField(row, GROUP);
}

function replyField(row: string, field: u32): void {
  const at = fieldStart(row, field);
  const bytes = fieldLength(row, field, at);
  for (let i: u32 = 0; i < bytes; i++) store<u8>(DIGITS + i, <u8>letter(row, at + i));
  replyBulk(DIGITS, bytes);
}
