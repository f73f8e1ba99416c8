/** All commands in one table: what each takes, and what COMMAND tells of it. */
import { COMMANDS } from "./layout";
import { capital } from "./text";

/** The order is that of the search: what clients use most comes first. */
export const GET: i32 = 0;
export const SET: i32 = 1;
export const RPUSH: i32 = 2;
export const LRANGE: i32 = 3;
export const DEL: i32 = 4;
export const INCR: i32 = 5;
export const PING: i32 = 6;
export const LPUSH: i32 = 7;
export const EXISTS: i32 = 8;
export const MGET: i32 = 9;
export const MSET: i32 = 10;
export const LPOP: i32 = 11;
export const RPOP: i32 = 12;
export const LLEN: i32 = 13;
export const EXPIRE: i32 = 14;
export const PEXPIRE: i32 = 15;
export const TTL: i32 = 16;
export const PTTL: i32 = 17;
export const PERSIST: i32 = 18;
export const INCRBY: i32 = 19;
export const DECR: i32 = 20;
export const DECRBY: i32 = 21;
export const APPEND: i32 = 22;
export const STRLEN: i32 = 23;
export const MULTI: i32 = 24;
export const EXEC: i32 = 25;
export const DISCARD: i32 = 26;
export const TYPE: i32 = 27;
export const SCAN: i32 = 28;
export const KEYS: i32 = 29;
export const DBSIZE: i32 = 30;
export const FLUSHALL: i32 = 31;
export const FLUSHDB: i32 = 32;
export const UNLINK: i32 = 33;
export const ECHO: i32 = 34;
export const SELECT: i32 = 35;
export const HELLO: i32 = 36;
export const CLIENT: i32 = 37;
export const INFO: i32 = 38;
export const CONFIG: i32 = 39;
export const COMMAND: i32 = 40;
export const AUTH: i32 = 41;
export const QUIT: i32 = 42;
export const RESET: i32 = 43;
export const COMMAND_COUNT: i32 = 44;

const NAME_BYTES_MAX: u32 = 8;
const CAPITALS: u64 = 0xdfdfdfdfdfdfdfdf;
const ROW_BYTES: usize = 16;

/** Fields of a row. */
export const ARITY: u32 = 1;
/** Letters: w write, r readonly, m denyoom, f fast. */
export const FLAGS: u32 = 2;
export const FIRST_KEY: u32 = 3;
export const LAST_KEY: u32 = 4;
export const KEY_STEP: u32 = 5;
export const GROUP: u32 = 6;
/** The rest of the row. */
export const SUMMARY: u32 = 7;

/** As Redis has it: name, arity (negative: at least so many, the name counts), flags, keys, group, summary. */
export function rowOf(id: i32): string {
  switch (id) {
    case GET:
      return "get 2 rf 1 1 1 string Get the value of a key";
    case SET:
      return "set -3 wm 1 1 1 string Set the string value of a key";
    case RPUSH:
      return "rpush -3 wmf 1 1 1 list Append one or multiple elements to a list";
    case LRANGE:
      return "lrange 4 r 1 1 1 list Get a range of elements from a list";
    case DEL:
      return "del -2 w 1 -1 1 generic Delete a key";
    case INCR:
      return "incr 2 wmf 1 1 1 string Increment the integer value of a key by one";
    case PING:
      return "ping -1 f 0 0 0 connection Ping the server";
    case LPUSH:
      return "lpush -3 wmf 1 1 1 list Prepend one or multiple elements to a list";
    case EXISTS:
      return "exists -2 rf 1 -1 1 generic Determine if a key exists";
    case MGET:
      return "mget -2 rf 1 -1 1 string Get the values of all the given keys";
    case MSET:
      return "mset -3 wm 1 -1 2 string Set multiple keys to multiple values";
    case LPOP:
      return "lpop -2 wf 1 1 1 list Remove and get the first elements in a list";
    case RPOP:
      return "rpop -2 wf 1 1 1 list Remove and get the last elements in a list";
    case LLEN:
      return "llen 2 rf 1 1 1 list Get the length of a list";
    case EXPIRE:
      return "expire -3 wf 1 1 1 generic Set a key's time to live in seconds";
    case PEXPIRE:
      return "pexpire -3 wf 1 1 1 generic Set a key's time to live in milliseconds";
    case TTL:
      return "ttl 2 rf 1 1 1 generic Get the time to live for a key in seconds";
    case PTTL:
      return "pttl 2 rf 1 1 1 generic Get the time to live for a key in milliseconds";
    case PERSIST:
      return "persist 2 wf 1 1 1 generic Remove the expiration from a key";
    case INCRBY:
      return "incrby 3 wmf 1 1 1 string Increment the integer value of a key by the given amount";
    case DECR:
      return "decr 2 wmf 1 1 1 string Decrement the integer value of a key by one";
    case DECRBY:
      return "decrby 3 wmf 1 1 1 string Decrement the integer value of a key by the given number";
    case APPEND:
      return "append 3 wmf 1 1 1 string Append a value to a key";
    case STRLEN:
      return "strlen 2 rf 1 1 1 string Get the length of the value stored in a key";
    case MULTI:
      return "multi 1 f 0 0 0 transactions Mark the start of a transaction block";
    case EXEC:
      return "exec 1 - 0 0 0 transactions Execute all commands issued after MULTI";
    case DISCARD:
      return "discard 1 f 0 0 0 transactions Discard all commands issued after MULTI";
    case TYPE:
      return "type 2 rf 1 1 1 generic Determine the type stored at key";
    case SCAN:
      return "scan -2 r 0 0 0 generic Incrementally iterate the keys space";
    case KEYS:
      return "keys 2 r 0 0 0 generic Find all keys matching the given pattern";
    case DBSIZE:
      return "dbsize 1 rf 0 0 0 server Return the number of keys in the selected database";
    case FLUSHALL:
      return "flushall -1 w 0 0 0 server Remove all keys from all databases";
    case FLUSHDB:
      return "flushdb -1 w 0 0 0 server Remove all keys from the current database";
    case UNLINK:
      return "unlink -2 wf 1 -1 1 generic Delete a key";
    case ECHO:
      return "echo 2 f 0 0 0 connection Echo the given string";
    case SELECT:
      return "select 2 f 0 0 0 connection Change the selected database for the current connection";
    case HELLO:
      return "hello -1 f 0 0 0 connection Handshake with Redis";
    case CLIENT:
      return "client -2 - 0 0 0 connection A container for client connection commands";
    case INFO:
      return "info -1 - 0 0 0 server Get information and statistics about the server";
    case CONFIG:
      return "config -2 - 0 0 0 server A container for server configuration commands";
    case COMMAND:
      return "command -1 - 0 0 0 server Get array of Redis command details";
    case AUTH:
      return "auth -2 f 0 0 0 connection Authenticate to the server";
    case QUIT:
      return "quit -1 f 0 0 0 connection Close the connection";
    default:
      return "reset 1 f 0 0 0 connection Reset the connection";
  }
}

/** Index into a row at which a field begins. */
export function fieldStart(row: string, field: u32): u32 {
  let at: u32 = 0;
  while (field > 0) {
    if (letter(row, at) == 0x20) field--;
    at++;
  }
  return at;
}

/** Length of the field that begins at `at`; that of a summary is the rest. */
export function fieldLength(row: string, field: u32, at: u32): u32 {
  const all = <u32>row.length;
  if (field == SUMMARY) return all - at;
  let end = at;
  while (end < all && letter(row, end) != 0x20) end++;
  return end - at;
}

export function fieldNumber(row: string, field: u32): i32 {
  const at = fieldStart(row, field);
  const isNegative = letter(row, at) == 0x2d;
  const digit = <i32>letter(row, isNegative ? at + 1 : at) - 0x30;
  return isNegative ? -digit : digit;
}

@inline
export function letter(row: string, at: u32): u32 {
  return load<u16>(changetype<usize>(row) + (<usize>at << 1));
}

export function initCommands(): void {
  for (let id: i32 = 0; id < COMMAND_COUNT; id++) {
    const row = rowOf(id);
    const bytes = fieldLength(row, 0, 0);
    let name: u64 = 0;
    for (let i: u32 = 0; i < bytes; i++) name |= <u64>capital(letter(row, i)) << (i << 3);
    const at = COMMANDS + <usize>id * ROW_BYTES;
    store<u64>(at, name);
    store<i32>(at, fieldNumber(row, ARITY), 8);
  }
}

/** Number of the command; -1: there is none of that name. Letters differ from their capitals in one bit, and from nothing else. */
export function idOf(at: usize, bytes: u32): i32 {
  if (bytes > NAME_BYTES_MAX || bytes == 0) return -1;
  const name = load<u64>(at) & CAPITALS & (u64.MAX_VALUE >> ((NAME_BYTES_MAX - bytes) << 3));
  for (let id: i32 = 0; id < COMMAND_COUNT; id++) {
    if (load<u64>(COMMANDS + <usize>id * ROW_BYTES) == name) return id;
  }
  return -1;
}

export function isCountAllowed(id: i32, count: u32): bool {
  const arity = load<i32>(COMMANDS + <usize>id * ROW_BYTES, 8);
  return arity >= 0 ? count == <u32>arity : count >= <u32>-arity;
}
