/** Guest time: the machine's time of the entry in work, which goes on over boots from the last one that stands in the log. */
import { now } from "./abi";
import { header } from "./layout";

/** The same for all of an entry. Unit: microseconds. */
export function guestTime(): i64 {
  if (header().isTimeRead) return header().time;
  header().isTimeRead = 1;
  header().time = now() + header().timeShift;
  return header().time;
}

/** After a replay, which read the time of the last record. */
export function startClock(): void {
  header().timeShift = header().loggedTime - now();
}

/** The next entry may have another time. */
@inline
export function forgetTime(): void {
  header().isTimeRead = 0;
}
