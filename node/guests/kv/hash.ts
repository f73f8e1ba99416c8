/** The 32-bit mixing of MurmurHash3, a word at a time. Each step maps states one to one, so records that differ in one word never
 * get one sum, and equal records after different sums never do either. */

@inline
export function mixWord(state: u32, word: u32): u32 {
  const scrambled = rotl<u32>(word * 0xcc9e2d51, 15) * 0x1b873593;
  return rotl<u32>(state ^ scrambled, 13) * 5 + 0xe6546b64;
}

/** The last word is filled up with zeros: the caller mixes the length in as well. */
export function mixBytes(state: u32, at: usize, bytes: u32): u32 {
  const wordsEnd = at + (bytes & ~3);
  while (at < wordsEnd) {
    state = mixWord(state, load<u32>(at));
    at += 4;
  }
  const rest = bytes & 3;
  if (rest == 0) return state;
  let word: u32 = load<u8>(at);
  if (rest > 1) word |= <u32>load<u8>(at, 1) << 8;
  if (rest > 2) word |= <u32>load<u8>(at, 2) << 16;
  return mixWord(state, word);
}

export function finish(state: u32, bytes: u32): u32 {
  state ^= bytes;
  state = (state ^ (state >> 16)) * 0x85ebca6b;
  state = (state ^ (state >> 13)) * 0xc2b2ae35;
  return state ^ (state >> 16);
}

@inline
export function hashOf(at: usize, bytes: u32): u32 {
  return finish(mixBytes(0, at, bytes), bytes);
}
