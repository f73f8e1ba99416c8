/** Patterns of KEYS and SCAN, with the meaning that they have in Redis: `*`, `?`, `[a-c]`, `[^a]`, and `\` before what is meant as such. */
const STAR: u32 = 0x2a;
const QUESTION: u32 = 0x3f;
const OPEN: u32 = 0x5b;
const CLOSE: u32 = 0x5d;
const BACKSLASH: u32 = 0x5c;
const CARET: u32 = 0x5e;
const DASH: u32 = 0x2d;

/** Without recursion: after a mismatch it goes back to the last star, which takes one byte more. */
export function matches(pattern: usize, patternBytes: u32, text: usize, textBytes: u32): bool {
  const patternEnd = pattern + patternBytes;
  const textEnd = text + textBytes;
  let afterStar: usize = 0;
  let starText: usize = 0;
  while (true) {
    if (pattern < patternEnd && load<u8>(pattern) == STAR) {
      pattern++;
      if (pattern == patternEnd) return true;
      afterStar = pattern;
      starText = text;
      continue;
    }
    if (text == textEnd && pattern == patternEnd) return true;
    if (text < textEnd && pattern < patternEnd && fits(pattern, patternEnd, load<u8>(text))) {
      pattern = next(pattern, patternEnd);
      text++;
      continue;
    }
    if (afterStar == 0 || starText == textEnd) return false;
    starText++;
    text = starText;
    pattern = afterStar;
  }
}

/** Whether one byte fits the element that begins here. */
function fits(at: usize, end: usize, byte: u32): bool {
  const first: u32 = load<u8>(at);
  if (first == QUESTION) return true;
  if (first == BACKSLASH && at + 1 < end) return load<u8>(at + 1) == byte;
  if (first != OPEN) return first == byte;
  at++;
  const isNot = at < end && load<u8>(at) == CARET;
  if (isNot) at++;
  let isIn = false;
  while (at < end && load<u8>(at) != CLOSE) {
    if (load<u8>(at) == BACKSLASH && at + 1 < end) {
      if (load<u8>(at + 1) == byte) isIn = true;
      at += 2;
    } else if (at + 2 < end && load<u8>(at + 1) == DASH) {
      const from: u32 = load<u8>(at);
      const to: u32 = load<u8>(at + 2);
      if (byte >= min(from, to) && byte <= max(from, to)) isIn = true;
      at += 3;
    } else {
      if (load<u8>(at) == byte) isIn = true;
      at++;
    }
  }
  return isIn != isNot;
}

/** Where the element after this one begins. */
function next(at: usize, end: usize): usize {
  const first: u32 = load<u8>(at);
  if (first == BACKSLASH && at + 1 < end) return at + 2;
  if (first != OPEN) return at + 1;
  at++;
  if (at < end && load<u8>(at) == CARET) at++;
  while (at < end && load<u8>(at) != CLOSE) {
    if (load<u8>(at) == BACKSLASH && at + 1 < end) at += 2;
    else if (at + 2 < end && load<u8>(at + 1) == DASH) at += 3;
    else at++;
  }
  return min(at + 1, end);
}
