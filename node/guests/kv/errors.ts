/** Errors in the words of Redis; those of this guest's own limits follow its style. */
import { argumentAt, argumentBytes, header, KEY_BYTES_MAX, VALUE_BYTES_MAX } from "./layout";
import { putByte, putInteger, putSafe, putText, replyText } from "./reply";
import { small } from "./text";

/** What Redis shows of an unknown command, and of its arguments. */
const SHOWN_BYTES_MAX: u32 = 128;

export function syntaxError(): void {
  replyText("-ERR syntax error");
}

export function outOfMemory(): void {
  replyText("-OOM command not allowed when used memory > 'maxmemory'.");
}

export function wrongKind(): void {
  replyText("-WRONGTYPE Operation against a key holding the wrong kind of value");
}

export function notAnInteger(): void {
  replyText("-ERR value is not an integer or out of range");
}

export function tooLong(what: string, limit: u32): void {
  putText("-ERR ");
  putText(what);
  putText(" is longer than ");
  putInteger(limit);
  replyText(" bytes");
}

/** False: the key is too long, and an error was replied. */
export function isKeyAllowed(bytes: u32): bool {
  if (bytes <= KEY_BYTES_MAX) return true;
  tooLong("key", KEY_BYTES_MAX);
  return false;
}

export function isValueAllowed(bytes: u32): bool {
  if (bytes <= VALUE_BYTES_MAX) return true;
  tooLong("value", VALUE_BYTES_MAX);
  return false;
}

export function wrongCount(): void {
  putText("-ERR ");
  putWrongCount();
}

/** An EXEC that is refused ends its transaction. */
export function wrongCountOfExec(): void {
  putText("-EXECABORT Transaction discarded because of: ");
  putWrongCount();
}

function putWrongCount(): void {
  putText("wrong number of arguments for '");
  putSmall(0);
  replyText("' command");
}

/** Of a command's subcommand. */
export function wrongCountOfSub(): void {
  putText("-ERR wrong number of arguments for '");
  putSmall(0);
  putByte(0x7c);
  putSmall(1);
  replyText("' command");
}

export function unknownSub(help: string): void {
  putText("-ERR unknown subcommand '");
  putSafe(argumentAt(1), shownBytes(1, SHOWN_BYTES_MAX));
  putText("'. Try ");
  putText(help);
  replyText(" HELP.");
}

export function expiryOutOfRange(): void {
  putText("-ERR invalid expire time in '");
  putSmall(0);
  replyText("' command");
}

export function unknownCommand(): void {
  const count = header().argumentCount;
  putText("-ERR unknown command '");
  putSafe(argumentAt(0), shownBytes(0, SHOWN_BYTES_MAX));
  putText("', with args beginning with: ");
  let shown: u32 = 0;
  for (let i: u32 = 1; i < count && shown < SHOWN_BYTES_MAX; i++) {
    const bytes = shownBytes(i, SHOWN_BYTES_MAX - shown);
    putByte(0x27);
    putSafe(argumentAt(i), bytes);
    putText("' ");
    shown += bytes + 3;
  }
  replyText("");
}

function putSmall(argument: u32): void {
  for (let i: u32 = 0; i < argumentBytes(argument); i++) putByte(small(load<u8>(argumentAt(argument) + i)));
}

/** As C prints text: up to a zero byte. */
export function shownBytes(argument: u32, limit: u32): u32 {
  const bytes = min(argumentBytes(argument), limit);
  for (let i: u32 = 0; i < bytes; i++) {
    if (load<u8>(argumentAt(argument) + i) == 0) return i;
  }
  return bytes;
}
