/**
 * Keys that expire, in guest time. What has expired is gone for every command at once. That it is gone is logged like any other change, before a reply can show it:
 * else a boot, whose time begins a little earlier, would bring it back.
 */
import { set_timer } from "./abi";
import { mayLog } from "./checkpoint";
import { guestTime } from "./clock";
import { entryAt, entryOf, keyOf, slotAddress } from "./heap";
import { find, removeAt, slots } from "./keys";
import { header, setArgument } from "./layout";
import { DELETE, FREE_ARGUMENT, log, logTime } from "./log";

/** Between two looks at all keys. Unit: microseconds. */
const SWEEP_EVERY: i64 = 100_000;
/** Most keys that one tick removes; the others follow with the next one. */
const SWEEP_MAX: u32 = 1024;
/** What remains of a time to live is logged at least so often. Unit: microseconds. */
const TIME_EVERY: i64 = 1_000_000;
const TIME_BYTES: u32 = 64;
const NEVER: i64 = -1;

/** Address of the key's slot; 0 when there is no such key, or it has expired. Other slots may have moved. */
export function lookup(key: usize, keyBytes: u32): usize {
  const slot = find(key, keyBytes);
  if (slot == 0) return 0;
  const expireAt = entryAt(entryOf(slot)).expireAt;
  if (expireAt == 0 || expireAt > guestTime()) return slot;
  expire(slot);
  return 0;
}

/** Removes all that has expired. */
export function sweepDue(): void {
  if (header().mortals > 0 && header().nextExpiry <= guestTime()) sweep(u32.MAX_VALUE);
}

export function onTick(): void {
  header().timerAt = 0;
  if (header().mortals == 0) return;
  const time = guestTime();
  if (header().nextExpiry <= time && header().sweptAt + SWEEP_EVERY <= time) sweep(SWEEP_MAX);
  if (header().mortals > 0 && header().loggedTime + TIME_EVERY <= time && mayLog(TIME_BYTES)) logTime();
}

/** Sets the machine's timer to when there is something to do. */
export function arm(): void {
  let at: i64 = 0;
  if (header().mortals == 0 && header().timerAt == 0) return;
  if (header().mortals > 0) {
    const due = max(header().nextExpiry, header().sweptAt + SWEEP_EVERY);
    at = min(due, header().loggedTime + TIME_EVERY) - header().timeShift;
  }
  if (at == header().timerAt) return;
  header().timerAt = at;
  set_timer(at == 0 ? NEVER : at);
}

function sweep(most: u32): void {
  let next = i64.MAX_VALUE;
  const time = guestTime();
  const end = slots();
  for (let index: u32 = 0; index < end; index++) {
    const slot = slotAddress(index);
    // Again, when the removal moved another key here.
    while (entryOf(slot) != 0) {
      const expireAt = entryAt(entryOf(slot)).expireAt;
      if (expireAt == 0) break;
      if (expireAt > time || most == 0) {
        next = min(next, expireAt);
        break;
      }
      expire(slot);
      most--;
    }
  }
  header().nextExpiry = next;
  header().sweptAt = time;
}

/** Needs no `mayLog`: its record is smaller than what the key took in a checkpoint. */
function expire(slot: usize): void {
  const entry = entryOf(slot);
  setArgument(FREE_ARGUMENT, keyOf(entry), entryAt(entry).keyBytes);
  log(DELETE, FREE_ARGUMENT, 1);
  removeAt(slot);
  header().expiredKeys++;
}
