/**
 * Remembers configurations: what is placed, and the state. The numbers lie one behind the other in one array, found by a hash and then
 * compared, so a collision costs time and never an answer.
 *
 * A configuration has a *base* (state and definite steps) and says how many steps without an end it has used, by class. One that was
 * visited with the same base and no more used of any class could do all that this one can: it need not be entered again.
 */

/** Of the numbers that are kept: 128 MiB. */
const NUMBERS_MAX = 2 ** 25;
/** No entry. */
const NONE = 0;

/*
 * Base entry:  next in bucket, hash, first use, length, numbers…
 * Use entry:   next use of this base, number of pairs, (class, count)…
 */
const BASE_HEAD = 4;
const USE_HEAD = 2;

export class Memory {
  // Small at first: most keys need next to nothing.
  #numbers = new Int32Array(128);
  #buckets = new Int32Array(16);
  /** Offset 0 means none. */
  #end = 1;
  #bases = 0;

  /**
   * `new`: it is remembered from now on. `full`: it is not, there is no room.
   *
   * @param base its first `length` numbers count; 0 or more each
   * @param used how many steps of each class are used
   */
  visit(base: Int32Array, length: number, used: Int32Array): "new" | "known" | "full" {
    const hash = hashOf(base, length);
    const known = this.#find(hash, base, length);
    if (known !== NONE && this.#isCovered(known, used)) return "known";
    if (!this.#makeRoom(BASE_HEAD + length + USE_HEAD + 2 * used.length)) return "full";
    this.#addUse(known === NONE ? this.#addBase(hash, base, length) : known, used);
    return "new";
  }

  #read(offset: number): number {
    return this.#numbers[offset] ?? 0;
  }

  #makeRoom(count: number): boolean {
    const wanted = this.#end + count;
    if (wanted <= this.#numbers.length) return true;
    if (wanted > NUMBERS_MAX) return false;
    const larger = new Int32Array(
      Math.min(NUMBERS_MAX, Math.max(wanted, 2 * this.#numbers.length)),
    );
    larger.set(this.#numbers);
    this.#numbers = larger;
    return true;
  }

  #find(hash: number, base: Int32Array, length: number): number {
    let entry = this.#buckets[hash & (this.#buckets.length - 1)] ?? NONE;
    for (; entry !== NONE; entry = this.#read(entry)) {
      if (this.#read(entry + 1) !== hash || this.#read(entry + 3) !== length) continue;
      let index = 0;
      while (index < length && this.#read(entry + BASE_HEAD + index) === base[index]) index += 1;
      if (index === length) return entry;
    }
    return NONE;
  }

  #addBase(hash: number, base: Int32Array, length: number): number {
    if (this.#bases >= this.#buckets.length) this.#spread();
    const numbers = this.#numbers;
    const entry = this.#end;
    const bucket = hash & (this.#buckets.length - 1);
    numbers[entry] = this.#buckets[bucket] ?? NONE;
    numbers[entry + 1] = hash;
    numbers[entry + 2] = NONE;
    numbers[entry + 3] = length;
    numbers.set(base.subarray(0, length), entry + BASE_HEAD);
    this.#buckets[bucket] = entry;
    this.#bases += 1;
    this.#end += BASE_HEAD + length;
    return entry;
  }

  #spread(): void {
    const old = this.#buckets;
    this.#buckets = new Int32Array(4 * old.length);
    for (const first of old) {
      for (let entry = first, next = NONE; entry !== NONE; entry = next) {
        next = this.#read(entry);
        const bucket = this.#read(entry + 1) & (this.#buckets.length - 1);
        this.#numbers[entry] = this.#buckets[bucket] ?? NONE;
        this.#buckets[bucket] = entry;
      }
    }
  }

  #isCovered(entry: number, used: Int32Array): boolean {
    for (let use = this.#read(entry + 2); use !== NONE; use = this.#read(use)) {
      const stop = use + USE_HEAD + 2 * this.#read(use + 1);
      let pair = use + USE_HEAD;
      while (pair < stop && this.#read(pair + 1) <= (used[this.#read(pair)] ?? 0)) pair += 2;
      if (pair >= stop) return true;
    }
    return false;
  }

  #addUse(entry: number, used: Int32Array): void {
    const numbers = this.#numbers;
    const use = this.#end;
    let end = use + USE_HEAD;
    for (let index = 0; index < used.length; index += 1) {
      const count = used[index] ?? 0;
      if (count === 0) continue;
      numbers[end] = index;
      numbers[end + 1] = count;
      end += 2;
    }
    numbers[use] = this.#read(entry + 2);
    numbers[use + 1] = (end - use - USE_HEAD) / 2;
    numbers[entry + 2] = use;
    this.#end = end;
  }
}

function hashOf(base: Int32Array, length: number): number {
  let hash = length;
  for (let index = 0; index < length; index += 1) {
    hash = Math.imul(hash ^ (base[index] ?? 0), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash;
}
